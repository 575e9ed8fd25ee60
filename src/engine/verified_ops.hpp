// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "engine/ctx_table.hpp"
#include "engine/ops.hpp"
#include "verifier/verify.hpp"

// What the verifier has proven of a program, put into its operations:
//
//     verified program                    becomes
//     access to memory of the program     PlainLoad, PlainStore, ...: nothing to check
//     load of a pointer of the context    LoadEvent: the pointer, where the struct has 32 bits
//     other access to the context         the same plain access (the struct is the engine's own)
//     load through a kernel pointer       ProbeLoad: 0 where nothing is there
//     call of a helper                    PlainCallHelper: arguments are right
//     dead code                           Invalid
//
// All else stays checked. A compiler that takes these operations needs no other input: each of them
// is right as it stands, whatever the facts were.

namespace skep::engine {

/// Only what changes the meaning: loads through kernel pointers. For verified programs that run
/// checked nevertheless.
void rewrite_probes(std::vector<Op>& ops, const verifier::Verdict& verdict);

/// All of it. Returns how many bytes of context an event must have.
uint32_t rewrite_verified(std::vector<Op>& ops, const verifier::Verdict& verdict,
                          const CtxTable& ctx);

}  // namespace skep::engine
