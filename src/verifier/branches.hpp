// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/analysis.hpp"

// Conditional jumps: which ways are possible, and what is known on each.

namespace skep::verifier {

/// Goes on with one way (Analysis::insn_index is moved), the other one is left for later.
bool check_conditional_jump(Analysis& a, const isa::Insn& insn);

}  // namespace skep::verifier
