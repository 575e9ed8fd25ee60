// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace skep::engine {
class Prog;
}

// Better code for programs that run often (Jit::Auto): they start in the baseline, and once they
// are hot a thread of the process's makes the optimising tier's code, which the next run takes.
//
// The thread starts with the first hot program and sleeps when it has nothing to do. What it works
// on is a copy (OptimiserJob), so objects may go meanwhile. A child after fork() has no such thread
// and keeps the code that it has.

namespace skep::engine::jit {

/// When a program is hot: after so many runs, where one of kWorkOfRun instructions counts as two.
/// That is a few milliseconds, and code takes LLVM about ten to make. How long a run is is what the
/// verifier knows of the longest path or, where there is no bound, what is used of the budget.
inline constexpr int64_t kRunsUntilHot = 20'000;
inline constexpr int64_t kWorkOfRun = 256;

/// A program that has become hot; once.
void make_better(const Prog& prog);

/// Returns when all that was asked for so far has been done: for tests and benchmarks.
void wait_for_better();

}  // namespace skep::engine::jit
