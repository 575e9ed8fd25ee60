// SPDX-License-Identifier: Apache-2.0
#include "packet/csum.hpp"

#include <array>

namespace skep::packet {
namespace {

uint64_t load64(const uint8_t* at) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    return word;
}

uint64_t add64(uint64_t a, uint64_t b) {
    const uint64_t sum = a + b;
    return sum + (sum < a);
}

}  // namespace

// The sum modulo 2^64-1 determines the sums modulo 2^32-1 and 2^16-1, so words are added eight
// bytes at a time; 128-bit accumulators collect the carries (add, adc), and two of them hide the
// latency.
uint32_t csum_partial(ByteView bytes, uint32_t seed) {
    const uint8_t* at = bytes.data();
    size_t left = bytes.size();
    __extension__ using Wide = unsigned __int128;
    Wide even = seed, odd = 0;
    for (; left >= 32; left -= 32, at += 32) {
        even += load64(at);
        odd += load64(at + 8);
        even += load64(at + 16);
        odd += load64(at + 24);
    }
    for (; left >= 8; left -= 8, at += 8) even += load64(at);
    if (left > 0) {
        uint64_t tail = 0;
        std::memcpy(&tail, at, left);
        even += tail;
    }
    even += odd;
    const uint64_t sum = add64(static_cast<uint64_t>(even), static_cast<uint64_t>(even >> 64));
    return csum_add(static_cast<uint32_t>(sum), static_cast<uint32_t>(sum >> 32));
}

// The four cases are the kernel's: they differ in which of the two zeros they return.
uint32_t csum_diff(ByteView from, ByteView to, uint32_t seed) {
    uint32_t sum = seed;
    if (!from.empty() && !to.empty()) {
        sum = csum_sub(csum_partial(to, seed), csum_partial(from));
    } else if (!to.empty()) {
        sum = csum_partial(to, seed);
    } else if (!from.empty()) {
        sum = ~csum_partial(from, ~seed);
    }
    return csum_from32to16(sum);
}

uint32_t pseudo_header_sum(ByteView source, ByteView destination, uint8_t protocol,
                           uint32_t length) {
    const std::array<uint8_t, 8> rest = {static_cast<uint8_t>(length >> 24),
                                         static_cast<uint8_t>(length >> 16),
                                         static_cast<uint8_t>(length >> 8),
                                         static_cast<uint8_t>(length),
                                         0,
                                         0,
                                         0,
                                         protocol};
    return csum_partial(source, csum_partial(destination, csum_partial(rest)));
}

}  // namespace skep::packet
