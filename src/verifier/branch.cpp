// SPDX-License-Identifier: Apache-2.0
#include "verifier/branch.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "isa/insn.hpp"

namespace skep::verifier {
namespace {

/// Comparison operators, with the one that only refine_not() needs: no common bit.
enum class Cmp { Eq, Ne, Set, NotSet, Lt, Le, Gt, Ge, SLt, SLe, SGt, SGe, None };

Cmp comparison(uint8_t operation) {
    switch (operation) {
        case isa::kJeq: return Cmp::Eq;
        case isa::kJne: return Cmp::Ne;
        case isa::kJset: return Cmp::Set;
        case isa::kJlt: return Cmp::Lt;
        case isa::kJle: return Cmp::Le;
        case isa::kJgt: return Cmp::Gt;
        case isa::kJge: return Cmp::Ge;
        case isa::kJslt: return Cmp::SLt;
        case isa::kJsle: return Cmp::SLe;
        case isa::kJsgt: return Cmp::SGt;
        case isa::kJsge: return Cmp::SGe;
        default: return Cmp::None;
    }
}

Cmp negated(Cmp cmp) {
    switch (cmp) {
        case Cmp::Eq: return Cmp::Ne;
        case Cmp::Ne: return Cmp::Eq;
        case Cmp::Set: return Cmp::NotSet;
        case Cmp::NotSet: return Cmp::Set;
        case Cmp::Lt: return Cmp::Ge;
        case Cmp::Le: return Cmp::Gt;
        case Cmp::Gt: return Cmp::Le;
        case Cmp::Ge: return Cmp::Lt;
        case Cmp::SLt: return Cmp::SGe;
        case Cmp::SLe: return Cmp::SGt;
        case Cmp::SGt: return Cmp::SLe;
        case Cmp::SGe: return Cmp::SLt;
        case Cmp::None: return Cmp::None;
    }
    return Cmp::None;
}

/// A number in the width that is compared.
struct Operand {
    Tnum bits;
    uint64_t umin, umax;
    int64_t smin, smax;
};

Operand operand(const Scalar& scalar, bool is_32bit) {
    if (is_32bit)
        return {tnum_subreg(scalar.bits), scalar.u32_min, scalar.u32_max, scalar.s32_min,
                scalar.s32_max};
    return {scalar.bits, scalar.umin, scalar.umax, scalar.smin, scalar.smax};
}

bool disjoint(const Scalar& a, const Scalar& b, const Operand& x, const Operand& y, bool is_32bit) {
    if (!tnum_overlap(x.bits, y.bits)) return true;
    if (x.umin > y.umax || x.umax < y.umin || x.smin > y.smax || x.smax < y.smin) return true;
    return !is_32bit && (a.u32_min > b.u32_max || a.u32_max < b.u32_min || a.s32_min > b.s32_max ||
                         a.s32_max < b.s32_min);
}

std::optional<bool> equal(const Scalar& a, const Scalar& b, bool is_32bit) {
    const Operand x = operand(a, is_32bit), y = operand(b, is_32bit);
    if (x.bits.is_constant() && y.bits.is_constant()) return x.bits.value == y.bits.value;
    if (disjoint(a, b, x, y, is_32bit)) return false;
    return std::nullopt;
}

std::optional<bool> common_bit(Operand x, Operand y) {
    if (!y.bits.is_constant()) std::swap(x, y);
    if (!y.bits.is_constant()) return std::nullopt;
    if (x.bits.value & y.bits.value) return true;
    if (!((x.bits.mask | x.bits.value) & y.bits.value)) return false;
    return std::nullopt;
}

template <typename T>
std::optional<bool> less(T amin, T amax, T bmin, T bmax) {
    if (amax < bmin) return true;
    if (amin >= bmax) return false;
    return std::nullopt;
}

template <typename T>
std::optional<bool> less_equal(T amin, T amax, T bmin, T bmax) {
    if (amax <= bmin) return true;
    if (amin > bmax) return false;
    return std::nullopt;
}

}  // namespace

uint8_t swapped(uint8_t operation) {
    switch (operation) {
        case isa::kJlt: return isa::kJgt;
        case isa::kJle: return isa::kJge;
        case isa::kJgt: return isa::kJlt;
        case isa::kJge: return isa::kJle;
        case isa::kJslt: return isa::kJsgt;
        case isa::kJsle: return isa::kJsge;
        case isa::kJsgt: return isa::kJslt;
        case isa::kJsge: return isa::kJsle;
        default: return operation;
    }
}

std::optional<bool> branch_outcome(uint8_t operation, bool is_32bit, const Scalar& a,
                                   const Scalar& b) {
    const Operand x = operand(a, is_32bit), y = operand(b, is_32bit);
    switch (comparison(operation)) {
        case Cmp::Eq: return equal(a, b, is_32bit);
        case Cmp::Ne: {
            const auto same = equal(a, b, is_32bit);
            return same ? std::optional(!*same) : std::nullopt;
        }
        case Cmp::Set: return common_bit(x, y);
        case Cmp::Lt: return less(x.umin, x.umax, y.umin, y.umax);
        case Cmp::Le: return less_equal(x.umin, x.umax, y.umin, y.umax);
        case Cmp::Gt: return less(y.umin, y.umax, x.umin, x.umax);
        case Cmp::Ge: return less_equal(y.umin, y.umax, x.umin, x.umax);
        case Cmp::SLt: return less(x.smin, x.smax, y.smin, y.smax);
        case Cmp::SLe: return less_equal(x.smin, x.smax, y.smin, y.smax);
        case Cmp::SGt: return less(y.smin, y.smax, x.smin, x.smax);
        case Cmp::SGe: return less_equal(y.smin, y.smax, x.smin, x.smax);
        default: return std::nullopt;
    }
}

namespace {

template <typename T>
void meet(T& amin, T& amax, T& bmin, T& bmax) {
    amin = bmin = std::max(amin, bmin);
    amax = bmax = std::min(amax, bmax);
}

void refine_equal(bool is_32bit, Scalar& a, Scalar& b) {
    if (is_32bit) {
        meet(a.u32_min, a.u32_max, b.u32_min, b.u32_max);
        meet(a.s32_min, a.s32_max, b.s32_min, b.s32_max);
        const Tnum both = tnum_intersect(tnum_subreg(a.bits), tnum_subreg(b.bits));
        a.bits = tnum_with_subreg(a.bits, both);
        b.bits = tnum_with_subreg(b.bits, both);
    } else {
        meet(a.umin, a.umax, b.umin, b.umax);
        meet(a.smin, a.smax, b.smin, b.smax);
        a.bits = b.bits = tnum_intersect(a.bits, b.bits);
    }
}

template <typename T>
void exclude(T& lowest, T& highest, T value) {
    // A range of that one value turns over: a contradiction, as it should be.
    using Unsigned = std::make_unsigned_t<T>;
    if (lowest == value) lowest = T(Unsigned(lowest) + 1);
    if (highest == value) highest = T(Unsigned(highest) - 1);
}

bool is_known(const Scalar& scalar, bool is_32bit) {
    return is_32bit ? scalar.is_constant32() : scalar.is_constant();
}

/// Only a constant at the very edge of a range can be cut off.
void refine_unequal(bool is_32bit, Scalar& a, const Scalar& b) {
    const uint64_t value = b.bits.value;
    if (is_32bit) {
        exclude(a.u32_min, a.u32_max, uint32_t(value));
        exclude(a.s32_min, a.s32_max, int32_t(uint32_t(value)));
    } else {
        exclude(a.umin, a.umax, value);
        exclude(a.smin, a.smax, int64_t(value));
    }
}

void refine_bits(Cmp cmp, bool is_32bit, Scalar& a, const Scalar& b) {
    const uint64_t value = is_32bit ? uint32_t(b.bits.value) : b.bits.value;
    if (cmp == Cmp::Set && !std::has_single_bit(value)) return;  // one of several bits
    const Tnum low = is_32bit ? tnum_subreg(a.bits) : a.bits;
    const Tnum result = cmp == Cmp::Set ? tnum_or(low, Tnum::constant(value))
                                        : tnum_and(low, Tnum::constant(~value));
    a.bits = is_32bit ? tnum_with_subreg(a.bits, result) : result;
}

/// a < b, or a <= b.
template <typename T>
void order(bool strict, T& amin, T& amax, T& bmin, T& bmax) {
    // The kernel's unguarded +1 and -1; a wrap can only come from a branch that cannot happen.
    const T below = strict ? T(std::make_unsigned_t<T>(bmax) - 1) : bmax;
    const T above = strict ? T(std::make_unsigned_t<T>(amin) + 1) : amin;
    amax = std::min(amax, below);
    bmin = std::max(above, bmin);
}

void refine_by(Cmp cmp, bool is_32bit, Scalar& a, Scalar& b) {
    switch (cmp) {
        case Cmp::Eq: refine_equal(is_32bit, a, b); break;
        case Cmp::Ne:
            if (is_known(b, is_32bit))
                refine_unequal(is_32bit, a, b);
            else if (is_known(a, is_32bit))
                refine_unequal(is_32bit, b, a);
            break;
        case Cmp::Set:
        case Cmp::NotSet:
            if (is_known(b, is_32bit))
                refine_bits(cmp, is_32bit, a, b);
            else if (is_known(a, is_32bit))
                refine_bits(cmp, is_32bit, b, a);
            break;
        case Cmp::Lt:
        case Cmp::Le:
            if (is_32bit)
                order(cmp == Cmp::Lt, a.u32_min, a.u32_max, b.u32_min, b.u32_max);
            else
                order(cmp == Cmp::Lt, a.umin, a.umax, b.umin, b.umax);
            break;
        case Cmp::SLt:
        case Cmp::SLe:
            if (is_32bit)
                order(cmp == Cmp::SLt, a.s32_min, a.s32_max, b.s32_min, b.s32_max);
            else
                order(cmp == Cmp::SLt, a.smin, a.smax, b.smin, b.smax);
            break;
        case Cmp::Gt: refine_by(Cmp::Lt, is_32bit, b, a); break;
        case Cmp::Ge: refine_by(Cmp::Le, is_32bit, b, a); break;
        case Cmp::SGt: refine_by(Cmp::SLt, is_32bit, b, a); break;
        case Cmp::SGe: refine_by(Cmp::SLe, is_32bit, b, a); break;
        case Cmp::None: break;
    }
}

}  // namespace

void refine(uint8_t operation, bool is_32bit, Scalar& a, Scalar& b) {
    refine_by(comparison(operation), is_32bit, a, b);
    a.sync();
    b.sync();
}

void refine_not(uint8_t operation, bool is_32bit, Scalar& a, Scalar& b) {
    refine_by(negated(comparison(operation)), is_32bit, a, b);
    a.sync();
    b.sync();
}

}  // namespace skep::verifier
