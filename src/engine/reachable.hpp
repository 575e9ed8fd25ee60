// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "isa/insn.hpp"

namespace skep::engine {

/// Which instructions of a valid program can be reached, where branches on constants go one way
/// only. Constants are followed through registers along each path (mov, lddw and 64-bit arithmetic
/// with immediates), which is what a CO-RE existence check compiles to. An instruction may be
/// called reachable though it is not, never the other way round.
std::vector<bool> reachable_insns(isa::InsnView insns);

}  // namespace skep::engine
