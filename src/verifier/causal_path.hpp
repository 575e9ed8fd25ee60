// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/analysis.hpp"
#include "verifier/trace.hpp"

namespace skep::verifier {

/// How the refusal in `a.refusal` came about: a backward slice of the path in `trace`. It starts at
/// what the refused instruction complains of (a register, a reference, a lock) and keeps what wrote
/// it, what copied it and what compared it, in the order of execution; the last step is the refused
/// instruction itself.
std::vector<Step> causal_path(const Analysis& a, const Trace& trace);

}  // namespace skep::verifier
