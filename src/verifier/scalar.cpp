// SPDX-License-Identifier: Apache-2.0
#include "verifier/scalar.hpp"

#include <algorithm>

// The order of the steps of sync() decides how precise its result is, and the kernel's precision is
// what programs are written for: the steps and their order are those of reg_bounds_sync() of Linux
// 6.18. Each step alone only narrows.

namespace skep::verifier {
namespace {

constexpr uint64_t kHigh32 = 0xffffffff00000000;

template <typename T>
void raise(T& bound, T to) {
    bound = std::max(bound, to);
}
template <typename T>
void lower(T& bound, T to) {
    bound = std::min(bound, to);
}

/// Signed and unsigned bounds of the same width tell each other what they can.
template <typename Signed, typename Unsigned>
void exchange_sign(Signed& smin, Signed& smax, Unsigned& umin, Unsigned& umax) {
    if (Signed(umin) <= Signed(umax)) {
        raise(smin, Signed(umin));
        lower(smax, Signed(umax));
    }
    if (Unsigned(smin) <= Unsigned(smax)) {
        raise(umin, Unsigned(smin));
        lower(umax, Unsigned(smax));
    } else if (umax < Unsigned(smin)) {
        // The signed range crosses 0, and its negative part is above all of the unsigned range.
        smin = Signed(umin);
        lower(umax, Unsigned(smax));
    } else if (Unsigned(smax) < umin) {
        smax = Signed(umax);
        raise(umin, Unsigned(smin));
    }
}

}  // namespace

Scalar Scalar::constant(uint64_t value) {
    Scalar result;
    result.bits = Tnum::constant(value);
    result.smin = result.smax = int64_t(value);
    result.umin = result.umax = value;
    result.s32_min = result.s32_max = int32_t(uint32_t(value));
    result.u32_min = result.u32_max = uint32_t(value);
    return result;
}

Scalar Scalar::unknown() {
    Scalar result;
    result.bits = Tnum::unknown();
    result.set_unbounded();
    return result;
}

void Scalar::set_low_constant(uint32_t value) {
    bits = tnum_const_subreg(bits, value);
    s32_min = s32_max = int32_t(value);
    u32_min = u32_max = value;
}

void Scalar::set_unbounded() {
    set_unbounded64();
    set_unbounded32();
}

void Scalar::set_unbounded64() {
    smin = INT64_MIN;
    smax = INT64_MAX;
    umin = 0;
    umax = UINT64_MAX;
}

void Scalar::set_unbounded32() {
    s32_min = INT32_MIN;
    s32_max = INT32_MAX;
    u32_min = 0;
    u32_max = UINT32_MAX;
}

void Scalar::bounds_from_bits() {
    const Tnum low = tnum_subreg(bits);
    raise(s32_min, int32_t(uint32_t(low.value | (low.mask & 0x80000000))));
    lower(s32_max, int32_t(uint32_t(low.value | (low.mask & 0x7fffffff))));
    raise(u32_min, uint32_t(low.value));
    lower(u32_max, uint32_t(low.value | low.mask));
    raise(smin, int64_t(bits.value | (bits.mask & (uint64_t{1} << 63))));
    lower(smax, int64_t(bits.value | (bits.mask & (UINT64_MAX >> 1))));
    raise(umin, bits.value);
    lower(umax, bits.value | bits.mask);
}

void Scalar::deduce32() {
    const auto narrow_signed = [this](int32_t lowest, int32_t highest) {
        raise(s32_min, lowest);
        lower(s32_max, highest);
    };
    const auto narrow_unsigned = [this](uint32_t lowest, uint32_t highest) {
        raise(u32_min, lowest);
        lower(u32_max, highest);
    };
    // Where the high half is the same in the whole 64-bit range, its low half is a range too.
    if (umin >> 32 == umax >> 32) {
        narrow_unsigned(uint32_t(umin), uint32_t(umax));
        if (int32_t(umin) <= int32_t(umax)) narrow_signed(int32_t(umin), int32_t(umax));
    }
    if (smin >> 32 == smax >> 32) {
        if (uint32_t(smin) <= uint32_t(smax)) narrow_unsigned(uint32_t(smin), uint32_t(smax));
        if (int32_t(smin) <= int32_t(smax)) narrow_signed(int32_t(smin), int32_t(smax));
    }
    // Where it goes up by one, the low half may go from negative numbers to positive ones.
    if (uint32_t(umin >> 32) + 1 == uint32_t(umax >> 32) && int32_t(umin) < 0 && int32_t(umax) >= 0)
        narrow_signed(int32_t(umin), int32_t(umax));
    if (uint32_t(smin >> 32) + 1 == uint32_t(smax >> 32) && int32_t(smin) < 0 && int32_t(smax) >= 0)
        narrow_signed(int32_t(smin), int32_t(smax));
    exchange_sign(s32_min, s32_max, u32_min, u32_max);
}

void Scalar::deduce64() {
    exchange_sign(smin, smax, umin, umax);
}

void Scalar::deduce_mixed() {
    const auto narrow = [this](uint32_t lowest, uint32_t highest) {
        raise(umin, (umin & kHigh32) | lowest);
        lower(umax, (umax & kHigh32) | highest);
        raise(smin, int64_t((uint64_t(smin) & kHigh32) | lowest));
        lower(smax, int64_t((uint64_t(smax) & kHigh32) | highest));
    };
    narrow(u32_min, u32_max);
    if (uint32_t(s32_min) <= uint32_t(s32_max)) narrow(uint32_t(s32_min), uint32_t(s32_max));
    // A sign-extended 32-bit number that is not negative.
    if (s32_min >= 0 && smin >= INT32_MIN && smax <= INT32_MAX) {
        smin = s32_min;
        smax = s32_max;
        umin = uint64_t(s32_min);
        umax = uint64_t(s32_max);
        bits = tnum_intersect(bits, Tnum::range(umin, umax));
    }
}

void Scalar::deduce() {
    deduce32();
    deduce64();
    deduce_mixed();
}

void Scalar::bits_from_bounds() {
    const Tnum whole = tnum_intersect(bits, Tnum::range(umin, umax));
    const Tnum low = tnum_intersect(tnum_subreg(whole), Tnum::range(u32_min, u32_max));
    bits = tnum_with_subreg(whole, low);
}

void Scalar::sync() {
    bounds_from_bits();
    deduce();
    deduce();
    deduce();
    bits_from_bounds();
    bounds_from_bits();
}

void Scalar::zero_extend() {
    bits = tnum_subreg(bits);
    umin = u32_min;
    umax = u32_max;
    if (s32_min >= 0 && s32_max >= 0) {
        smin = s32_min;
        smax = s32_max;
    } else {
        smin = 0;
        smax = UINT32_MAX;
    }
}

void Scalar::truncate(uint8_t bytes) {
    bits = tnum_cast(bits, bytes);
    const uint64_t kept = bytes >= 8 ? UINT64_MAX : (uint64_t{1} << (bytes * 8)) - 1;
    if ((umin & ~kept) == (umax & ~kept)) {
        umin &= kept;
        umax &= kept;
    } else {
        umin = 0;
        umax = kept;
    }
    smin = int64_t(umin);
    smax = int64_t(umax);
    if (bytes < 4) set_unbounded32();
    sync();
}

namespace {

template <typename To>
bool sign_extend_range(int64_t lowest, int64_t highest, int bits, int64_t& out_min,
                       int64_t& out_max) {
    if (highest >> bits != lowest >> bits) return false;
    const int64_t a = To(highest), b = To(lowest);
    out_max = std::max(a, b);
    out_min = std::min(a, b);
    return (out_max >= 0) == (out_min >= 0);
}

bool sign_extend_range(int64_t lowest, int64_t highest, uint8_t bytes, int64_t& out_min,
                       int64_t& out_max) {
    if (bytes == 1) return sign_extend_range<int8_t>(lowest, highest, 8, out_min, out_max);
    if (bytes == 2) return sign_extend_range<int16_t>(lowest, highest, 16, out_min, out_max);
    return sign_extend_range<int32_t>(lowest, highest, 32, out_min, out_max);
}

int64_t sign_extend_value(uint64_t value, uint8_t bytes) {
    return bytes == 1 ? int8_t(value) : bytes == 2 ? int16_t(value) : int32_t(value);
}

}  // namespace

void Scalar::byte_swap(uint8_t bytes, bool swap) {
    if (swap) {
        bits = tnum_bswap(bits, bytes);
        set_unbounded();
    }
    if (bytes < 8) truncate(bytes);
    sync();
}

void Scalar::sign_extend(uint8_t bytes) {
    if (bits.is_constant()) {
        *this = constant(uint64_t(sign_extend_value(bits.value, bytes)));
        return;
    }
    int64_t lowest, highest;
    if (sign_extend_range(smin, smax, bytes, lowest, highest)) {
        smin = lowest;
        smax = highest;
        umin = uint64_t(lowest);
        umax = uint64_t(highest);
        s32_min = int32_t(lowest);
        s32_max = int32_t(highest);
        u32_min = uint32_t(lowest);
        u32_max = uint32_t(highest);
        bits = Tnum::range(umin, umax);
        return;
    }
    *this = unknown();
    smin = -(int64_t{1} << (bytes * 8 - 1));
    smax = -(smin + 1);
    s32_min = int32_t(smin);
    s32_max = int32_t(smax);
}

void Scalar::sign_extend32(uint8_t bytes) {
    if (bits.is_constant()) {
        const uint32_t value = uint32_t(sign_extend_value(bits.value, bytes));
        bits = Tnum::constant(value);
        s32_min = s32_max = int32_t(value);
        u32_min = u32_max = value;
        return;
    }
    int64_t lowest, highest;
    if (sign_extend_range(s32_min, s32_max, bytes, lowest, highest)) {
        s32_min = int32_t(lowest);
        s32_max = int32_t(highest);
        u32_min = uint32_t(lowest);
        u32_max = uint32_t(highest);
        bits = tnum_subreg(Tnum::range(uint64_t(lowest), uint64_t(highest)));
        return;
    }
    s32_min = -(int32_t{1} << (bytes * 8 - 1));
    s32_max = -(s32_min + 1);
    u32_min = 0;
    u32_max = UINT32_MAX;
    bits = tnum_subreg(Tnum::unknown());
}

bool Scalar::is_contradiction() const {
    return smin > smax || umin > umax || s32_min > s32_max || u32_min > u32_max;
}

bool Scalar::contains(uint64_t value) const {
    const auto low = uint32_t(value);
    return bits.contains(value) && int64_t(value) >= smin && int64_t(value) <= smax &&
           value >= umin && value <= umax && int32_t(low) >= s32_min && int32_t(low) <= s32_max &&
           low >= u32_min && low <= u32_max;
}

bool range_in(const Scalar& outer, const Scalar& inner) {
    return outer.umin <= inner.umin && outer.umax >= inner.umax && outer.smin <= inner.smin &&
           outer.smax >= inner.smax && outer.u32_min <= inner.u32_min &&
           outer.u32_max >= inner.u32_max && outer.s32_min <= inner.s32_min &&
           outer.s32_max >= inner.s32_max;
}

bool scalar_in(const Scalar& outer, const Scalar& inner) {
    return range_in(outer, inner) && tnum_in(outer.bits, inner.bits);
}

}  // namespace skep::verifier
