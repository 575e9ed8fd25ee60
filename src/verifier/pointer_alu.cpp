// SPDX-License-Identifier: Apache-2.0
// Numbers added to and subtracted from pointers. A pointer's offset has a fixed part and a variable
// one; constants go to the fixed part, and pointers that share an id share the variable one.
#include "platform/limits.hpp"
#include "verifier/access.hpp"
#include "verifier/alu.hpp"

namespace skep::verifier {

using isa::Insn;

namespace {

constexpr int64_t kMax = platform::kMaxVarOffset;

bool sane_offset(Analysis& a, const RegState& reg, RegType type) {
    const Scalar& v = reg.value;
    const auto value = int64_t(v.bits.value);
    if (v.is_constant() && (value >= kMax || value <= -kMax))
        return a.refuse(Rule::PointerOffset, "math between {} pointer and {} is not allowed",
                        a.type_name(type), value);
    if (reg.off >= kMax || reg.off <= -kMax)
        return a.refuse(Rule::PointerOffset, "{} pointer offset {} is not allowed",
                        a.type_name(type), reg.off);
    if (v.smin == INT64_MIN)
        return a.refuse(Rule::UnboundedOffset,
                        "math between {} pointer and register with unbounded min value is not "
                        "allowed",
                        a.type_name(type));
    if (v.smin >= kMax || v.smin <= -kMax)
        return a.refuse(Rule::PointerOffset, "value {} makes {} pointer be out of bounds", v.smin,
                        a.type_name(type));
    return true;
}

bool may_move(RegType type, bool known, int64_t offset, uint8_t operation) {
    switch (base_type(type)) {
        case kPtrToCtx:
        case kPtrToMapValue:
        case kPtrToMapKey:
        case kPtrToStack:
        case kPtrToPacketMeta:
        case kPtrToPacket:
        case kPtrToTpBuffer:
        case kPtrToBtfId:
        case kPtrToMem:
        case kPtrToBuf:
        case kPtrToFunc:
        case kConstPtrToDynptr: return true;
        case kPtrToFlowKeys: return known || (offset == 0 && operation == isa::kAdd && known);
        case kConstPtrToMap: return known && offset == 0 && operation == isa::kAdd;
        default: return false;
    }
}

/// The number of packet bytes that were checked says nothing of a pointer that moved unknowably.
void forget_packet_range(RegState& reg) {
    reg.packet_range = 0;
}

/// A constant moves the fixed part alone, where that has room for it.
bool move_fixed(RegState& dst, const RegState& pointer, int64_t fixed) {
    if (fixed != int64_t{int32_t(fixed)}) return false;
    const Scalar& base = pointer.value;
    dst.value.smin = base.smin;
    dst.value.smax = base.smax;
    dst.value.umin = base.umin;
    dst.value.umax = base.umax;
    dst.value.bits = base.bits;
    dst.off = int32_t(fixed);
    return true;
}

bool add(Analysis& a, RegState& dst, const RegState& pointer, const Scalar& offset, bool known) {
    const Scalar& base = pointer.value;
    if (known && move_fixed(dst, pointer, int64_t{pointer.off} + offset.smin)) return true;
    Scalar& v = dst.value;
    int64_t smin, smax;
    uint64_t umin, umax;
    if (__builtin_add_overflow(base.smin, offset.smin, &smin) ||
        __builtin_add_overflow(base.smax, offset.smax, &smax))
        smin = INT64_MIN, smax = INT64_MAX;
    if (__builtin_add_overflow(base.umin, offset.umin, &umin) ||
        __builtin_add_overflow(base.umax, offset.umax, &umax))
        umin = 0, umax = UINT64_MAX;
    v.bits = tnum_add(base.bits, offset.bits);
    v.smin = smin, v.smax = smax, v.umin = umin, v.umax = umax;
    dst.off = pointer.off;
    if (is_packet_pointer(pointer.type)) {
        dst.id = a.next_id();
        forget_packet_range(dst);
    }
    return true;
}

bool subtract(Analysis& a, const Insn& insn, RegState& dst, const RegState& pointer,
              bool pointer_is_dst, const Scalar& offset, bool known) {
    if (!pointer_is_dst)
        return a.refuse(Rule::PointerArithmetic, "R{} tried to subtract pointer from scalar",
                        int(insn.dst));
    if (pointer.type == kPtrToStack)
        return a.refuse(Rule::PointerArithmetic, "R{} subtraction from stack pointer prohibited",
                        int(insn.dst));
    const Scalar& base = pointer.value;
    if (known && move_fixed(dst, pointer, int64_t{pointer.off} - offset.smin)) return true;
    Scalar& v = dst.value;
    int64_t smin, smax;
    if (__builtin_sub_overflow(base.smin, offset.smax, &smin) ||
        __builtin_sub_overflow(base.smax, offset.smin, &smax))
        smin = INT64_MIN, smax = INT64_MAX;
    uint64_t umin = 0, umax = UINT64_MAX;
    if (base.umin >= offset.umax) umin = base.umin - offset.umax, umax = base.umax - offset.umin;
    v.bits = tnum_sub(base.bits, offset.bits);
    v.smin = smin, v.smax = smax, v.umin = umin, v.umax = umax;
    dst.off = pointer.off;
    if (is_packet_pointer(pointer.type)) {
        dst.id = a.next_id();
        // Going back keeps what was checked ahead of it.
        if (offset.smin < 0) forget_packet_range(dst);
    }
    return true;
}

bool check_unprivileged_bounds(Analysis& a, const Insn& insn) {
    if (a.bypass_spec_v1) return true;
    const RegState& dst = a.reg(insn.dst);
    if (dst.type == kPtrToStack) {
        const int64_t off = dst.off + int64_t(dst.value.bits.value);
        if (!dst.value.is_constant())
            return a.refuse(Rule::StackVariable,
                            "R{} variable stack access prohibited for !root, var_off={} off={}",
                            int(insn.dst), to_string(dst.value.bits), off);
        if (off >= 0 || off < -isa::kStackSize)
            return a.refuse(Rule::PointerOffset,
                            "R{} stack pointer arithmetic goes out of range, prohibited for "
                            "!root; off={}",
                            int(insn.dst), off);
    } else if (dst.type == kPtrToMapValue) {
        if (!a.check_map_access(insn.dst, dst.off, 1, false, AccessSource::Helper)) {
            a.refusal.reason += fmt::format(
                "\nR{} pointer arithmetic of map value goes out of range, prohibited for !root",
                int(insn.dst));
            return false;
        }
    }
    return true;
}

}  // namespace

bool adjust_pointer(Analysis& a, const Insn& insn, const RegState& pointer_ref,
                    const RegState& offset) {
    const RegState pointer = pointer_ref;  // it may be the destination, or in a frame that moves
    const bool pointer_is_dst = &pointer_ref == &a.reg(insn.dst);
    const bool known = offset.value.is_constant();
    const Scalar& v = offset.value;
    const uint8_t operation = insn.operation();
    const int dst = insn.dst;
    if ((known && (v.smin != v.smax || v.umin != v.umax)) || v.smin > v.smax || v.umin > v.umax) {
        a.mark_reg_unknown(dst);  // a branch that cannot happen
        return true;
    }
    if (insn.cls() != isa::kAlu64) {
        if (operation == isa::kSub && a.allow_ptr_leaks) {
            a.mark_reg_unknown(dst);
            return true;
        }
        return a.refuse(Rule::PointerArithmetic, "R{} 32-bit pointer arithmetic prohibited", dst);
    }
    if (may_be_null(pointer.type))
        return a.refuse(Rule::NullArithmetic,
                        "R{} pointer arithmetic on {} prohibited, null-check it first", dst,
                        a.type_name(pointer.type));
    // Loads through untrusted read-only memory survive any address.
    if (base_type(pointer.type) == kPtrToMem && (pointer.type & kRdonly) &&
        (pointer.type & kUntrusted)) {
        if (operation != isa::kAdd && operation != isa::kSub)
            return a.refuse(Rule::PointerArithmetic, "R{} pointer arithmetic prohibited", dst);
        if (!pointer_is_dst) a.reg_mut(dst) = pointer;
        return true;
    }
    if (!may_move(pointer.type, known, v.smin, operation))
        return a.refuse(Rule::PointerArithmetic, "R{} pointer arithmetic on {} prohibited", dst,
                        a.type_name(pointer.type));
    const RegState offset_copy = offset;
    if (!sane_offset(a, offset_copy, pointer.type) || !sane_offset(a, pointer, pointer.type))
        return false;
    AluSanitation sanitation;
    const bool adds = operation == isa::kAdd || operation == isa::kSub;
    if (adds) {
        const AluRefusal refusal =
            sanitize_pointer_alu(a, insn, pointer, offset_copy, pointer_is_dst, sanitation, false);
        if (refusal != AluRefusal::None) return refuse_alu(a, insn, refusal, !pointer_is_dst);
    }
    RegState& result = a.reg_mut(dst);
    result = pointer;
    result.value.set_unbounded32();
    switch (operation) {
        case isa::kAdd:
            if (!add(a, result, pointer, offset_copy.value, known)) return false;
            break;
        case isa::kSub:
            if (!subtract(a, insn, result, pointer, pointer_is_dst, offset_copy.value, known))
                return false;
            break;
        case isa::kAnd:
        case isa::kOr:
        case isa::kXor:
            return a.refuse(Rule::PointerArithmetic,
                            "R{} bitwise operator {} on pointer prohibited", dst,
                            operation == isa::kAnd  ? "&="
                            : operation == isa::kOr ? "|="
                                                    : "^=");
        default:
            return a.refuse(Rule::PointerArithmetic,
                            "R{} pointer arithmetic with {} operator prohibited", dst,
                            operation == isa::kMul   ? "*="
                            : operation == isa::kDiv ? "/="
                            : operation == isa::kMod ? "%="
                            : operation == isa::kLsh ? "<<="
                            : operation == isa::kRsh ? ">>="
                                                     : "s>>=");
    }
    if (!sane_offset(a, result, pointer.type)) return false;
    result.value.sync();
    if (!check_unprivileged_bounds(a, insn)) return false;
    if (!adds) return true;
    const AluRefusal refusal =
        sanitize_pointer_alu(a, insn, a.reg(dst), offset_copy, true, sanitation, true);
    return refusal == AluRefusal::None || refuse_alu(a, insn, refusal, !pointer_is_dst);
}

}  // namespace skep::verifier
