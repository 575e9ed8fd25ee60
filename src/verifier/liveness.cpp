// SPDX-License-Identifier: Apache-2.0
#include "verifier/liveness.hpp"

#include "verifier/cfg.hpp"

namespace skep::verifier {

size_t StackLiveness::ChainHash::operator()(const Chain& chain) const {
    size_t hash = chain.depth;
    for (uint32_t i = 0; i <= chain.depth; ++i) hash = (hash ^ chain.insns[i]) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
}

StackLiveness::Instance& StackLiveness::instance(const Chain& chain) {
    std::unique_ptr<Instance>& slot = instances_[chain];
    if (!slot) {
        slot = std::make_unique<Instance>();
        slot->chain = chain;
        slot->subprog = &a_.subprog_at(chain.insns[chain.depth]);
        slot->visited.resize(slot->subprog->end - slot->subprog->start);
    }
    return *slot;
}

StackLiveness::Chain StackLiveness::chain_of(const VerifierState& state, uint32_t frame) const {
    Chain chain;
    chain.depth = frame;
    for (uint32_t i = 0; i < frame; ++i) chain.insns[i] = uint32_t(state.frame(i + 1).callsite);
    chain.insns[frame] = a_.subprogs[state.frame(frame).subprog].start;
    return chain;
}

StackLiveness::Instance& StackLiveness::current() {
    if (!current_) current_ = &instance(chain_of(*a_.state, a_.state->curframe));
    return *current_;
}

void StackLiveness::begin(uint32_t insn) {
    insn_ = insn;
    const uint32_t depth = current().chain.depth;
    for (uint32_t i = 0; i <= depth; ++i) written_[i] = 0;
}

void StackLiveness::note_read(Instance& instance, uint32_t frame, uint32_t insn, uint64_t slots) {
    Masks& masks = instance.masks_for_update(frame, insn);
    const uint64_t reads = masks.may_read | slots;
    if (reads != masks.may_read && (reads | masks.live_before) != masks.live_before)
        instance.updated = true;
    masks.may_read = reads;
}

void StackLiveness::mark_read(uint32_t frame, int slot) {
    note_read(current(), frame, insn_, uint64_t{1} << slot);
}

void StackLiveness::note_writes(Instance& instance, uint32_t insn,
                                const std::array<uint64_t, isa::kMaxFrames>& slots) {
    const uint32_t index = insn - instance.subprog->start;
    for (uint32_t frame = 0; frame <= instance.chain.depth; ++frame) {
        uint64_t mask = slots[frame];
        if (mask == 0 && !instance.visited[index]) continue;
        if (mask == 0 && instance.frames[frame].empty()) continue;
        Masks& masks = instance.masks_for_update(frame, insn);
        const uint64_t before = masks.must_write;
        if (instance.visited[index]) mask &= before;
        if (mask != before) {
            masks.must_write = mask;
            instance.updated = true;
        }
        if (before & ~mask) instance.writes_dropped = true;
    }
    instance.visited[index] = true;
}

void StackLiveness::commit() {
    // A call has made another chain the current one: what it did belongs to the caller's.
    if (current_) note_writes(*current_, insn_, written_);
}

bool StackLiveness::spread(Instance& instance, uint32_t frame, uint32_t insn) {
    const Successors next = successors(a_, insn);
    if (next.count == 0) return false;
    Masks& masks = *instance.masks(frame, insn);
    uint64_t after = 0, written_later = UINT64_MAX;
    for (const uint32_t successor : next) {
        const Masks& its = *instance.masks(frame, successor);
        after |= its.live_before;
        written_later &= its.must_write_later;
    }
    written_later |= masks.must_write;
    const uint64_t before = (after & ~masks.must_write) | masks.may_read;
    const bool changed = before != masks.live_before || written_later != masks.must_write_later;
    masks.live_before = before;
    masks.must_write_later = written_later;
    return changed;
}

void StackLiveness::spread_all(Instance& instance) {
    if (instance.writes_dropped) {
        for (std::vector<Masks>& frame : instance.frames)
            for (Masks& masks : frame) masks.must_write_later = 0;
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t frame = 0; frame <= instance.chain.depth; ++frame) {
            if (instance.frames[frame].empty()) continue;
            for (const uint32_t insn : instance.subprog->postorder)
                changed |= spread(instance, frame, insn);
        }
    }
    if (instance.chain.depth > 0) pass_to_caller(instance);
}

void StackLiveness::pass_to_caller(Instance& inner) {
    Chain chain = inner.chain;
    const uint32_t call = chain.insns[chain.depth - 1];
    chain.insns[chain.depth] = 0;
    --chain.depth;
    chain.insns[chain.depth] = a_.subprog_at(call).start;
    Instance& outer = instance(chain);
    std::array<uint64_t, isa::kMaxFrames> written{};
    for (uint32_t frame = 0; frame <= chain.depth; ++frame) {
        const Masks* start = inner.masks(frame, inner.subprog->start);
        if (!start) continue;
        written[frame] = start->must_write_later;
        note_read(outer, frame, call, start->live_before);
    }
    note_writes(outer, call, written);
}

void StackLiveness::update(const VerifierState& state) {
    chain_changed();
    for (uint32_t frame = state.curframe + 1; frame-- > 0;) {
        Instance& its = instance(chain_of(state, frame));
        if (!its.updated) continue;
        spread_all(its);
        its.updated = its.writes_dropped = false;
    }
}

void StackLiveness::ask(const VerifierState& state) {
    asked_depth_ = state.curframe;
    asked_insn_ = state.insn_idx;
    for (uint32_t frame = 0; frame <= state.curframe; ++frame)
        asked_[frame] = &instance(chain_of(state, frame));
}

bool StackLiveness::alive(uint32_t frame, int slot) const {
    const auto live_before = [&](Instance* its, uint32_t insn) {
        const Masks* masks = its->masks(frame, insn);
        return masks && (masks->live_before >> slot & 1);
    };
    Instance* top = asked_[asked_depth_];
    if (live_before(top, asked_insn_)) return true;
    for (uint32_t i = frame; i < asked_depth_; ++i) {
        const uint32_t call = top->chain.insns[i];
        // A callback may run again: what the call itself reads is still to come.
        if (live_before(asked_[i], a_.aux[call].calls_callback ? call : call + 1)) return true;
    }
    return false;
}

}  // namespace skep::verifier
