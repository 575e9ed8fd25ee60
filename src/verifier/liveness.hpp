// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "verifier/analysis.hpp"

// Which stack slots may still be read. Two states that differ only in slots that nobody reads any
// more are the same, so the answer decides how many paths there are (Linux 6.18: liveness.c).
//
// While paths are followed, every instruction notes, for its chain of calls, which slots of which
// frame it may read (over all visits: a union) and which it surely overwrites (an intersection).
// update() then spreads this backwards over the function's code, and from callees to the calls:
//
//     liveness.begin(insn);  ... mark_read(frame, slot); mark_write(frame, slot); ...
//     liveness.commit();
//     liveness.update(state);                    // when a path or a function has ended
//     liveness.ask(old_state);
//     if (!liveness.alive(frame, slot)) forget(slot);

namespace skep::verifier {

class StackLiveness {
  public:
    explicit StackLiveness(Analysis& a) : a_(a) {}

    void begin(uint32_t insn);
    void mark_read(uint32_t frame, int slot);
    void mark_write(uint32_t frame, int slot) { written_[frame] |= uint64_t{1} << slot; }
    void commit();
    /// The current state is in another chain of calls from now on.
    void chain_changed() { current_ = nullptr; }

    /// Everything noted so far about the functions that are active in `state` becomes answers.
    void update(const VerifierState& state);

    void ask(const VerifierState& state);
    bool alive(uint32_t frame, int slot) const;

  private:
    struct Masks {
        uint64_t may_read = 0;
        uint64_t must_write = 0;
        uint64_t must_write_later = 0;  // by this instruction or what follows it in the function
        uint64_t live_before = 0;
    };
    /// The calls that lead to a function, and where it starts.
    struct Chain {
        std::array<uint32_t, isa::kMaxFrames> insns{};
        uint32_t depth = 0;
        bool operator==(const Chain&) const = default;
    };
    struct ChainHash {
        size_t operator()(const Chain& chain) const;
    };
    /// A function in one chain of calls.
    struct Instance {
        Chain chain;
        const SubprogInfo* subprog = nullptr;
        std::array<std::vector<Masks>, isa::kMaxFrames> frames;
        std::vector<bool> visited;
        bool updated = false;
        bool writes_dropped = false;

        Masks* masks(uint32_t frame, uint32_t insn) {
            return frames[frame].empty() ? nullptr : &frames[frame][insn - subprog->start];
        }
        Masks& masks_for_update(uint32_t frame, uint32_t insn) {
            if (frames[frame].empty()) frames[frame].resize(subprog->end - subprog->start);
            return frames[frame][insn - subprog->start];
        }
    };

    Instance& instance(const Chain& chain);
    Chain chain_of(const VerifierState& state, uint32_t frame) const;
    Instance& current();
    void note_read(Instance& instance, uint32_t frame, uint32_t insn, uint64_t slots);
    void note_writes(Instance& instance, uint32_t insn,
                     const std::array<uint64_t, isa::kMaxFrames>& slots);
    bool spread(Instance& instance, uint32_t frame, uint32_t insn);
    void spread_all(Instance& instance);
    void pass_to_caller(Instance& instance);

    Analysis& a_;
    std::unordered_map<Chain, std::unique_ptr<Instance>, ChainHash> instances_;
    Instance* current_ = nullptr;
    std::array<uint64_t, isa::kMaxFrames> written_{};
    uint32_t insn_ = 0;
    std::array<Instance*, isa::kMaxFrames> asked_{};
    uint32_t asked_depth_ = 0;
    uint32_t asked_insn_ = 0;
};

}  // namespace skep::verifier
