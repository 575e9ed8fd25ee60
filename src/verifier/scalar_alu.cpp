// SPDX-License-Identifier: Apache-2.0
#include "verifier/scalar_alu.hpp"

#include <algorithm>
#include <limits>

#include "isa/insn.hpp"

// Bounds are kept for 64 and for 32 bits, signed and unsigned; each operation is written once as a
// template over these views of a Scalar.

namespace skep::verifier {
namespace {

/// Bounds of one width, by reference into a Scalar.
template <typename S, typename U>
struct View {
    S& smin;
    S& smax;
    U& umin;
    U& umax;
    using Signed = S;
    using Unsigned = U;
    static constexpr S kSmin = std::numeric_limits<S>::min(), kSmax = std::numeric_limits<S>::max();
    static constexpr U kUmax = std::numeric_limits<U>::max();

    void open_signed() {
        smin = kSmin;
        smax = kSmax;
    }
    void open_unsigned() {
        umin = 0;
        umax = kUmax;
    }
    void open() {
        open_signed();
        open_unsigned();
    }
    /// After bit operations: the signed bounds are the unsigned ones where these do not cross.
    void signed_from_unsigned() {
        if (S(umin) <= S(umax)) {
            smin = S(umin);
            smax = S(umax);
        } else {
            open_signed();
        }
    }
};
using View64 = View<int64_t, uint64_t>;
using View32 = View<int32_t, uint32_t>;

View64 view64(Scalar& scalar) {
    return {scalar.smin, scalar.smax, scalar.umin, scalar.umax};
}
View32 view32(Scalar& scalar) {
    return {scalar.s32_min, scalar.s32_max, scalar.u32_min, scalar.u32_max};
}

template <typename V>
void add_bounds(V dst, V src, bool legacy) {
    const bool s_low = __builtin_add_overflow(dst.smin, src.smin, &dst.smin);
    const bool s_high = __builtin_add_overflow(dst.smax, src.smax, &dst.smax);
    if (s_low || s_high) dst.open_signed();
    const bool low = __builtin_add_overflow(dst.umin, src.umin, &dst.umin);
    const bool high = __builtin_add_overflow(dst.umax, src.umax, &dst.umax);
    // All sums wrap or none does: the bounds hold.
    if (legacy ? low || high : !low && high) dst.open_unsigned();
}

template <typename V>
void sub_bounds(V dst, V src, bool legacy) {
    const bool s_low = __builtin_sub_overflow(dst.smin, src.smax, &dst.smin);
    const bool s_high = __builtin_sub_overflow(dst.smax, src.smin, &dst.smax);
    if (s_low || s_high) dst.open_signed();
    const bool low = __builtin_sub_overflow(dst.umin, src.umax, &dst.umin);
    const bool high = __builtin_sub_overflow(dst.umax, src.umin, &dst.umax);
    if (legacy ? low || high : low && !high) dst.open_unsigned();
}

template <typename V>
void mul_bounds(V dst, V src) {
    using S = typename V::Signed;
    using U = typename V::Unsigned;
    U umin, umax;
    if (__builtin_mul_overflow(dst.umax, src.umax, &umax) ||
        __builtin_mul_overflow(dst.umin, src.umin, &umin))
        dst.open_unsigned();
    else
        dst.umin = umin, dst.umax = umax;
    S products[4];
    if (__builtin_mul_overflow(dst.smin, src.smin, &products[0]) ||
        __builtin_mul_overflow(dst.smin, src.smax, &products[1]) ||
        __builtin_mul_overflow(dst.smax, src.smin, &products[2]) ||
        __builtin_mul_overflow(dst.smax, src.smax, &products[3])) {
        dst.open_signed();
    } else {
        dst.smin = *std::min_element(products, products + 4);
        dst.smax = *std::max_element(products, products + 4);
    }
}

/// Linux before 6.14: only of small numbers that are not negative.
template <typename V>
void mul_bounds_legacy(V dst, V src) {
    using S = typename V::Signed;
    const auto half = V::kUmax >> (sizeof(S) * 4);
    if (src.smin < 0 || dst.smin < 0 || src.umax > half || dst.umax > half) {
        dst.open();
        return;
    }
    dst.umin *= src.umin;
    dst.umax *= src.umax;
    if (S(dst.umax) < 0)
        dst.open_signed();
    else
        dst.smin = S(dst.umin), dst.smax = S(dst.umax);
}

template <typename V>
void bit_bounds(uint8_t operation, V dst, V src, Tnum result) {
    using U = typename V::Unsigned;
    const U lowest = U(result.value), highest = U(result.value | result.mask);
    if (operation == isa::kAnd) {
        dst.umin = lowest;
        dst.umax = std::min(dst.umax, src.umax);
    } else if (operation == isa::kOr) {
        dst.umin = std::max(dst.umin, src.umin);
        dst.umax = highest;
    } else {
        dst.umin = lowest;
        dst.umax = highest;
    }
    dst.signed_from_unsigned();
}

void bit_operation(uint8_t operation, Scalar& dst, Scalar src) {
    const bool known32 = src.is_constant32() && dst.is_constant32();
    const bool known64 = src.is_constant() && dst.is_constant();
    dst.bits = operation == isa::kAnd  ? tnum_and(dst.bits, src.bits)
               : operation == isa::kOr ? tnum_or(dst.bits, src.bits)
                                       : tnum_xor(dst.bits, src.bits);
    if (known64) {
        dst.set_constant(dst.bits.value);
        return;
    }
    if (known32)
        dst.set_low_constant(uint32_t(dst.bits.value));
    else
        bit_bounds(operation, view32(dst), view32(src), tnum_subreg(dst.bits));
    bit_bounds(operation, view64(dst), view64(src), dst.bits);
}

void shift_left32(Scalar& dst, uint32_t shift) {
    dst.s32_min = INT32_MIN;
    dst.s32_max = INT32_MAX;
    if (shift > 31 || uint64_t{dst.u32_max} > uint64_t{1} << (31 - shift)) {
        dst.u32_min = 0;
        dst.u32_max = UINT32_MAX;
    } else {
        dst.u32_min <<= shift;
        dst.u32_max <<= shift;
    }
}

void shift_left64(Scalar& dst, uint32_t shift) {
    if (shift == 32) {  // the first half of a sign extension (<<= 32, s>>= 32)
        dst.smin = int64_t(uint64_t(int64_t{dst.s32_min}) << 32);
        dst.smax = int64_t(uint64_t(int64_t{dst.s32_max}) << 32);
    } else {
        dst.smin = INT64_MIN;
        dst.smax = INT64_MAX;
    }
    if (dst.umax > uint64_t{1} << (63 - shift)) {
        dst.umin = 0;
        dst.umax = UINT64_MAX;
    } else {
        dst.umin <<= shift;
        dst.umax <<= shift;
    }
}

void shift(uint8_t operation, bool is_32bit, Scalar& dst, uint8_t by) {
    if (is_32bit) {
        const Tnum low = tnum_subreg(dst.bits);
        if (operation == isa::kLsh) {
            shift_left32(dst, by);
            dst.bits = tnum_subreg(tnum_lsh(low, by));
        } else if (operation == isa::kRsh) {
            dst.s32_min = INT32_MIN;
            dst.s32_max = INT32_MAX;
            dst.u32_min >>= by;
            dst.u32_max >>= by;
            dst.bits = tnum_rsh(low, by);
        } else {
            dst.s32_min >>= by;
            dst.s32_max >>= by;
            dst.u32_min = 0;
            dst.u32_max = UINT32_MAX;
            dst.bits = tnum_arsh(low, by, 32);
        }
        dst.set_unbounded64();
        return;
    }
    if (operation == isa::kLsh) {
        shift_left64(dst, by);
        shift_left32(dst, by);
        dst.bits = tnum_lsh(dst.bits, by);
        return;
    }
    if (operation == isa::kRsh) {
        dst.smin = INT64_MIN;
        dst.smax = INT64_MAX;
        dst.umin >>= by;
        dst.umax >>= by;
        dst.bits = tnum_rsh(dst.bits, by);
    } else {
        dst.smin >>= by;
        dst.smax >>= by;
        dst.umin = 0;
        dst.umax = UINT64_MAX;
        dst.bits = tnum_arsh(dst.bits, by, 64);
    }
    dst.set_unbounded32();
}

void subtract(Scalar& dst, Scalar src, bool legacy) {
    sub_bounds(view32(dst), view32(src), legacy);
    sub_bounds(view64(dst), view64(src), legacy);
    dst.bits = tnum_sub(dst.bits, src.bits);
}

void multiply(Scalar& dst, Scalar src, bool legacy) {
    dst.bits = tnum_mul(dst.bits, src.bits);
    if (legacy) {
        mul_bounds_legacy(view32(dst), view32(src));
        mul_bounds_legacy(view64(dst), view64(src));
    } else {
        mul_bounds(view32(dst), view32(src));
        mul_bounds(view64(dst), view64(src));
    }
}

}  // namespace

void scalar_add_no_sync(Scalar& dst, const Scalar& src) {
    Scalar operand = src;
    add_bounds(view32(dst), view32(operand), false);
    add_bounds(view64(dst), view64(operand), false);
    dst.bits = tnum_add(dst.bits, src.bits);
}

bool scalar_alu_is_tracked(uint8_t operation, bool is_32bit, const Scalar& src) {
    switch (operation) {
        case isa::kAdd:
        case isa::kSub:
        case isa::kAnd:
        case isa::kXor:
        case isa::kOr:
        case isa::kMul:
        case isa::kNeg: return true;
        case isa::kLsh:
        case isa::kRsh:
        case isa::kArsh:
            // A constant by all its parts; the 64-bit bound is asked even of 32-bit shifts.
            if (is_32bit ? !(src.is_constant32() && src.s32_min == src.s32_max &&
                             src.u32_min == src.u32_max)
                         : !(src.is_constant() && src.smin == src.smax && src.umin == src.umax))
                return false;
            return src.umax < (is_32bit ? 32u : 64u);
        default: return false;
    }
}

void scalar_alu(uint8_t operation, bool is_32bit, Scalar& dst, const Scalar& src, bool legacy) {
    if (!scalar_alu_is_tracked(operation, is_32bit, src) || (legacy && operation == isa::kNeg)) {
        dst.set_unknown();  // of 32-bit results too: the kernel does not say that they are short
        return;
    }
    Scalar operand = src;
    switch (operation) {
        case isa::kAdd:
            add_bounds(view32(dst), view32(operand), legacy);
            add_bounds(view64(dst), view64(operand), legacy);
            dst.bits = tnum_add(dst.bits, src.bits);
            break;
        case isa::kSub: subtract(dst, src, legacy); break;
        case isa::kNeg:
            operand = dst;
            dst.set_constant(0);
            subtract(dst, operand, legacy);
            break;
        case isa::kMul: multiply(dst, src, legacy); break;
        case isa::kAnd:
        case isa::kOr:
        case isa::kXor: bit_operation(operation, dst, src); break;
        default: shift(operation, is_32bit, dst, uint8_t(is_32bit ? src.u32_min : src.umin));
    }
    if (is_32bit) dst.zero_extend();
    dst.sync();
}

}  // namespace skep::verifier
