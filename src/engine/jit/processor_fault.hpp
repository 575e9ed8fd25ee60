// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/run_state.hpp"

// What the processor refuses in machine code (a page that is not there, the end of a file that has
// become shorter) ends the program with a Fault that names the instruction, not the process. The
// verifier has proven where a program may go, but not that whoever gave it that memory has kept it.
//
//     catch_processor_faults();     // when there is machine code
//
// SIGSEGV, SIGBUS, SIGFPE and SIGILL get a handler, once. Where the address is not in the machine
// code of the program that runs on this thread, the handler that was there before has its turn. So
// that of a process that installs its own later, without passing on what is not its own, goes
// first, and ours does nothing.

namespace skep::engine::jit {

/// The run on this thread that is in machine code, or in what that calls; null where none is.
/// (A plain word at a known distance from the thread's pointer: the handler reads it.)
extern __attribute__((tls_model("initial-exec"))) thread_local constinit RunState* running;

void catch_processor_faults();

}  // namespace skep::engine::jit
