// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "base/bytes.hpp"

// Integers in network byte order, read from and written to untrusted bytes.

namespace skep::packet {

/// Network order to host order, and back: the same operation.
template <std::unsigned_integral T>
constexpr T swap_bytes(T value) {
    if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
    if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
    if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
    return value;
}

/// The big-endian T at `offset`, or nothing where it does not lie wholly inside.
template <std::unsigned_integral T>
std::optional<T> load_be(ByteView bytes, uint64_t offset) {
    const auto value = load<T>(bytes, offset);
    if (!value) return std::nullopt;
    return swap_bytes(*value);
}

template <std::unsigned_integral T>
void append_be(Bytes& out, T value) {
    append(out, swap_bytes(value));
}

/// Overwrites sizeof(T) bytes, which the caller knows to be there.
template <std::unsigned_integral T>
void store_be(uint8_t* at, T value) {
    value = swap_bytes(value);
    std::memcpy(at, &value, sizeof(value));
}

}  // namespace skep::packet
