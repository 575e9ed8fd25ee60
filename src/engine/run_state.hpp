// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace skep::engine {

class Execution;
struct Event;

/// What changes while a program runs, of an Execution: a plain struct, since machine code (jit/)
/// works on it by offset.
struct RunState {
    Execution* execution = nullptr;  ///< that it belongs to
    Event* event = nullptr;
    int64_t budget_left = 0;      ///< below 0: the run has a fault, and ends
    uint64_t native_sp = 0;       ///< where machine code unwinds to after a fault
    uint32_t depth = 0;           ///< frames in use, less one
    uint32_t at = 0;              ///< the instruction that calls a helper
    uint64_t registers[12] = {};  ///< r0 to r10 where machine code asks for help, and a flag
    uint64_t stack_top = 0;       ///< where the first frame begins
    uint32_t cpu = 0;             ///< the execution's slot of per-CPU maps
};

}  // namespace skep::engine
