// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/state.hpp"

// Copies of one number: what a branch tells of one is true of all (up to six of them).

namespace skep::verifier {

/// Flags in RegState::id of a number that is another one plus RegState::off: as 64-bit addition
/// (kAddConst), or as a 32-bit one that cleared the upper half.
inline constexpr uint32_t kAddConst32 = 1u << 30, kAddConstAny = kAddConst | kAddConst32;

struct LinkedReg {
    uint8_t frame;
    bool is_reg;
    uint8_t number;  ///< register, or stack slot
};

struct LinkedRegsList {
    static constexpr uint32_t kMost = 6;
    std::array<LinkedReg, kMost> regs;
    uint32_t count = 0;

    LinkedRegs pack() const;
    static LinkedRegsList unpack(LinkedRegs packed);
};

/// Adds the numbers that have this id; those beyond six lose it.
void collect_linked_regs(VerifierState& state, uint32_t id, LinkedRegsList& linked);

/// Register `known` of the current frame was refined: so are those linked with it.
void sync_linked_regs(VerifierState& state, int known, const LinkedRegsList& linked);

}  // namespace skep::verifier
