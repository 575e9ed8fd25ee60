// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

// Reading and writing untrusted bytes. Every parser of skep goes through these few functions, so
// that a length that lies is a nullopt and never an access. Host byte order; skep runs on
// little-endian machines only (asserted here), and callers swap where a format says otherwise.

namespace skep {

static_assert(std::endian::native == std::endian::little);

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

/// The T at `offset`, or nothing where it does not lie wholly inside. Unaligned offsets are fine.
template <typename T>
    requires std::is_trivially_copyable_v<T>
std::optional<T> load(ByteView bytes, uint64_t offset) {
    if (offset > bytes.size() || sizeof(T) > bytes.size() - offset) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

/// `length` bytes from `offset`, or nothing where they do not lie wholly inside.
inline std::optional<ByteView> slice(ByteView bytes, uint64_t offset, uint64_t length) {
    if (offset > bytes.size() || length > bytes.size() - offset) return std::nullopt;
    return bytes.subspan(offset, length);
}

/// The NUL-terminated string at `offset`, or nothing where it starts outside or has no end.
inline std::optional<std::string_view> load_string(ByteView bytes, uint64_t offset) {
    if (offset >= bytes.size()) return std::nullopt;
    const auto* begin = reinterpret_cast<const char*>(bytes.data() + offset);
    const void* end = std::memchr(begin, 0, bytes.size() - offset);
    if (!end) return std::nullopt;
    return std::string_view(begin, static_cast<size_t>(static_cast<const char*>(end) - begin));
}

/// The bytes of an object, for hashing, comparing and writing.
template <typename T>
    requires std::is_trivially_copyable_v<T>
ByteView bytes_of(const T& object) {
    return {reinterpret_cast<const uint8_t*>(&object), sizeof(T)};
}

inline ByteView bytes_of(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

template <typename T>
    requires std::is_trivially_copyable_v<T>
void append(Bytes& out, const T& value) {
    const ByteView bytes = bytes_of(value);
    out.insert(out.end(), bytes.begin(), bytes.end());
}

inline void append(Bytes& out, ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

/// The smallest multiple of `alignment` (a power of two) that is at least `n`.
constexpr uint64_t align_up(uint64_t n, uint64_t alignment) {
    return (n + alignment - 1) & ~(alignment - 1);
}

}  // namespace skep
