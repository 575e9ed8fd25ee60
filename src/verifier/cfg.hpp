// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "isa/opcode.hpp"
#include "verifier/analysis.hpp"

// What the code alone says, before any path is followed: functions, jumps, loops, which registers
// are read later. Each is one pass over the instructions and fills Analysis::aux and ::subprogs.

namespace skep::verifier {

/// Up to two instructions that may follow one inside its function.
struct Successors {
    std::array<uint32_t, 2> insns{};
    uint32_t count = 0;
    const uint32_t* begin() const { return insns.data(); }
    const uint32_t* end() const { return insns.data() + count; }
};
Successors successors(const Analysis& a, uint32_t insn);

/// Opcodes exist, wide instructions are whole, lddw refers to what there is.
bool check_instructions(Analysis& a);
/// Where functions start; calls and callbacks lead to such places.
bool find_subprogs(Analysis& a);
/// Jumps stay inside their function, functions end.
bool check_subprogs(Analysis& a);
/// Every instruction can be reached; marks the places where states are kept.
bool check_cfg(Analysis& a);
/// Orders each function's instructions successors first (SubprogInfo::postorder).
void compute_postorder(Analysis& a);
/// InsnAux::scc: which instructions are in loops together.
void compute_loops(Analysis& a);
/// InsnAux::live_regs_before.
void compute_live_registers(Analysis& a);

/// The first release whose verifier takes instructions of this form.
platform::KernelVersion insn_since(const isa::OpcodeInfo& form);

}  // namespace skep::verifier
