// SPDX-License-Identifier: Apache-2.0
// When is a path covered by one that was followed before? When every value that it has is one that
// the other one had too, in all that mattered there.
#include <algorithm>

#include "verifier/explore.hpp"
#include "verifier/linked_regs.hpp"
#include "verifier/liveness.hpp"
#include "verifier/log.hpp"
#include "verifier/precision.hpp"

namespace skep::verifier {

namespace {

/// Ids are names: two states agree when one set of names can be mapped to the other, one to one.
class IdMap {
  public:
    explicit IdMap(uint32_t fresh) : fresh_(fresh) {}

    bool same(uint32_t old_id, uint32_t current_id) {
        if (!old_id != !current_id) return false;
        if (old_id == 0) return true;
        for (size_t i = 0; i < count_; ++i) {
            if (pairs_[i].first == old_id) return pairs_[i].second == current_id;
            if (pairs_[i].second == current_id) return false;
        }
        if (count_ == pairs_.size()) return false;
        pairs_[count_++] = {old_id, current_id};
        return true;
    }
    /// A number without an id is linked with nothing: as good as one with an id of its own.
    bool same_number(uint32_t old_id, uint32_t current_id) {
        if (!old_id) return true;
        if (!current_id) current_id = ++fresh_;
        return same(old_id, current_id);
    }

