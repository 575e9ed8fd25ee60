// SPDX-License-Identifier: Apache-2.0
// What the kernel does against Spectre where the loader is not trusted with it, as far as it
// changes verdicts: arithmetic on pointers must have a limit that can be put into code, and the
// paths that a mispredicted branch would take are followed too.
#include <cstdlib>

#include "verifier/alu.hpp"

namespace skep::verifier {

using isa::Insn;

namespace {

constexpr uint8_t kSanitizeSrc = 1, kSanitizeDst = 2, kNegValue = 4, kNonPointer = 8,
                  kImmediate = 16;

bool needs_nothing(const Analysis& a, const Insn& insn) {
    return a.bypass_spec_v1 || !insn.uses_src_register();
}

AluRefusal update(InsnAux& aux, uint8_t state, uint32_t limit) {
    if (aux.alu_state && (aux.alu_state != state || aux.alu_limit != limit))
        return AluRefusal::Paths;
    aux.alu_state = state;
    aux.alu_limit = limit;
    return AluRefusal::None;
}

AluRefusal pointer_limit(const RegState& pointer, bool mask_to_left, uint32_t& limit) {
    uint32_t most = 0;
    if (pointer.type == kPtrToStack) {
        most = uint32_t(isa::kStackSize) + mask_to_left;
        limit = uint32_t(-(int64_t(pointer.value.bits.value) + pointer.off));
    } else if (pointer.type == kPtrToMapValue) {
        most = pointer.map->spec->value_size;
        limit = uint32_t((mask_to_left ? uint64_t(pointer.value.smin) : pointer.value.umax) +
                         uint64_t(int64_t{pointer.off}));
    } else {
        return AluRefusal::Type;
    }
    return limit >= most ? AluRefusal::Limit : AluRefusal::None;
}

}  // namespace

AluRefusal sanitize_scalar_alu(Analysis& a, const Insn& insn) {
    if (needs_nothing(a, insn)) return AluRefusal::None;
    return update(a.aux[a.insn_index], kNonPointer, 0);
}

bool push_speculative_path(Analysis& a, const Insn* insn, uint32_t next, uint32_t current) {
    VerifierState* other = a.push_state(next, current, true);
    if (!other) return false;
    if (insn) {
        other->reg_mut(insn->dst).set_unknown(!a.privileged);
        if (insn->uses_src_register()) other->reg_mut(insn->src).set_unknown(!a.privileged);
    }
    return true;
}

AluRefusal sanitize_pointer_alu(Analysis& a, const Insn& insn, const RegState& pointer,
                                const RegState& offset, bool pointer_is_dst, AluSanitation& info,
                                bool commit) {
    if (needs_nothing(a, insn)) return AluRefusal::None;
    const bool known = offset.value.is_constant(), negative = offset.value.smin < 0;
    if (!a.state->speculative) {
        if (!commit) {
            if (!known && negative != (offset.value.smax < 0)) return AluRefusal::Bounds;
            info.mask_to_left = (insn.operation() == isa::kAdd && negative) ||
                                (insn.operation() == isa::kSub && !negative);
        }
        uint32_t limit;
        AluRefusal refusal = pointer_limit(pointer, info.mask_to_left, limit);
        if (refusal != AluRefusal::None) return refusal;
        uint8_t state;
        if (commit) {
            // The window that is left between before and after.
            state = info.state;
            limit = uint32_t(std::abs(int32_t(info.limit - limit)));
        } else {
            state = uint8_t((negative ? kNegValue : 0) | (known ? kImmediate : 0) |
                            (pointer_is_dst ? kSanitizeSrc : kSanitizeDst));
            if (!known) a.explore_alu_limits = true;
        }
        if (commit) {
            refusal = update(a.aux[a.insn_index], state, limit);
            if (refusal != AluRefusal::None) return refusal;
        } else {
            info.state = state;
            info.limit = limit;
        }
    }
    if (commit || known) return AluRefusal::None;
    // Masked out of bounds, the pointer would stay as it is.
    const RegState before = a.reg(insn.dst);
    if (!pointer_is_dst) a.reg_mut(insn.dst) = pointer;
    const bool pushed = push_speculative_path(a, nullptr, a.insn_index + 1, a.insn_index);
    if (!pointer_is_dst) a.reg_mut(insn.dst) = before;
    return pushed ? AluRefusal::None : AluRefusal::Stack;
}

bool refuse_alu(Analysis& a, const Insn& insn, AluRefusal reason, bool offset_is_dst) {
    constexpr const char* kEnd = "pointer arithmetic with it prohibited for !root";
    const int dst = insn.dst, src = insn.src;
    const char* operation = insn.operation() == isa::kAdd ? "add" : "sub";
    switch (reason) {
        case AluRefusal::Bounds:
            return a.refuse(Rule::SpeculativePath,
                            "R{} has unknown scalar with mixed signed bounds, {}",
                            offset_is_dst ? dst : src, kEnd);
        case AluRefusal::Type:
            return a.refuse(Rule::SpeculativePath,
                            "R{} has pointer with unsupported alu operation, {}",
                            offset_is_dst ? src : dst, kEnd);
        case AluRefusal::Paths:
            return a.refuse(Rule::SpeculativePath,
                            "R{} tried to {} from different maps, paths or scalars, {}", dst,
                            operation, kEnd);
        case AluRefusal::Limit:
            return a.refuse(Rule::SpeculativePath, "R{} tried to {} beyond pointer bounds, {}", dst,
                            operation, kEnd);
        default:
            return a.refuse(Rule::SpeculativePath,
                            "R{} could not be pushed for speculative verification, {}", dst, kEnd);
    }
}

}  // namespace skep::verifier
