// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace skep::packet {

// The Internet checksum (RFC 1071) and its incremental update (RFC 1624), with the meaning and, bit
// for bit, the results of the kernel's functions of the same names, so that a program's
// bpf_csum_diff() and bpf_l4_csum_replace() answer here what they answer there.
//
//     header.check = 0;
//     header.check = csum_fold(csum_partial(bytes_of(header)));           // compute
//     header.check = csum_replace2(header.check, old_port, new_port);     // update one field
//
// Every 16- and 32-bit value is as it lies in the packet (loaded by memcpy, network order seen by a
// little-endian host): the ones-complement sum does not care, and no swap is ever needed. A `sum`
// is a 32-bit ones-complement sum (__wsum), a `csum` the complemented 16-bit field (__sum16).
//
// Source: include/net/checksum.h and net/core/filter.c of Linux 6.12; where 6.18 differs, 6.18.

/// The sum of `bytes` and `seed`; a last odd byte counts as if a zero followed it. The result is
/// zero only where everything is: in ones-complement, -0 (0xffffffff) is what other zeros look
/// like.
uint32_t csum_partial(ByteView bytes, uint32_t seed = 0);

constexpr uint32_t csum_add(uint32_t a, uint32_t b) {
    const uint32_t sum = a + b;
    return sum + (sum < a);
}

constexpr uint32_t csum_sub(uint32_t a, uint32_t b) {
    return csum_add(a, ~b);
}

/// 32 bits of sum as 16, not complemented.
constexpr uint16_t csum_from32to16(uint32_t sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum + (sum >> 16));
}

/// What goes into a checksum field.
constexpr uint16_t csum_fold(uint32_t sum) {
    return static_cast<uint16_t>(~csum_from32to16(sum));
}

/// The field after the data it covers changed by `diff` (from csum_diff()).
constexpr uint16_t csum_replace_by_diff(uint16_t csum, uint32_t diff) {
    return csum_fold(csum_add(diff, ~uint32_t{csum}));
}

/// The field after a 32-bit word changed.
constexpr uint16_t csum_replace4(uint16_t csum, uint32_t from, uint32_t to) {
    return csum_fold(csum_add(csum_sub(~uint32_t{csum}, from), to));
}

/// The field after a 16-bit word changed.
constexpr uint16_t csum_replace2(uint16_t csum, uint16_t from, uint16_t to) {
    const auto add16 = [](uint16_t a, uint16_t b) {
        const auto sum = static_cast<uint16_t>(a + b);
        return static_cast<uint16_t>(sum + (sum < a));
    };
    const uint16_t without = add16(static_cast<uint16_t>(~csum), static_cast<uint16_t>(~from));
    return static_cast<uint16_t>(~add16(without, to));
}

/// bpf_csum_diff(): what changes in a sum when `from` is replaced by `to`; either may be empty, and
/// they may differ in size. Folded to 16 bits, as on every architecture since 6.13 (before that
/// x86-64 returned all 32, which folds to the same), and without what kernels demanded before 6.13:
/// sizes that are multiples of 4, and at most 512 bytes.
uint32_t csum_diff(ByteView from, ByteView to, uint32_t seed);

/// The sum of the pseudo-header that TCP, UDP and ICMPv6 cover (RFC 9293, RFC 768; RFC 8200 8.1).
/// `source` and `destination` are addresses of 4 or of 16 bytes.
uint32_t pseudo_header_sum(ByteView source, ByteView destination, uint8_t protocol,
                           uint32_t length);

}  // namespace skep::packet
