// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// A tristate number: each of its 64 bits is 0, 1 or unknown. It stands for the set of numbers that
// agree with `value` outside of `mask`:
//
//     Tnum index = tnum_and(Tnum::unknown(), Tnum::constant(0xff));   // 0 to 255
//     index = tnum_lsh(index, 3);                                     // a multiple of 8
//
// Every operation here gives a tnum that holds all results of the operation on members of its
// arguments (tnum_test.cpp tries all of small widths). Same domain as lib tnum of Linux, in which
// precision must be equal: a less precise result refuses programs that the kernel takes.

namespace skep::verifier {

struct Tnum {
    uint64_t value = 0;
    uint64_t mask = 0;

    static constexpr Tnum constant(uint64_t value) { return {value, 0}; }
    static constexpr Tnum unknown() { return {0, UINT64_MAX}; }
    /// The smallest tnum that holds all of [lowest, highest].
    static Tnum range(uint64_t lowest, uint64_t highest);

    constexpr bool is_constant() const { return mask == 0; }
    constexpr bool is_unknown() const { return mask == UINT64_MAX; }
    constexpr bool contains(uint64_t number) const { return ((number ^ value) & ~mask) == 0; }
    constexpr uint64_t lowest() const { return value; }
    constexpr uint64_t highest() const { return value | mask; }
    bool operator==(const Tnum&) const = default;
};

Tnum tnum_add(Tnum a, Tnum b);
Tnum tnum_sub(Tnum a, Tnum b);
Tnum tnum_neg(Tnum a);
Tnum tnum_and(Tnum a, Tnum b);
Tnum tnum_or(Tnum a, Tnum b);
Tnum tnum_xor(Tnum a, Tnum b);
Tnum tnum_mul(Tnum a, Tnum b);
Tnum tnum_lsh(Tnum a, uint8_t shift);
Tnum tnum_rsh(Tnum a, uint8_t shift);
/// `width` is 32 or 64: where the sign bit is.
Tnum tnum_arsh(Tnum a, uint8_t shift, uint8_t width);

/// Numbers that are in both; where none is (the tnums disagree in a known bit), something.
Tnum tnum_intersect(Tnum a, Tnum b);
/// The smallest that holds both.
Tnum tnum_union(Tnum a, Tnum b);
constexpr bool tnum_overlap(Tnum a, Tnum b) {
    return ((a.value ^ b.value) & ~(a.mask | b.mask)) == 0;
}
/// Every member of `inner` is in `outer`.
constexpr bool tnum_in(Tnum outer, Tnum inner) {
    return (inner.mask & ~outer.mask) == 0 && outer.value == (inner.value & ~outer.mask);
}

/// The lowest 2, 4 or 8 bytes in the other order; the rest is 0.
Tnum tnum_bswap(Tnum a, uint8_t bytes);
/// Only the lowest `bytes` bytes remain.
Tnum tnum_cast(Tnum a, uint8_t bytes);
bool tnum_is_aligned(Tnum a, uint64_t alignment);
constexpr Tnum tnum_subreg(Tnum a) {
    return {a.value & 0xffffffff, a.mask & 0xffffffff};
}
constexpr Tnum tnum_clear_subreg(Tnum a) {
    return {a.value & ~uint64_t{0xffffffff}, a.mask & ~uint64_t{0xffffffff}};
}
constexpr Tnum tnum_with_subreg(Tnum a, Tnum subreg) {
    const Tnum high = tnum_clear_subreg(a), low = tnum_subreg(subreg);
    return {high.value | low.value, high.mask | low.mask};
}
constexpr Tnum tnum_const_subreg(Tnum a, uint32_t value) {
    return tnum_with_subreg(a, Tnum::constant(value));
}

}  // namespace skep::verifier
