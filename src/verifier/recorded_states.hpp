// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <span>
#include <vector>

#include "verifier/state.hpp"

// All states that exploration was in before each instruction (Options::states), for tests of the
// verifier itself: while a program runs, its registers must be inside at least one of those
// recorded where it is. This is so of registers that are live, and with Options::exact_numbers,
// without which pruned paths may have other numbers where these never mattered.
//
//     for (const KnownState& state : verdict.states->at(insn))
//         if (state.is_live(3) && state.regs[3].value.contains(r3)) ...

namespace skep::verifier {

/// The part of a RegState that can be compared with a value at run time; it outlives the run of the
/// verifier.
struct KnownRegister {
    RegType type = kNotInit;
    int32_t off = 0;
    Scalar value;
    uint32_t map = UINT32_MAX;  ///< index; of inner maps that of the outer one
    bool is_inner_map = false;
    uint8_t frameno = 0;
    int32_t packet_range = 0;
};

struct KnownState {
    uint32_t frame = 0;  ///< how deep it is in calls from where verification started
    uint16_t live = 0;
    std::array<KnownRegister, kRegs> regs;

    bool is_live(size_t reg) const { return live >> reg & 1; }
};

class RecordedStates {
  public:
    explicit RecordedStates(size_t insns) : states_(insns) {}

    /// The instruction is about to be executed in this state, with these registers live.
    void record(uint32_t insn, const VerifierState& state, uint16_t live);

    std::span<const KnownState> at(uint32_t insn) const { return states_[insn]; }
    /// False where there were too many to keep: nothing can be said then.
    bool complete() const { return count_ < kMost; }

  private:
    static constexpr size_t kMost = 100'000;  // 1 KB each

    std::vector<std::vector<KnownState>> states_;
    size_t count_ = 0;
};

}  // namespace skep::verifier
