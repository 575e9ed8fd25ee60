// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "verifier/state.hpp"

// The path that exploration is on, instruction by instruction, each with the frame as it was before
// it. Kept only where a refusal is to be explained: verify() runs a refused program once more with
// it. Frames are shared with the states (pool.hpp), so an entry costs one frame where the
// instruction wrote a register.

namespace skep::verifier {

struct TraceEntry {
    uint32_t insn;
    uint32_t frame;         ///< depth: 0 is the program's main function
    Cow<FuncState> before;  ///< the frame at that depth
};

class Trace {
  public:
    /// The instruction is about to be executed in this state.
    void record(uint32_t insn, const VerifierState& state) {
        if (entries_.size() < kMaxEntries)
            entries_.push_back({insn, state.curframe, state.frames[state.curframe]});
    }
    /// Another path goes on from where this one was that long.
    void truncate(size_t length) {
        if (length < entries_.size())
            entries_.erase(entries_.begin() + ptrdiff_t(length), entries_.end());
    }
    size_t size() const { return entries_.size(); }
    const std::vector<TraceEntry>& entries() const { return entries_; }
    bool complete() const { return entries_.size() < kMaxEntries; }

  private:
    /// Longer paths are no explanation to anybody.
    static constexpr size_t kMaxEntries = 20'000;
    std::vector<TraceEntry> entries_;
};

}  // namespace skep::verifier