  private:
    uint32_t fresh_;
    size_t count_ = 0;
    std::array<std::pair<uint32_t, uint32_t>, (kRegs + kMaxSlots) * isa::kMaxFrames> pairs_;
};

bool same_target(const RegState& a, const RegState& b) {
    return a.type == b.type && a.off == b.off && a.map == b.map && a.btf == b.btf &&
           a.btf_id == b.btf_id && a.packet_range == b.packet_range && a.map_uid == b.map_uid &&
           a.mem_size == b.mem_size && a.dynptr_id == b.dynptr_id && a.subprog == b.subprog &&
           a.dynptr == b.dynptr && a.dynptr_first_slot == b.dynptr_first_slot && a.iter == b.iter &&
           a.iter_depth == b.iter_depth && a.irq_kfunc_class == b.irq_kfunc_class;
}

bool regs_exact(const RegState& old, const RegState& current, IdMap& ids) {
    return same_target(old, current) && old.value == current.value &&
           ids.same(old.id, current.id) && ids.same(old.ref_obj_id, current.ref_obj_id);
}

bool numbers_covered(const Analysis& a, const RegState& old, const RegState& current, IdMap& ids,
                     Exactness exactness) {
    if (a.explore_alu_limits)
        return old.off == current.off && old.value == current.value &&
               ids.same_number(old.id, current.id);
    if (!old.precise && exactness == Exactness::NotExact && !a.options.exact_numbers) return true;
    if (old.id && ((old.id ^ current.id) & kAddConstAny)) return false;
    if ((old.id & kAddConstAny) && old.off != current.off) return false;
    return scalar_in(old.value, current.value) && ids.same_number(old.id, current.id);
}

bool reg_covered(const Analysis& a, const RegState& old, const RegState& current, IdMap& ids,
                 Exactness exactness) {
    if (exactness == Exactness::Exact) return regs_exact(old, current, ids);
    if (old.type == kNotInit && (exactness == Exactness::NotExact || current.type == kNotInit))
        return true;
    if (old.type != current.type) return false;
    switch (base_type(old.type)) {
        case kScalar: return numbers_covered(a, old, current, ids, exactness);
        case kPtrToMapKey:
        case kPtrToMapValue:
        case kPtrToMem:
        case kPtrToBuf:
        case kPtrToTpBuffer:
            return same_target(old, current) && scalar_in(old.value, current.value) &&
                   ids.same(old.id, current.id) && ids.same(old.ref_obj_id, current.ref_obj_id);
        case kPtrToPacketMeta:
        case kPtrToPacket:
            return old.packet_range <= current.packet_range && old.off == current.off &&
                   ids.same(old.id, current.id) && scalar_in(old.value, current.value);
        case kPtrToStack: return old.frameno == current.frameno && regs_exact(old, current, ids);
        case kPtrToArena: return true;
        default: return regs_exact(old, current, ids);
    }
}

bool all_misc(const Analysis& a, const StackSlot& slot) {
    return std::all_of(slot.bytes.begin(), slot.bytes.end(), [&](SlotType byte) {
        return byte == SlotType::Misc || (byte == SlotType::Invalid && a.allow_uninit_stack);
    });
}

/// A slot as a number: a spilled one, or data of which nothing is known.
const RegState* slot_number(const Analysis& a, const StackSlot& slot, const RegState& unknown) {
    if (slot.is_spilled_scalar64()) return &*slot.spilled;
    return all_misc(a, slot) ? &unknown : nullptr;
}

bool special_covered(const StackSlot& old, const StackSlot& current, IdMap& ids) {
    const RegState &a = *old.spilled, &b = *current.spilled;
    if (!ids.same(a.ref_obj_id, b.ref_obj_id)) return false;
    switch (old.whole()) {
        case SlotType::Dynptr:
            return a.dynptr == b.dynptr && a.dynptr_first_slot == b.dynptr_first_slot;
        // How often next() was called is only for finding endless loops.
        case SlotType::Iter: return a.btf == b.btf && a.btf_id == b.btf_id && a.iter == b.iter;
        default: return a.irq_kfunc_class == b.irq_kfunc_class;
    }
}

bool slot_covered(const Analysis& a, const StackSlot& old, const StackSlot* current, IdMap& ids,
                  Exactness exactness) {
    if (exactness != Exactness::NotExact && (!current || old.bytes != current->bytes)) return false;
    const auto matters = [&](SlotType byte) {
        return byte != SlotType::Invalid && !(a.allow_uninit_stack && byte == SlotType::Misc);
    };
    const auto first = std::find_if(old.bytes.begin(), old.bytes.end(), matters);
    if (first == old.bytes.end()) return true;
    if (!current) return false;
    RegState unknown;
    unknown.type = kScalar;
    unknown.value.set_unknown();
    const RegState* old_number = slot_number(a, old, unknown);
    const RegState* number = slot_number(a, *current, unknown);
    if (old_number && number) return reg_covered(a, *old_number, *number, ids, exactness);
    for (size_t i = 0; i < kSlotBytes; ++i) {
        if (!matters(old.bytes[i])) continue;
        if (old.bytes[i] == SlotType::Misc && current->bytes[i] == SlotType::Zero) continue;
        if (old.bytes[i] != current->bytes[i]) return false;
    }
    switch (old.whole()) {
        case SlotType::Spill:
            return reg_covered(a, *old.spilled, *current->spilled, ids, exactness);
        case SlotType::Dynptr:
        case SlotType::Iter:
        case SlotType::IrqFlag: return special_covered(old, *current, ids);
        default: return true;
    }
}

bool frame_covered(const Analysis& a, const FuncState& old, const FuncState& current, uint32_t insn,
                   IdMap& ids, Exactness exactness) {
    if (old.callback_depth > current.callback_depth) return false;
    const uint16_t live = a.aux[insn].live_regs_before;
    for (size_t i = 0; i < kRegs; ++i)
        if ((live >> i & 1) && !reg_covered(a, old.regs[i], current.regs[i], ids, exactness))
            return false;
    for (size_t i = 0; i < old.stack.size(); ++i) {
        const StackSlot* slot = i < current.stack.size() ? &current.stack[i] : nullptr;
        if (!slot_covered(a, old.stack[i], slot, ids, exactness)) return false;
    }
    return true;
}

bool refs_covered(const VerifierState& old, const VerifierState& current, IdMap& ids) {
    if (old.refs.size() != current.refs.size() || old.active_locks != current.active_locks ||
        old.active_preempt_locks != current.active_preempt_locks ||
        old.active_rcu_locks != current.active_rcu_locks ||
        !ids.same(old.active_irq_id, current.active_irq_id) ||
        !ids.same(old.active_lock_id, current.active_lock_id) ||
        old.active_lock_ptr != current.active_lock_ptr)
        return false;
    for (size_t i = 0; i < old.refs.size(); ++i) {
        const RefState &a = old.refs[i], &b = current.refs[i];
        if (!ids.same(a.id, b.id) || a.kind != b.kind || a.lock != b.lock) return false;
    }
    return true;
}

}  // namespace

uint32_t frame_insn(const VerifierState& state, uint32_t i) {
    return i == state.curframe ? state.insn_idx : uint32_t(state.frame(i + 1).callsite);
}

bool same_callsites(const VerifierState& a, const VerifierState& b) {
    if (a.curframe != b.curframe) return false;
    for (uint32_t i = 0; i <= a.curframe; ++i)
        if (a.frame(i).callsite != b.frame(i).callsite) return false;
    return true;
}

bool states_equal(Analysis& a, const VerifierState& old, const VerifierState& current,
                  Exactness exactness) {
    if (old.curframe != current.curframe) return false;
    // What a mispredicted branch may do says nothing of what a real one does.
    if (old.speculative && !current.speculative) return false;
    if (old.in_sleepable != current.in_sleepable) return false;
    IdMap ids(a.id_gen);
    if (!refs_covered(old, current, ids)) return false;
    for (uint32_t i = 0; i <= old.curframe; ++i) {
        if (old.frame(i).callsite != current.frame(i).callsite) return false;
        if (!frame_covered(a, old.frame(i), current.frame(i), frame_insn(old, i), ids, exactness))
            return false;
    }
    return true;
}

namespace {

/// A quick look whether two states can be the same, before ids are mapped.
bool maybe_looping(const VerifierState& old, const VerifierState& current) {
    if (old.curframe != current.curframe) return false;
    for (size_t i = 0; i < kRegs; ++i) {
        const RegState &a = old.cur().regs[i], &b = current.cur().regs[i];
        if (!same_target(a, b) || a.value != b.value || a.id != b.id ||
            a.ref_obj_id != b.ref_obj_id)
            return false;
    }
    return true;
}

/// An iterator made a step in between: it ends at some time, so this is no endless loop.
bool iterator_depths_differ(const VerifierState& old, const VerifierState& current) {
    for (uint32_t f = 0; f <= old.curframe; ++f) {
        const std::vector<StackSlot>& stack = old.frame(f).stack;
        for (size_t i = 0; i < stack.size(); ++i) {
            if (stack[i].bytes[0] != SlotType::Iter || stack[i].spilled->iter != IterState::Active)
                continue;
            if (current.frame(f).stack[i].spilled->iter_depth != stack[i].spilled->iter_depth)
                return true;
        }
    }
    return false;
}

bool iterator_is_active(const VerifierState& state) {
    const RegState& r1 = state.reg(1);
    const int slot = slot_index(r1.off + int(r1.value.bits.value));
    return state.frame(r1.frameno).stack[size_t(slot)].spilled->iter == IterState::Active;
}

bool is_may_goto(const isa::Insn& insn) {
    return insn.opcode == (isa::kJmp | isa::kJcond);
}

}  // namespace

Explored*& Explorer::bucket(uint32_t insn) {
    const auto callsite = uint32_t(current_.cur().callsite);
    return buckets_[(insn ^ callsite) % buckets_.size()];
}

/// Forgets what nobody reads any more, so that states differ only in what matters.
void Explorer::clean(VerifierState& state) {
    state.cleaned = true;
    a_.liveness->ask(state);
    for (uint32_t f = 0; f <= state.curframe; ++f) {
        const uint16_t live = a_.aux[frame_insn(state, f)].live_regs_before;
        // Frames that stay as they are stay shared.
        for (size_t r = 0; r < kRegs; ++r)
            if (!(live >> r & 1) && state.frame(f).regs[r].type != kNotInit)
                state.frame_mut(f).regs[r].clear();
        for (size_t s = 0; s < state.frame(f).stack.size(); ++s)
            if (!state.frame(f).stack[s].is_invalid() && !a_.liveness->alive(f, int(s)))
                state.frame_mut(f).stack[s].clear();
    }
}

void Explorer::clean_done_states(uint32_t insn) {
    for (Explored* old = bucket(insn); old; old = old->next) {
        VerifierState& state = old->state;
        if (state.branches || state.cleaned || state.insn_idx != insn ||
            !same_callsites(state, current_) || is_incomplete(state))
            continue;
        clean(state);
    }
}

bool Explorer::propagate_precision(const VerifierState& old, VerifierState& current,
                                   bool* changed) {
    Wanted wanted(old.curframe);
    for (uint32_t f = 0; f <= old.curframe; ++f) {
        for (int r = 0; r + 1 < kRegs; ++r) {
            const RegState& reg = old.frame(f).regs[size_t(r)];
            if (reg.type == kScalar && reg.precise) wanted.regs[f] |= uint16_t(1 << r);
        }
        for (size_t s = 0; s < old.frame(f).stack.size(); ++s) {
            const StackSlot& slot = old.frame(f).stack[s];
            if (slot.is_spilled_scalar() && slot.spilled->precise)
                wanted.slots[f] |= uint64_t{1} << s;
        }
    }
    return mark_precise(a_, current, wanted, changed);
}

Explorer::Visited Explorer::covered(Explored& old, bool in_loop) {
    ++old.hits;
    // What mattered there matters on the way here too.
    if (a_.aux[a_.insn_index].jmp_point) a_.push_history(0);
    if (!propagate_precision(old.state, current_, nullptr)) return Visited::Refused;
    if (in_loop) add_back_edge(a_.insn_index, old.state);
    if (old.state.branches) is_bounded = false;
    current_.longest_after = old.state.longest_after;
    return Visited::Yes;
}

Explorer::Visited Explorer::visit(uint32_t insn) {
    const InsnAux& aux = a_.aux[insn];
    const bool force =
        a_.options.test_state_freq || aux.force_checkpoint || current_.history.size() > 40;
    const uint64_t new_jumps = jumps - last_kept_jumps_,
                   new_insns = a_.insn_processed - last_kept_insns_;
    bool keep = force || (new_jumps >= 2 && new_insns >= 8);
    clean_done_states(insn);
    uint32_t count = 0;
    for (Explored** link = &bucket(insn); *link;) {
        Explored& old = **link;
        ++count;
        if (old.state.insn_idx != insn) {
            link = &old.next;
            continue;
        }
        bool compare = true;
        if (old.state.branches) {
            compare = false;
            bool skip_loop_check = false;
            const FuncState& frame = old.state.cur();
            if (frame.in_async_callback_fn &&
                frame.async_entry_cnt != current_.cur().async_entry_cnt) {
                skip_loop_check = true;
            } else if (aux.is_iter_next) {
                if (states_equal(a_, old.state, current_, Exactness::RangeWithin) &&
                    iterator_is_active(current_))
                    return covered(old, true);
                skip_loop_check = true;
            } else if (is_may_goto(a_.insns[insn]) &&
                       old.state.may_goto_depth != current_.may_goto_depth &&
                       states_equal(a_, old.state, current_, Exactness::RangeWithin)) {
                return covered(old, true);
            } else if (aux.calls_callback) {
                if (states_equal(a_, old.state, current_, Exactness::RangeWithin))
                    return covered(old, a_.rules.loops_of_callbacks);
                skip_loop_check = true;
            }
            if (!skip_loop_check && maybe_looping(old.state, current_) &&
                states_equal(a_, old.state, current_, Exactness::Exact) &&
                !iterator_depths_differ(old.state, current_) &&
                old.state.may_goto_depth == current_.may_goto_depth &&
                old.state.callback_unroll_depth == current_.callback_unroll_depth) {
                a_.refuse(Rule::InfiniteLoop, "infinite loop detected at insn {}", insn);
                return Visited::Refused;
            }
            // Rounds of a loop differ; keeping each would help nobody.
            if (!force && new_jumps < 20 && new_insns < 100) keep = false;
        }
        if (compare) {
            const bool incomplete = is_incomplete(old.state);
            if (states_equal(a_, old.state, current_,
                             incomplete ? Exactness::RangeWithin : Exactness::NotExact))
                return covered(old, incomplete);
        }
        if (keep) ++old.misses;
        const uint32_t patience = aux.force_checkpoint && old.state.branches ? 64 : 3;
        if (old.misses > old.hits * patience + patience)
            retire(*link);
        else
            link = &old.next;
    }
    max_states_per_insn = std::max(max_states_per_insn, count);
    constexpr uint32_t kMostUnprivileged = 64;
    if (!a_.privileged && count > kMostUnprivileged) return Visited::No;
    if (!keep) return Visited::No;
    return keep_state(insn, force) ? Visited::No : Visited::Refused;
}

bool Explorer::keep_state(uint32_t insn, bool) {
    ++total_states;
    ++kept_;
    ++a_.aux[insn].states;
    update_peak();
    last_kept_jumps_ = jumps;
    last_kept_insns_ = a_.insn_processed;
    // What mattered on the way here is known to the states before.
    if (a_.privileged) mark_all_scalars_imprecise(current_);
    Explored* explored = take_explored();
    explored->state = current_;
    explored->state.insn_idx = insn;
    maybe_enter_loop(explored->state);
    current_.parent = &explored->state;
    current_.first_insn_idx = insn;
    current_.dfs_depth = explored->state.dfs_depth + 1;
    current_.history.clear();
    current_.insns_since_parent = 0;
    Explored*& head = bucket(insn);
    explored->next = head;
    head = explored;
    return true;
}

void Explorer::update_peak() {
    peak_states = std::max<uint64_t>(peak_states, kept_ + retired_.size() + back_edges_);
}

Explored* Explorer::take_explored() {
    if (spare_explored_.empty()) {
        a_.memory.bytes += sizeof(Explored);
        return &explored_.emplace_back();
    }
    Explored* explored = spare_explored_.back();
    spare_explored_.pop_back();
    *explored = Explored{};
    return explored;
}

void Explorer::give_back(Explored* explored) {
    explored->state = VerifierState{};
    spare_explored_.push_back(explored);
}

/// Takes a state out of the list: it misses too often. It may still be somebody's parent.
void Explorer::retire(Explored*& link) {
    Explored* old = link;
    link = old->next;
    old->retired = true;
    --kept_;
    if (old->state.branches == 0 && !is_incomplete(old->state))
        give_back(old);
    else
        retired_.push_back(old);
}

/// The path that came from `state` has ended; so have, perhaps, all from the states before it.
bool Explorer::path_done(VerifierState* state) {
    Explored* previous = nullptr;
    while (state) {
        if (--state->branches) break;
        if (!maybe_exit_loop(*state)) return false;
        VerifierState* parent = state->parent;
        uint64_t& longest = parent ? parent->longest_after : longest_path;
        longest = std::max(longest, state->insns_since_parent + state->longest_after);
        if (previous && previous->retired && !is_incomplete(previous->state)) {
            std::erase(retired_, previous);
            give_back(previous);
        }
        previous = parent ? reinterpret_cast<Explored*>(parent) : nullptr;
        state = parent;
    }
    return true;
}

VerifierState* Explorer::find_prev_entry(VerifierState* from, uint32_t insn) {
    for (Explored* old = buckets_[(insn ^ uint32_t(from->cur().callsite)) % buckets_.size()]; old;
         old = old->next) {
        VerifierState& state = old->state;
        if (state.insn_idx == insn && state.branches && same_callsites(state, *from) &&
            state.dfs_depth < from->dfs_depth)
            return &state;
    }
    return nullptr;
}

bool Analysis::widen_imprecise_scalars(VerifierState& old, VerifierState& current) {
    IdMap ids(id_gen);
    const auto widens = [&](const RegState& a, const RegState& b) {
        return a.type == kScalar && b.type == kScalar && !a.precise && !b.precise &&
               !regs_exact(a, b, ids);
    };
    for (uint32_t f = old.curframe + 1; f-- > 0;) {
        for (size_t r = 0; r < kRegs; ++r)
            if (widens(old.frame(f).regs[r], current.frame(f).regs[r]))
                current.frame_mut(f).regs[r].set_unknown(!privileged);
        const size_t slots = std::min(old.frame(f).stack.size(), current.frame(f).stack.size());
        for (size_t s = 0; s < slots; ++s) {
            const StackSlot &a = old.frame(f).stack[s], &b = current.frame(f).stack[s];
            if (a.is_spilled_reg() && b.is_spilled_reg() && widens(*a.spilled, *b.spilled))
                current.frame_mut(f).stack[s].spilled.write().set_unknown(!privileged);
        }
    }
    return true;
}

}  // namespace skep::verifier
