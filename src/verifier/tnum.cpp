// SPDX-License-Identifier: Apache-2.0
#include "verifier/tnum.hpp"

#include <bit>

namespace skep::verifier {

Tnum Tnum::range(uint64_t lowest, uint64_t highest) {
    const int differing = std::bit_width(lowest ^ highest);
    if (differing > 63) return unknown();
    const uint64_t low_bits = (uint64_t{1} << differing) - 1;
    return {lowest & ~low_bits, low_bits};
}

// A bit of the sum is known where its operands and the carry into it are. Carries differ between
// the sum of all-lowest and the sum of all-highest members only where an unknown bit matters.
Tnum tnum_add(Tnum a, Tnum b) {
    const uint64_t sum_low = a.value + b.value;
    const uint64_t sum_high = sum_low + (a.mask + b.mask);
    const uint64_t unknown = (sum_low ^ sum_high) | a.mask | b.mask;
    return {sum_low & ~unknown, unknown};
}

Tnum tnum_sub(Tnum a, Tnum b) {
    const uint64_t difference = a.value - b.value;
    const uint64_t unknown = ((difference + a.mask) ^ (difference - b.mask)) | a.mask | b.mask;
    return {difference & ~unknown, unknown};
}

Tnum tnum_neg(Tnum a) {
    return tnum_sub(Tnum::constant(0), a);
}

Tnum tnum_and(Tnum a, Tnum b) {
    const uint64_t maybe_one = (a.value | a.mask) & (b.value | b.mask);
    const uint64_t one = a.value & b.value;
    return {one, maybe_one & ~one};
}

Tnum tnum_or(Tnum a, Tnum b) {
    const uint64_t one = a.value | b.value;
    return {one, (a.mask | b.mask) & ~one};
}

Tnum tnum_xor(Tnum a, Tnum b) {
    const uint64_t unknown = a.mask | b.mask;
    return {(a.value ^ b.value) & ~unknown, unknown};
}

// Long multiplication: for a bit of `a` that is unknown, both with and without its product.
Tnum tnum_mul(Tnum a, Tnum b) {
    Tnum sum;
    while (a.value | a.mask) {
        if (a.value & 1)
            sum = tnum_add(sum, b);
        else if (a.mask & 1)
            sum = tnum_union(sum, tnum_add(sum, b));
        a = tnum_rsh(a, 1);
        b = tnum_lsh(b, 1);
    }
    return sum;
}

Tnum tnum_lsh(Tnum a, uint8_t shift) {
    return {a.value << shift, a.mask << shift};
}

Tnum tnum_rsh(Tnum a, uint8_t shift) {
    return {a.value >> shift, a.mask >> shift};
}

Tnum tnum_arsh(Tnum a, uint8_t shift, uint8_t width) {
    if (width == 32)
        return {uint32_t(int32_t(uint32_t(a.value)) >> shift),
                uint32_t(int32_t(uint32_t(a.mask)) >> shift)};
    return {uint64_t(int64_t(a.value) >> shift), uint64_t(int64_t(a.mask) >> shift)};
}

Tnum tnum_intersect(Tnum a, Tnum b) {
    const uint64_t unknown = a.mask & b.mask;
    return {(a.value | b.value) & ~unknown, unknown};
}

Tnum tnum_union(Tnum a, Tnum b) {
    const uint64_t unknown = (a.value ^ b.value) | a.mask | b.mask;
    return {a.value & b.value & ~unknown, unknown};
}

Tnum tnum_bswap(Tnum a, uint8_t bytes) {
    const int shift = 64 - 8 * bytes;
    return {__builtin_bswap64(a.value) >> shift, __builtin_bswap64(a.mask) >> shift};
}

Tnum tnum_cast(Tnum a, uint8_t bytes) {
    if (bytes >= 8) return a;
    const uint64_t kept = (uint64_t{1} << (bytes * 8)) - 1;
    return {a.value & kept, a.mask & kept};
}

bool tnum_is_aligned(Tnum a, uint64_t alignment) {
    return alignment == 0 || ((a.value | a.mask) & (alignment - 1)) == 0;
}

}  // namespace skep::verifier
