// SPDX-License-Identifier: Apache-2.0
#include "verifier/linked_regs.hpp"

#include "isa/insn.hpp"
#include "verifier/scalar_alu.hpp"

namespace skep::verifier {

namespace {

constexpr uint32_t kEntryBits = 10, kCountBits = 4;

}  // namespace

LinkedRegs LinkedRegsList::pack() const {
    LinkedRegs packed = 0;
    for (uint32_t i = count; i-- > 0;) {
        const uint64_t entry =
            regs[i].frame | uint64_t{regs[i].number} << 3 | uint64_t{regs[i].is_reg} << 9;
        packed = packed << kEntryBits | entry;
    }
    return packed << kCountBits | count;
}

LinkedRegsList LinkedRegsList::unpack(LinkedRegs packed) {
    LinkedRegsList list;
    list.count = uint32_t(packed & 0xf);
    packed >>= kCountBits;
    for (uint32_t i = 0; i < list.count; ++i, packed >>= kEntryBits)
        list.regs[i] = {uint8_t(packed & 7), bool(packed >> 9 & 1), uint8_t(packed >> 3 & 0x3f)};
    return list;
}

void collect_linked_regs(VerifierState& state, uint32_t id, LinkedRegsList& linked) {
    id &= ~kAddConstAny;
    const auto is_linked = [id](const RegState& reg) {
        return reg.type == kScalar && (reg.id & ~kAddConstAny) == id;
    };
    for (uint32_t f = state.curframe + 1; f-- > 0;) {
        for (size_t r = 0; r + 1 < kRegs; ++r) {
            if (!is_linked(state.frame(f).regs[r])) continue;
            if (linked.count < LinkedRegsList::kMost) {
                linked.regs[linked.count++] = {uint8_t(f), true, uint8_t(r)};
            } else {
                RegState& reg = state.frame_mut(f).regs[r];
                reg.id = 0;
                reg.off = 0;
            }
        }
        for (size_t s = 0; s < state.frame(f).stack.size(); ++s) {
            const StackSlot& slot = state.frame(f).stack[s];
            if (!slot.is_spilled_reg() || !is_linked(*slot.spilled)) continue;
            if (linked.count < LinkedRegsList::kMost) {
                linked.regs[linked.count++] = {uint8_t(f), false, uint8_t(s)};
            } else {
                RegState& reg = state.frame_mut(f).stack[s].spilled.write();
                reg.id = 0;
                reg.off = 0;
            }
        }
    }
}

void sync_linked_regs(VerifierState& state, int known_reg, const LinkedRegsList& linked) {
    const RegState known = state.reg(uint32_t(known_reg));
    for (uint32_t i = 0; i < linked.count; ++i) {
        const LinkedReg& entry = linked.regs[i];
        if (entry.is_reg && entry.frame == state.curframe && entry.number == known_reg) continue;
        const FuncState& frame = state.frame(entry.frame);
        const RegState& current =
            entry.is_reg ? frame.regs[entry.number] : *frame.stack[entry.number].spilled;
        if (current.type != kScalar || ((current.id ^ known.id) & ~kAddConstAny)) continue;
        // A difference of one width says nothing in the other.
        if (((current.id ^ known.id) & kAddConstAny) == kAddConstAny) continue;
        FuncState& own = state.frame_mut(entry.frame);
        RegState& reg =
            entry.is_reg ? own.regs[entry.number] : own.stack[entry.number].spilled.write();
        if (!((reg.id | known.id) & kAddConstAny) || reg.off == known.off) {
            reg = known;
            continue;
        }
        const RegState before = reg;
        reg = known;
        reg.off = before.off;
        reg.id = before.id;
        scalar_add_no_sync(reg.value, Scalar::constant(uint64_t(int64_t{before.off} - known.off)));
        if ((reg.id | known.id) & kAddConst32) reg.value.zero_extend();
        // No sync(): the kernel's later users see these bounds as they are.
    }
}

}  // namespace skep::verifier
