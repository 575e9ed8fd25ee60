// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/analysis.hpp"

// Arithmetic instructions: moves, numbers (scalar_alu.hpp), pointers.

namespace skep::verifier {

bool check_alu(Analysis& a, const isa::Insn& insn);

/// `pointer` += or -= `offset` into the destination of `insn` (pointer_alu.cpp).
bool adjust_pointer(Analysis& a, const isa::Insn& insn, const RegState& pointer,
                    const RegState& offset);

/// Bounds that contradict each other come from branches that cannot happen: nothing is known then.
bool check_bounds_sanity(Analysis& a, RegState& reg, const char* what);

// What unprivileged programs need against speculative execution (speculation.cpp).
enum class AluRefusal : uint8_t { None, Bounds, Type, Paths, Limit, Stack };
struct AluSanitation {
    uint8_t state = 0;
    uint32_t limit = 0;
    bool mask_to_left = false;
};
AluRefusal sanitize_scalar_alu(Analysis& a, const isa::Insn& insn);
AluRefusal sanitize_pointer_alu(Analysis& a, const isa::Insn& insn, const RegState& pointer,
                                const RegState& offset, bool pointer_is_dst, AluSanitation& info,
                                bool commit);
bool refuse_alu(Analysis& a, const isa::Insn& insn, AluRefusal reason, bool offset_is_dst);
/// The path that a mispredicted branch would take, with what was compared unknown.
bool push_speculative_path(Analysis& a, const isa::Insn* insn, uint32_t next, uint32_t current);

}  // namespace skep::verifier
