// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "verifier/tnum.hpp"

// What is known about a 64-bit number: its bits, and its bounds as signed and unsigned number of 64
// and of 32 bits. A concrete value is inside all of them at once.
//
//     Scalar index = Scalar::unknown();
//     index.umax = 15;
//     index.sync();                    // the other bounds and the bits follow
//
// sync() tells each of the parts what the others know; it never loses a value. The operations of
// ALU instructions are in scalar_alu.hpp, what comparisons tell in branch.hpp.

namespace skep::verifier {

struct Scalar {
    Tnum bits;
    int64_t smin = 0, smax = 0;
    uint64_t umin = 0, umax = 0;
    int32_t s32_min = 0, s32_max = 0;
    uint32_t u32_min = 0, u32_max = 0;

    static Scalar constant(uint64_t value);
    static Scalar unknown();

    bool is_constant() const { return bits.is_constant(); }
    bool is_constant32() const { return tnum_subreg(bits).is_constant(); }
    uint64_t constant_value() const { return bits.value; }
    /// 0 with certainty.
    bool is_zero() const { return bits == Tnum{}; }

    void set_constant(uint64_t value) { *this = constant(value); }
    /// Only the low 32 bits become known (the 64-bit bounds are for sync()).
    void set_low_constant(uint32_t value);
    void set_unknown() { *this = unknown(); }
    void set_unbounded();    ///< all bounds open, bits kept
    void set_unbounded32();  ///< the 32-bit bounds only
    void set_unbounded64();

    /// Bounds from bits, each bound from the others, bits from bounds (reg_bounds_sync).
    void sync();
    /// Only the 32 low bits remain, as 32-bit operations leave them. The 32-bit bounds must be
    /// right already; the caller syncs (zext_32_to_64).
    void zero_extend();
    /// Only the lowest `bytes` bytes remain (coerce_reg_to_size).
    void truncate(uint8_t bytes);
    /// Only the lowest 2, 4 or 8 bytes remain, where `swap` in the other order.
    void byte_swap(uint8_t bytes, bool swap);
    /// The lowest 1, 2 or 4 bytes with their sign: of the whole, or of the 32-bit half.
    void sign_extend(uint8_t bytes);
    void sign_extend32(uint8_t bytes);
    /// No value can be inside: the state cannot happen, or a bug.
    bool is_contradiction() const;
    bool contains(uint64_t value) const;
    bool operator==(const Scalar&) const = default;

  private:
    void bounds_from_bits();
    void deduce();
    void deduce32();
    void deduce64();
    void deduce_mixed();
    void bits_from_bounds();
};

/// The bounds of `inner` are inside those of `outer` (range_within).
bool range_in(const Scalar& outer, const Scalar& inner);
/// Every value of `inner` is one of `outer`, by each of the bounds and the bits.
bool scalar_in(const Scalar& outer, const Scalar& inner);

}  // namespace skep::verifier
