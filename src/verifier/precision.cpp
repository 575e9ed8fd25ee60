// SPDX-License-Identifier: Apache-2.0
#include "verifier/precision.hpp"

#include <bit>

#include "verifier/calls.hpp"
#include "verifier/linked_regs.hpp"

namespace skep::verifier {

using isa::Insn;

namespace {

constexpr uint16_t kArguments = 0x3e;  // r1 to r5

enum class Back { Ok, GiveUp, Bug };

/// Where a number is wanted, so are those linked with it when this instruction refined them.
void add_linked(Wanted& wanted, const HistoryEntry* history) {
    if (!history || !history->linked) return;
    const LinkedRegsList list = LinkedRegsList::unpack(history->linked);
    bool any = false;
    for (uint32_t i = 0; i < list.count; ++i) {
        const LinkedReg& reg = list.regs[i];
        any |= reg.is_reg ? wanted.regs[reg.frame] >> reg.number & 1
                          : wanted.slots[reg.frame] >> reg.number & 1;
    }
    if (!any) return;
    for (uint32_t i = 0; i < list.count; ++i) {
        const LinkedReg& reg = list.regs[i];
        if (reg.is_reg)
            wanted.regs[reg.frame] |= uint16_t(1 << reg.number);
        else
            wanted.slots[reg.frame] |= uint64_t{1} << reg.number;
    }
}

bool touches_stack(const HistoryEntry* history) {
    return history && (history->flags & kHistStackAccess);
}
uint64_t& slots_of(Wanted& wanted, const HistoryEntry& history) {
    return wanted.slots[history.flags & kHistFrameMask];
}
uint64_t slot_bit(const HistoryEntry& history) {
    return uint64_t{1} << (history.flags >> kHistSlotShift & kHistSlotMask);
}

Back back_over_alu(const Insn& insn, Wanted& wanted) {
    if (!wanted.has(insn.dst)) return Back::Ok;
    const uint8_t operation = insn.operation();
    if (operation == isa::kEnd || operation == isa::kNeg) return Back::Ok;
    if (operation == isa::kMov) wanted.remove(insn.dst);
    if (insn.uses_src_register() && insn.src != isa::kMaxRegister) wanted.add(insn.src);
    return Back::Ok;
}

Back back_over_load(int load_reg, const HistoryEntry* history, Wanted& wanted) {
    if (!wanted.has(load_reg)) return Back::Ok;
    wanted.remove(load_reg);
    // Only what was spilled came from a register; other memory holds unknown numbers.
    if (touches_stack(history)) slots_of(wanted, *history) |= slot_bit(*history);
    return Back::Ok;
}

Back back_over_store(const Insn& insn, const HistoryEntry* history, Wanted& wanted) {
    if (wanted.has(insn.dst)) return Back::GiveUp;
    if (!touches_stack(history)) return Back::Ok;
    uint64_t& slots = slots_of(wanted, *history);
    if (!(slots & slot_bit(*history))) return Back::Ok;
    slots &= ~slot_bit(*history);
    if (insn.cls() == isa::kStx) wanted.add(insn.src);
    return Back::Ok;
}

bool is_atomic_load(const Insn& insn, int& load_reg) {
    if (insn.cls() != isa::kStx || insn.mode() != isa::kAtomic) return false;
    if (insn.imm == isa::kLoadAcq) {
        load_reg = insn.dst;
        return true;
    }
    if (insn.imm == isa::kStoreRel || !(insn.imm & isa::kFetch)) return false;
    load_reg = insn.imm == isa::kCmpXchg ? 0 : int(insn.src);
    return true;
}

bool leave_frame(Wanted& wanted) {
    if (wanted.frame == 0) return false;
    --wanted.frame;
    return true;
}

bool enter_frame(Wanted& wanted) {
    if (wanted.frame + 1 == isa::kMaxFrames) return false;
    ++wanted.frame;
    return true;
}

Back back_over_call(Analysis& a, const Insn& insn, uint32_t index, int64_t after, Wanted& wanted) {
    uint16_t& regs = wanted.regs[wanted.frame];
    if (insn.src == isa::kCallLocal) {
        const int subprog = a.find_subprog(uint32_t(int64_t{index} + insn.imm + 1));
        if (subprog < 0) return Back::Bug;
        if (a.subprogs[size_t(subprog)].global && after == int64_t{index} + 1) {
            if (regs & kArguments) return Back::Bug;
            wanted.remove(0);
            return Back::Ok;
        }
        // From the start of the callee to the caller: arguments are the same registers there.
        if ((regs & ~kArguments) || wanted.slots[wanted.frame] || wanted.frame == 0)
            return Back::Bug;
        wanted.regs[wanted.frame - 1] |= regs & kArguments;
        regs = 0;
        return leave_frame(wanted) ? Back::Ok : Back::Bug;
    }
    if (a.aux[index].calls_callback && after != int64_t{index} + 1) {
        // From the start of a callback: its arguments are none of the caller's registers.
        if ((regs & ~kArguments) || wanted.slots[wanted.frame]) return Back::Bug;
        regs &= uint16_t(~kArguments);
        return leave_frame(wanted) ? Back::Ok : Back::Bug;
    }
    if (insn.src == isa::kCallKfunc && insn.imm == 0) return Back::GiveUp;
    wanted.remove(0);
    return regs & kArguments ? Back::Bug : Back::Ok;
}

Back back_over_exit(Analysis& a, int64_t after, Wanted& wanted) {
    // From behind a call to the end of the callee (or of a callback, whose result is not kept).
    const bool from_call = after > 0 &&
                           a.insns[size_t(after - 1)].opcode == (isa::kJmp | isa::kCall) &&
                           a.insns[size_t(after - 1)].src == isa::kCallLocal;
    if (from_call && (wanted.regs[wanted.frame] & kArguments)) return Back::Bug;
    const bool result_wanted = from_call && wanted.has(0);
    // What a helper that calls back returns is its own.
    wanted.remove(0);
    if (!enter_frame(wanted)) return Back::Bug;
    if (result_wanted) wanted.add(0);
    return Back::Ok;
}

Back back_over_jump(const Insn& insn, const HistoryEntry* history, Wanted& wanted) {
    if (!insn.uses_src_register()) return Back::Ok;
    if (!wanted.has(insn.dst) && !wanted.has(insn.src)) return Back::Ok;
    // What one was compared with decides too.
    if (!history || !(history->flags & kHistSrcStack)) wanted.add(insn.src);
    if (!history || !(history->flags & kHistDstStack)) wanted.add(insn.dst);
    return Back::Ok;
}

/// Makes of what is wanted after an instruction what is wanted before it. `after` is the
/// instruction that was executed next, -1 where unknown.
Back back_over(Analysis& a, uint32_t index, int64_t after, const HistoryEntry* history,
               Wanted& wanted) {
    const Insn& insn = a.insns[index];
    if (insn.opcode == 0) return Back::Ok;  // second half of a wide instruction
    add_linked(wanted, history);
    Back result = Back::Ok;
    int load_reg = insn.dst;
    switch (insn.cls()) {
        case isa::kAlu:
        case isa::kAlu64: result = back_over_alu(insn, wanted); break;
        case isa::kLdx: result = back_over_load(load_reg, history, wanted); break;
        case isa::kSt:
        case isa::kStx:
            result = is_atomic_load(insn, load_reg) ? back_over_load(load_reg, history, wanted)
                                                    : back_over_store(insn, history, wanted);
            break;
        case isa::kLd:
            if (insn.is_wide()) {
                wanted.remove(insn.dst);
            } else {
                if (wanted.has(insn.dst)) return Back::GiveUp;
                // A packet that is too short ends the function here.
                if (after != int64_t{index} + 1 && !enter_frame(wanted)) return Back::Bug;
            }
            break;
        default:
            switch (insn.operation()) {
                case isa::kCall: result = back_over_call(a, insn, index, after, wanted); break;
                case isa::kExit: result = back_over_exit(a, after, wanted); break;
                case isa::kJa:
                case isa::kJcond: break;
                default: result = back_over_jump(insn, history, wanted);
            }
    }
    // Calls and exits moved to another frame: the entry is about the old one.
    if (result == Back::Ok) add_linked(wanted, history);
    return result;
}

/// The instructions of a state's part of the path, last to first.
class PathBack {
  public:
    PathBack(const VerifierState& state, uint32_t last)
        : state_(state), at_(last), left_(state.history.size()) {}
    uint32_t insn() const { return at_; }
    const HistoryEntry* entry() const {
        return left_ && state_.history[left_ - 1].insn == at_ ? &state_.history[left_ - 1]
                                                              : nullptr;
    }
    /// False at the start.
    bool step() {
        if (at_ == state_.first_insn_idx &&
            (left_ == 0 || (left_ == 1 && state_.history[0].insn == at_)))
            return false;
        if (const HistoryEntry* here = entry()) {
            at_ = here->prev;
            --left_;
        } else {
            --at_;
        }
        return true;
    }

