// SPDX-License-Identifier: Apache-2.0
#include "verifier/alu.hpp"

#include <bit>

#include "verifier/linked_regs.hpp"
#include "verifier/scalar_alu.hpp"

namespace skep::verifier {

using isa::Insn;

bool check_bounds_sanity(Analysis& a, RegState& reg, const char* what) {
    const Scalar& v = reg.value;
    const char* message = nullptr;
    if (v.is_contradiction()) {
        message = "range bounds violation";
    } else if (v.bits.is_constant()) {
        const uint64_t value = v.bits.value;
        if (v.umin != value || v.umax != value || v.smin != int64_t(value) ||
            v.smax != int64_t(value))
            message = "const tnum out of sync with range bounds";
    }
    if (!message && v.is_constant32()) {
        const auto value = uint32_t(v.bits.value);
        if (v.u32_min != value || v.u32_max != value || v.s32_min != int32_t(value) ||
            v.s32_max != int32_t(value))
            message = "const subreg tnum out of sync with range bounds";
    }
    if (!message) return true;
    if (a.options.reg_invariants)
        return a.refuse(Rule::Internal, "REG INVARIANTS VIOLATION ({}): {}", what, message);
    reg.value.set_unbounded();
    return true;
}

namespace {

bool fits(const RegState& reg, int bits) {
    return int(std::bit_width(reg.value.umax)) <= bits;
}

void unlink(RegState& reg) {
    reg.id = 0;
    reg.off = 0;
}

/// Copies a number whose copies are refined together only where the copy is the same number.
void copy_number(Analysis& a, const Insn& insn, bool same) {
    RegState& src = a.reg_mut(insn.src);
    if (same) a.link_before_copy(src);
    const RegState copy = src;
    RegState& dst = a.reg_mut(insn.dst);
    dst = copy;
    if (!same) unlink(dst);
}

bool move_register64(Analysis& a, const Insn& insn) {
    if (insn.imm) {  // addr_space_cast
        a.mark_reg_unknown(insn.dst);
        if (insn.imm == 1) a.reg_mut(insn.dst).type = kPtrToArena;
        return true;
    }
    if (insn.off == 0) {
        copy_number(a, insn, true);
        return true;
    }
    const RegState& src = a.reg(insn.src);
    if (a.is_pointer_value(src))
        return a.refuse(Rule::PartialPointer, "R{} sign-extension part of pointer", int(insn.src));
    if (src.type != kScalar) {
        a.mark_reg_unknown(insn.dst);
        return true;
    }
    copy_number(a, insn, src.value.umax < uint64_t{1} << (insn.off - 1));
    a.reg_mut(insn.dst).value.sign_extend(uint8_t(insn.off / 8));
    return true;
}

bool move_register32(Analysis& a, const Insn& insn) {
    const RegState& src = a.reg(insn.src);
    if (a.is_pointer_value(src))
        return a.refuse(Rule::PartialPointer, "R{} partial copy of pointer", int(insn.src));
    if (src.type != kScalar) {
        a.mark_reg_unknown(insn.dst);
    } else if (insn.off == 0) {
        copy_number(a, insn, fits(src, 32));
    } else {
        copy_number(a, insn, src.value.umax < uint64_t{1} << (insn.off - 1));
        a.reg_mut(insn.dst).value.sign_extend32(uint8_t(insn.off / 8));
    }
    Scalar& value = a.reg_mut(insn.dst).value;
    value.zero_extend();
    value.sync();
    return true;
}

bool check_move(Analysis& a, const Insn& insn) {
    const bool is_64bit = insn.cls() == isa::kAlu64;
    if (insn.uses_src_register()) {
        if (is_64bit && insn.off == 1 && !a.arena)
            return a.refuse(Rule::ArenaAccess,
                            "addr_space_cast insn can only be used in a program that has an "
                            "associated arena");
        if (!a.check_reg_read(insn.src)) return false;
    }
    if (!a.check_reg_write(insn.dst, false)) return false;
    if (insn.uses_src_register())
        return is_64bit ? move_register64(a, insn) : move_register32(a, insn);
    a.reg_mut(insn.dst).set_constant(is_64bit ? uint64_t(int64_t{insn.imm})
                                              : uint64_t{uint32_t(insn.imm)});
    a.reg_mut(insn.dst).precise = !a.privileged;
    return true;
}

/// A mask of all ones or none (from an arithmetic shift) is followed as two paths: what it masks
/// is then known in each.
bool fork_mask(Analysis& a, const Insn& insn) {
    const Scalar& v = a.reg(insn.dst).value;
    bool is_32bit;
    if (v.smin == -1 && v.smax == 0)
        is_32bit = false;
    else if (v.s32_min == -1 && v.s32_max == 0)
        is_32bit = true;
    else
        return true;
    VerifierState* other = a.push_state(a.insn_index, a.insn_index, false);
    if (!other) return false;
    RegState& theirs = other->reg_mut(insn.dst);
    RegState& ours = a.reg_mut(insn.dst);
    if (is_32bit) {
        theirs.value.set_low_constant(0);
        ours.value.set_low_constant(UINT32_MAX);
    } else {
        theirs.set_constant(0);
        ours.set_constant(UINT64_MAX);
    }
    return true;
}

bool alu_on_numbers(Analysis& a, const Insn& insn, const RegState& src) {
    const uint8_t operation = insn.operation();
    const bool is_32bit = insn.cls() != isa::kAlu64;
    if (!scalar_alu_is_tracked(operation, is_32bit, src.value) ||
        (operation == isa::kNeg && !a.rules.tracks_neg)) {
        a.mark_reg_unknown(insn.dst);
        return true;
    }
    if (operation == isa::kAdd || operation == isa::kSub) {
        const AluRefusal refusal = sanitize_scalar_alu(a, insn);
        if (refusal != AluRefusal::None) return refuse_alu(a, insn, refusal, false);
    }
    if ((operation == isa::kAnd || operation == isa::kOr) && src.value.is_constant() &&
        a.rules.forks_masks && !fork_mask(a, insn))
        return false;
    scalar_alu(operation, is_32bit, a.reg_mut(insn.dst).value, src.value,
               a.rules.legacy_arithmetic);
    return true;
}

/// "r1 = r2; r1 += 10" leaves them linked, with the difference in RegState::off. `fitted`: the
/// value before had no more than 32 bits, without which a 32-bit sum is no sum.
void link_after_add(Analysis& a, const Insn& insn, const RegState& src, bool fitted) {
    RegState& dst = a.reg_mut(insn.dst);
    const bool is_32bit = insn.cls() != isa::kAlu64, subtracts = insn.operation() == isa::kSub;
    const bool may_link = a.privileged && a.rules.links_sums && dst.id &&
                          !(dst.id & kAddConstAny) &&
                          (insn.operation() == isa::kAdd || subtracts) &&
                          (is_32bit ? src.value.is_constant32() && fitted : src.is_constant()) &&
                          !(insn.uses_src_register() && insn.src == insn.dst);
    const auto value = int64_t(src.value.bits.value);
    const auto off = int32_t(value);
    if (!may_link || (!is_32bit && value != off) || (subtracts && off == INT32_MIN)) {
        unlink(dst);
        return;
    }
    dst.id |= is_32bit ? kAddConst32 : kAddConst;
    dst.off = subtracts ? -off : off;
}

const char* operator_text(uint8_t operation) {
    static constexpr const char* kText[] = {
        "+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "neg", "%=", "^=", "=", "s>>=", "endian"};
    return operation / 16 < 14 ? kText[operation / 16] : "";
}

bool alu_on_arena_pointer(Analysis& a, const Insn& insn) {
    if (a.reg(insn.dst).type != kPtrToArena) a.reg_mut(insn.dst) = a.reg(insn.src);
    return true;
}

bool check_binary(Analysis& a, const Insn& insn) {
    const bool from_register = insn.uses_src_register();
    if (a.reg(insn.dst).type == kPtrToArena ||
        (from_register && a.reg(insn.src).type == kPtrToArena))
        return alu_on_arena_pointer(a, insn);
    const bool dst_is_pointer = a.reg(insn.dst).type != kScalar;
    RegState src;
    if (!from_register) {
        src.set_constant(uint64_t(int64_t{insn.imm}));
        if (dst_is_pointer) return adjust_pointer(a, insn, a.reg(insn.dst), src);
    } else {
        src = a.reg(insn.src);
        if (src.type != kScalar) {
            if (dst_is_pointer) {
                if (insn.operation() == isa::kSub && a.allow_ptr_leaks) {
                    a.mark_reg_unknown(insn.dst);
                    return true;
                }
                return a.refuse(Rule::PointerArithmetic, "R{} pointer {} pointer prohibited",
                                int(insn.dst), operator_text(insn.operation()));
            }
            // The number decides where the pointer goes.
            if (!a.mark_chain_precision(insn.dst)) return false;
            const RegState offset = a.reg(insn.dst);
            return adjust_pointer(a, insn, src, offset);
        }
        if (dst_is_pointer) {
            if (!a.mark_chain_precision(insn.src)) return false;
            return adjust_pointer(a, insn, a.reg(insn.dst), src);
        }
        if (a.reg(insn.dst).precise && !a.mark_chain_precision(insn.src)) return false;
    }
    const bool fitted = fits(a.reg(insn.dst), 32);
    if (!alu_on_numbers(a, insn, src)) return false;
    link_after_add(a, insn, src, fitted);
    return true;
}

bool check_unary(Analysis& a, const Insn& insn) {
    if (!a.check_reg_read(insn.dst)) return false;
    if (a.is_pointer_value(a.reg(insn.dst)))
        return a.refuse(Rule::PointerArithmetic, "R{} pointer arithmetic prohibited",
                        int(insn.dst));
    if (insn.operation() == isa::kNeg && a.reg(insn.dst).type == kScalar && a.rules.tracks_neg) {
        if (!a.check_reg_write(insn.dst, false)) return false;
        if (!alu_on_numbers(a, insn, a.reg(insn.dst))) return false;
        unlink(a.reg_mut(insn.dst));
        return true;
    }
    if (insn.operation() == isa::kEnd && a.reg(insn.dst).type == kScalar && a.rules.tracks_swaps) {
        if (!a.check_reg_write(insn.dst, false)) return false;
        RegState& dst = a.reg_mut(insn.dst);
        // Little-endian machines: "to little endian" swaps nothing.
        const bool swap = insn.cls() == isa::kAlu64 || insn.uses_src_register();
        dst.value.byte_swap(uint8_t(insn.imm / 8), swap);
        unlink(dst);
        return true;
    }
    return a.check_reg_write(insn.dst);
}

}  // namespace

bool check_alu(Analysis& a, const Insn& insn) {
    const uint8_t operation = insn.operation();
    if (operation == isa::kEnd || operation == isa::kNeg) {
        if (!check_unary(a, insn)) return false;
    } else if (operation == isa::kMov) {
        if (!check_move(a, insn)) return false;
    } else {
        if (insn.uses_src_register() && !a.check_reg_read(insn.src)) return false;
        if (!a.check_reg_read(insn.dst)) return false;
        if (!insn.uses_src_register()) {
            if ((operation == isa::kMod || operation == isa::kDiv) && insn.imm == 0)
                return a.refuse(Rule::DivisionByZero, "div by zero");
            const int width = insn.cls() == isa::kAlu64 ? 64 : 32;
            if ((operation == isa::kLsh || operation == isa::kRsh || operation == isa::kArsh) &&
                (insn.imm < 0 || insn.imm >= width))
                return a.refuse(Rule::BadShift, "invalid shift {}", insn.imm);
        }
        if (!a.check_reg_write(insn.dst, false) || !check_binary(a, insn)) return false;
    }
    return check_bounds_sanity(a, a.reg_mut(insn.dst), "alu");
}

}  // namespace skep::verifier
