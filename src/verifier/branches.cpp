// SPDX-License-Identifier: Apache-2.0
#include "verifier/branches.hpp"

#include <algorithm>

#include "platform/limits.hpp"
#include "verifier/alu.hpp"
#include "verifier/branch.hpp"
#include "verifier/calls.hpp"
#include "verifier/linked_regs.hpp"
#include "verifier/precision.hpp"

namespace skep::verifier {

using isa::Insn;

namespace {

bool is_any_packet(const RegState& reg) {
    return is_packet_pointer(reg.type) || reg.type == kPtrToPacketEnd;
}

/// Unmodified ctx->data: the other end of metadata.
bool is_packet_start(const RegState& reg) {
    return reg.type == kPtrToPacket && reg.id == 0 && reg.off == 0 && reg.value.is_zero();
}

bool is_known_not_null(const RegState& reg) {
    if (may_be_null(reg.type)) return false;
    // With an unbounded offset, base + offset may wrap to 0.
    if (reg.value.smin <= -platform::kMaxVarOffset || reg.value.smax >= platform::kMaxVarOffset)
        return false;
    constexpr RegType kTrustedFlags = kMemAlloc | kTrusted | kNonOwnRef;
    switch (base_type(reg.type)) {
        case kPtrToSocket:
        case kPtrToTcpSock:
        case kPtrToXdpSock:
        case kPtrToBuf:
        case kPtrToMapValue:
        case kPtrToMapKey:
        case kPtrToSockCommon:
        case kPtrToMem:
        case kConstPtrToMap: return true;
        case kPtrToBtfId:
            return reg.ref_obj_id || ((type_flags(reg.type) & kTrustedFlags) &&
                                      !(type_flags(reg.type) & ~kTrustedFlags));
        default: return false;
    }
}

std::optional<bool> packet_outcome(const RegState& a, const RegState& b, uint8_t operation) {
    const RegState* packet = &a;
    if (b.type != kPtrToPacketEnd) {
        if (a.type != kPtrToPacketEnd) return std::nullopt;
        packet = &b;
        operation = swapped(operation);
    }
    if (packet->packet_range >= 0) return std::nullopt;
    const bool beyond = packet->packet_range == kBeyondPacketEnd;
    switch (operation) {
        case isa::kJle:
        case isa::kJgt:
            if (beyond) return operation == isa::kJgt;
            return std::nullopt;
        case isa::kJlt:
        case isa::kJge: return operation == isa::kJge;
        default: return std::nullopt;
    }
}

/// Both operands on each way, as far as they are numbers.
struct BothWays {
    Scalar fallen_dst, fallen_src, jumped_dst, jumped_src;
};

/// A way on which nothing is left that an operand could be is never taken.
std::optional<bool> outcome_of_numbers(Analysis& a, const RegState& dst, const RegState& src,
                                       uint8_t operation, bool is_32bit, BothWays& ways) {
    if (const auto known = branch_outcome(operation, is_32bit, dst.value, src.value)) return known;
    ways = {dst.value, src.value, dst.value, src.value};
    if (!a.rules.refines_pairs && !src.value.is_constant() && !dst.value.is_constant() &&
        operation != isa::kJeq && operation != isa::kJne)
        return std::nullopt;
    const bool same = &dst == &src;  // x OP x
    refine_not(operation, is_32bit, ways.fallen_dst, same ? ways.fallen_dst : ways.fallen_src);
    refine(operation, is_32bit, ways.jumped_dst, same ? ways.jumped_dst : ways.jumped_src);
    if (same) {
        ways.fallen_src = ways.fallen_dst;
        ways.jumped_src = ways.jumped_dst;
    }
    // Two copies of one register contradict each other no more than they do themselves.
    if (same || !a.is_kernel_at_least(platform::KernelVersion("6.18"))) return std::nullopt;
    // Bits that contradict bounds are not looked at: 6.18.44 follows both ways.
    if (operation == isa::kJset) return std::nullopt;
    if (ways.fallen_dst.is_contradiction() || ways.fallen_src.is_contradiction()) return true;
    if (ways.jumped_dst.is_contradiction() || ways.jumped_src.is_contradiction()) return false;
    return std::nullopt;
}

std::optional<bool> outcome(Analysis& analysis, const RegState& a, const RegState& b,
                            uint8_t operation, bool is_32bit, BothWays& ways) {
    if (!is_32bit && is_any_packet(a) && is_any_packet(b)) return packet_outcome(a, b, operation);
    if (a.type == kScalar && b.type == kScalar)
        return outcome_of_numbers(analysis, a, b, operation, is_32bit, ways);
    if (is_32bit) return std::nullopt;
    const RegState& number = b.type == kScalar ? b : a;
    const RegState& pointer = b.type == kScalar ? a : b;
    if (!number.is_constant() || number.value.constant_value() != 0 || !is_known_not_null(pointer))
        return std::nullopt;
    if (operation == isa::kJeq) return false;
    if (operation == isa::kJne) return true;
    return std::nullopt;
}

/// Every pointer with the same variable offset knows now how far the packet reaches.
/// (`exclusive`: data is before the end, so at least one more byte is there.)
void learn_packet_range(VerifierState& state, const RegState& checked, bool exclusive) {
    if (checked.off < 0 || (checked.off == 0 && exclusive)) return;
    if (checked.value.umax > platform::kMaxPacketOffset ||
        checked.value.umax + uint64_t(checked.off) > platform::kMaxPacketOffset)
        return;
    const int32_t range = checked.off + (exclusive ? 1 : 0);
    const RegType type = checked.type;
    const uint32_t id = checked.id;
    state.change_regs(
        [&](const RegState& reg) {
            return reg.type == type && reg.id == id && reg.packet_range < range;
        },
        [range](RegState& reg) { reg.packet_range = range; });
}

void mark_packet_end(VerifierState& state, int regno, bool range_open) {
    RegState& reg = state.reg_mut(uint32_t(regno));
    if (reg.type != kPtrToPacket) return;  // metadata has no end to be beyond of
    reg.packet_range = range_open ? kBeyondPacketEnd : kAtPacketEnd;
}

/// A comparison of packet data with its end: `true` where it was one.
bool match_packet_pointers(const Insn& insn, const RegState& dst_ref, const RegState& src_ref,
                           VerifierState& fallen, VerifierState& jumped) {
    if (!insn.uses_src_register() || insn.cls() == isa::kJmp32) return false;
    const RegState dst = dst_ref, src = src_ref;
    const bool data_first = (dst.type == kPtrToPacket && src.type == kPtrToPacketEnd) ||
                            (dst.type == kPtrToPacketMeta && is_packet_start(src));
    const bool data_last = (dst.type == kPtrToPacketEnd && src.type == kPtrToPacket) ||
                           (is_packet_start(dst) && src.type == kPtrToPacketMeta);
    if (!data_first && !data_last) return false;
    uint8_t operation = insn.operation();
    if (!data_first) operation = swapped(operation);
    const RegState& data = data_first ? dst : src;
    const int regno = data_first ? int(insn.dst) : int(insn.src);
    // data OP end. Where data <= end (or <) the bytes before data are there.
    switch (operation) {
        case isa::kJgt:
            learn_packet_range(fallen, data, false);
            mark_packet_end(jumped, regno, true);
            return true;
        case isa::kJge:
            learn_packet_range(fallen, data, true);
            mark_packet_end(jumped, regno, false);
            return true;
        case isa::kJlt:
            learn_packet_range(jumped, data, true);
            mark_packet_end(fallen, regno, false);
            return true;
        case isa::kJle:
            learn_packet_range(jumped, data, false);
            mark_packet_end(fallen, regno, true);
            return true;
        default: return false;
    }
}

void mark_null_branch(Analysis& a, VerifierState& state, int regno, bool is_null) {
    const RegState& reg = state.reg(uint32_t(regno));
    const uint32_t id = reg.id, ref = reg.ref_obj_id;
    if (ref && ref == id && is_null) release_reference_of_null(state, ref);
    a.mark_ptr_or_null_regs(state, id, is_null);
}

bool check_may_goto(Analysis& a, const Insn& insn) {
    const bool nowhere = insn.off == 0 && a.platform.version < platform::KernelVersion("6.14");
    if (insn.opcode != (isa::kJmp | isa::kJcond) || insn.src || insn.dst || insn.imm || nowhere)
        return a.refuse(Rule::BadInsn, "invalid may_goto off {} imm {}", insn.off, insn.imm);
    VerifierState* previous = a.find_prev_entry(a.state->parent, a.insn_index);
    VerifierState* queued = a.push_state(a.insn_index + 1, a.insn_index, false);
    if (!queued) return false;
    ++queued->may_goto_depth;
    if (previous && !a.widen_imprecise_scalars(*previous, *queued)) return false;
    a.insn_index += uint32_t(insn.off);
    return true;
}

/// Both ways are possible: what the comparison tells of the operands on each.
bool refine_both(Analysis& a, const Insn& insn, VerifierState& jumped, const BothWays& ways) {
    const bool from_register = insn.uses_src_register();
    if (a.reg(insn.dst).type != kScalar || (from_register && a.reg(insn.src).type != kScalar))
        return true;
    RegState constant, other_constant;
    RegState& dst = a.reg_mut(insn.dst);
    RegState& src = from_register ? a.reg_mut(insn.src) : constant;
    RegState& jumped_dst = jumped.reg_mut(insn.dst);
    RegState& jumped_src = from_register ? jumped.reg_mut(insn.src) : other_constant;
    dst.value = ways.fallen_dst;
    src.value = ways.fallen_src;
    jumped_dst.value = ways.jumped_dst;
    jumped_src.value = ways.jumped_src;
    return check_bounds_sanity(a, jumped_dst, "true_reg1") &&
           check_bounds_sanity(a, jumped_src, "true_reg2") &&
           check_bounds_sanity(a, dst, "false_reg1") && check_bounds_sanity(a, src, "false_reg2");
}

/// a == b, and one of them is not null: nor is the other.
void learn_not_null(Analysis& a, const Insn& insn, VerifierState& jumped) {
    const RegState dst = a.reg(insn.dst), src = a.reg(insn.src);
    if (dst.type == kScalar || src.type == kScalar || base_type(dst.type) == kPtrToBtfId ||
        base_type(src.type) == kPtrToBtfId)
        return;
    VerifierState* equal = insn.operation() == isa::kJeq   ? &jumped
                           : insn.operation() == isa::kJne ? a.state
                                                           : nullptr;
    if (!equal) return;
    if (is_known_not_null(dst) && may_be_null(src.type)) mark_not_null(equal->reg_mut(insn.src));
    if (is_known_not_null(src) && may_be_null(dst.type)) mark_not_null(equal->reg_mut(insn.dst));
}

bool follow_both(Analysis& a, const Insn& insn, const BothWays& ways) {
    const bool from_register = insn.uses_src_register();
    LinkedRegsList linked;
    if (from_register && a.reg(insn.src).type == kScalar && a.reg(insn.src).id)
        collect_linked_regs(*a.state, a.reg(insn.src).id, linked);
    if (a.reg(insn.dst).type == kScalar && a.reg(insn.dst).id)
        collect_linked_regs(*a.state, a.reg(insn.dst).id, linked);
    if (linked.count > 1) a.push_history(0, linked.pack());

    VerifierState* jumped =
        a.push_state(uint32_t(a.insn_index + insn.off + 1), a.insn_index, false);
    if (!jumped || !refine_both(a, insn, *jumped, ways)) return false;
    for (const int regno : {from_register ? int(insn.src) : -1, int(insn.dst)}) {
        if (regno < 0 || a.reg(regno).type != kScalar || !a.reg(regno).id) continue;
        sync_linked_regs(*a.state, regno, linked);
        sync_linked_regs(*jumped, regno, linked);
    }
    const bool is_32bit = insn.cls() == isa::kJmp32;
    if (!is_32bit && from_register) learn_not_null(a, insn, *jumped);

    const bool null_check = !is_32bit && !from_register && insn.imm == 0 &&
                            (insn.operation() == isa::kJeq || insn.operation() == isa::kJne);
    if (null_check && may_be_null(a.reg(insn.dst).type)) {
        mark_null_branch(a, *a.state, insn.dst, insn.operation() == isa::kJne);
        mark_null_branch(a, *jumped, insn.dst, insn.operation() == isa::kJeq);
        return true;
    }
    if (match_packet_pointers(insn, a.reg(insn.dst), a.reg(insn.src), *a.state, *jumped))
        return true;
    if (a.is_pointer_value(a.reg(insn.dst)))
        return a.refuse(Rule::PointerComparison, "R{} pointer comparison prohibited",
                        int(insn.dst));
    return true;
}

}  // namespace

bool check_conditional_jump(Analysis& a, const Insn& insn) {
    if (insn.operation() == isa::kJcond) return check_may_goto(a, insn);
    const int dst = insn.dst, src = insn.src;
    const bool from_register = insn.uses_src_register();
    if (!a.check_reg_read(dst)) return false;
    uint16_t history = a.reg(dst).type == kPtrToStack ? kHistDstStack : uint16_t{0};
    RegState constant;
    if (from_register) {
        if (!a.check_reg_read(src)) return false;
        if (!(is_any_packet(a.reg(dst)) && is_any_packet(a.reg(src))) &&
            a.is_pointer_value(a.reg(src)))
            return a.refuse(Rule::PointerComparison, "R{} pointer comparison prohibited", src);
        if (a.reg(src).type == kPtrToStack) history |= kHistSrcStack;
    } else {
        constant.set_constant(uint64_t(int64_t{insn.imm}));
    }
    if (history) a.push_history(history);
    InsnAux& aux = a.aux[a.insn_index];
    const bool is_32bit = insn.cls() == isa::kJmp32;
    BothWays ways;
    const auto taken = outcome(a, a.reg(dst), from_register ? a.reg(src) : constant,
                               insn.operation(), is_32bit, ways);
    if (!taken) {
        aux.branch_taken = aux.branch_not_taken = true;
        if (!follow_both(a, insn, ways)) return false;
        return true;
    }
    // The values decided where the path goes.
    if (a.reg(dst).type == kScalar && !a.mark_chain_precision(dst)) return false;
    if (from_register && a.reg(src).type == kScalar && !a.mark_chain_precision(src)) return false;
    (*taken ? aux.branch_taken : aux.branch_not_taken) = true;
    const uint32_t jump = uint32_t(a.insn_index + insn.off);
    if (!a.bypass_spec_v1 &&
        !push_speculative_path(a, &insn, *taken ? a.insn_index + 1 : jump + 1, a.insn_index))
        return false;
    if (*taken) a.insn_index = jump;
    return true;
}

}  // namespace skep::verifier