  private:
    const VerifierState& state_;
    uint32_t at_;
    size_t left_;
};

/// Marks what is wanted in a state that was kept, and goes on wanting only what was not marked.
bool mark_in(VerifierState& state, Wanted& wanted, bool* changed) {
    for (uint32_t f = 0; f <= wanted.frame; ++f) {
        if (f > state.curframe) return false;
        for (uint16_t left = wanted.regs[f]; left; left &= uint16_t(left - 1)) {
            const size_t r = size_t(std::countr_zero(left));
            const RegState& reg = state.frame(f).regs[r];
            if (reg.type != kScalar || reg.precise) {
                wanted.regs[f] &= uint16_t(~(1u << r));
            } else {
                state.frame_mut(f).regs[r].precise = true;
                if (changed) *changed = true;
            }
        }
        for (uint64_t left = wanted.slots[f]; left; left &= left - 1) {
            const size_t s = size_t(std::countr_zero(left));
            if (s >= state.frame(f).stack.size()) return false;
            const StackSlot& slot = state.frame(f).stack[s];
            if (!slot.is_spilled_scalar() || slot.spilled->precise) {
                wanted.slots[f] &= ~(uint64_t{1} << s);
            } else {
                state.frame_mut(f).stack[s].spilled.write().precise = true;
                if (changed) *changed = true;
            }
        }
    }
    return true;
}

bool bug(Analysis& a) {
    return a.refuse(Rule::Internal, "verifier bug: backtracking at insn {}", a.insn_index);
}

/// The start of a global function (or of an asynchronous callback): arguments are unknown numbers.
bool mark_arguments(Analysis& a, VerifierState& state, const Wanted& wanted) {
    if (state.curframe != 0 || wanted.slots[0] || (wanted.regs[0] & ~kArguments)) return bug(a);
    for (int r = 1; r <= 5; ++r)
        if ((wanted.regs[0] >> r & 1) && state.reg(uint32_t(r)).type == kScalar)
            state.reg_mut(uint32_t(r)).precise = true;
    return true;
}

}  // namespace

bool mark_precise(Analysis& a, VerifierState& start, Wanted wanted, bool* changed) {
    if (!a.privileged || wanted.empty()) return true;
    VerifierState* state = &start;
    bool skip = true;  // the current instruction has not been executed
    uint32_t last = start.insn_idx, first = start.first_insn_idx;
    int64_t after = -1;
    for (;;) {
        if (last == UINT32_MAX) return mark_arguments(a, *state, wanted);
        for (PathBack path(*state, last);;) {
            if (!skip) {
                const Back result = back_over(a, path.insn(), after, path.entry(), wanted);
                if (result == Back::Bug) return bug(a);
                if (result == Back::GiveUp) {
                    mark_all_scalars_precise(start);
                    return true;
                }
            }
            skip = false;
            if (wanted.empty()) return true;
            after = path.insn();
            if (!path.step()) break;
            if (path.insn() >= a.insns.size()) return bug(a);
        }
        VerifierState* parent = state->parent;
        if (!parent) break;
        if (!mark_in(*parent, wanted, changed)) return bug(a);
        if (wanted.empty()) return true;
        after = first;
        last = parent->last_insn_idx;
        first = parent->first_insn_idx;
        state = parent;
    }
    // Not found where it came from: take everything.
    if (!wanted.empty()) mark_all_scalars_precise(start);
    return true;
}

bool Analysis::mark_chain_precision(int regno) {
    Wanted wanted(state->curframe);
    if (reg(regno).type != kScalar) return bug(*this);
    wanted.add(regno);
    return mark_precise(*this, *state, wanted, nullptr);
}

bool Analysis::mark_chain_precision_slot(uint32_t frame, int slot) {
    Wanted wanted(state->curframe);
    wanted.slots[frame] |= uint64_t{1} << slot;
    return mark_precise(*this, *state, wanted, nullptr);
}

void mark_all_scalars_precise(VerifierState& from) {
    const auto wanted = [](const RegState& reg) { return reg.type == kScalar && !reg.precise; };
    // What is kept never becomes less precise: where this was done before, so it was from there on.
    for (VerifierState* state = from.parent; state && !state->all_precise; state = state->parent) {
        state->change_regs(wanted, [](RegState& reg) { reg.precise = true; });
        state->all_precise = true;
    }
}

void mark_all_scalars_imprecise(VerifierState& state) {
    const auto wanted = [](const RegState& reg) { return reg.type == kScalar && reg.precise; };
    state.change_regs(wanted, [](RegState& reg) { reg.precise = false; });
}

void Analysis::push_history(uint16_t flags, LinkedRegs linked) {
    std::vector<HistoryEntry>& history = state->history;
    if (history_open) {  // one entry an instruction
        HistoryEntry& entry = history.back();
        entry.flags |= flags;
        if (linked) entry.linked = linked;
        return;
    }
    history.push_back({insn_index, prev_insn_index, flags, linked});
    history_open = true;
}

}  // namespace skep::verifier
