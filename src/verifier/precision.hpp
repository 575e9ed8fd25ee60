// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/analysis.hpp"

// Which numbers matter. A number whose value never decided anything need not be compared when two
// states are (pruning): most programs have few that do, and most paths join because of it. When a
// value does decide something (a pointer's offset, a branch, a size), the way that it came is
// followed backwards, instruction by instruction, and the registers and slots that it came through
// are marked as precise in the states kept on the way.

namespace skep::verifier {

/// Registers and stack slots, of each frame, whose values matter before some instruction.
struct Wanted {
    std::array<uint16_t, isa::kMaxFrames> regs{};
    std::array<uint64_t, isa::kMaxFrames> slots{};
    uint32_t frame = 0;

    explicit Wanted(uint32_t current) : frame(current) {}
    bool empty() const {
        for (uint32_t i = 0; i <= frame; ++i)
            if (regs[i] | slots[i]) return false;
        return true;
    }
    bool has(int reg) const { return regs[frame] >> reg & 1; }
    void add(int reg) { regs[frame] |= uint16_t(1 << reg); }
    void remove(int reg) { regs[frame] &= uint16_t(~(1 << reg)); }
};

/// Marks what `wanted` (at the current instruction of `start`, or before it where `at_start`) came
/// from, in the states that were kept before. `changed` (may be null) is set where a mark is new.
bool mark_precise(Analysis& a, VerifierState& start, Wanted wanted, bool* changed);

void mark_all_scalars_precise(VerifierState& from);
void mark_all_scalars_imprecise(VerifierState& state);

}  // namespace skep::verifier
