// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/analysis.hpp"

// What the engine is told of each instruction (verify.hpp: Facts), joined over all visits.

namespace skep::verifier {

/// The current instruction accesses `size` bytes at `off` from where `reg` starts.
void note_access(Analysis& a, const RegState& reg, int off, int size);
/// The current instruction is a call of a helper or kfunc, its arguments are still there.
void note_call(Analysis& a);
/// The registers before the current instruction.
void note_registers(Analysis& a);
/// What follows from the whole run: dead code, branches that go one way.
void finish_facts(Analysis& a, Facts& facts);

}  // namespace skep::verifier
