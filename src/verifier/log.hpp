// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/analysis.hpp"

// The log as the kernel writes it at log level 2, line by line as paths are followed. Only called
// where Analysis::logging is set.

namespace skep::verifier {

/// The changed part of the state (behind the instruction before), then the instruction.
void log_insn(Analysis& a, uint32_t index);
/// "from 3 to 7: R0=..." at the start of a path that was left for later.
void log_from(Analysis& a);
/// The path is covered by one that was followed before.
void log_safe(Analysis& a, bool at_start);
void log_call(Analysis& a);
void log_return(Analysis& a);
/// "processed 12 insns (limit 1000000) ..."
void log_summary(Analysis& a, uint32_t max_states_per_insn, uint64_t total, uint64_t peak);

/// A register's value: "scalar(umax=255)", "map_value(map=counts,ks=4,vs=8)".
std::string describe(const Analysis& a, const RegState& reg);

}  // namespace skep::verifier
