// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "engine/jit/native_code.hpp"
#include "engine/jit/optimiser.hpp"

// The optimising tier: the module is loaded, given the program as plain data, and what comes back
// is linked.
//
//     auto code = optimise(prog);     // an Error: no module, or it cannot do this one
//
// The module is libskep-optimiser.so: where SKEP_OPTIMISER says, or beside what this code is in (a
// build), or in the directory `skep` of the installed libraries. It brings LLVM with it, so it is
// not even looked for until it is wanted.

namespace skep::engine::jit {

/// Whether there is one; loads it. An Error says which file is missing, and what to do.
Result<Optimise*> optimiser();

/// A program as the module wants it: all that it needs is in here.
class OptimiserJob {
  public:
    explicit OptimiserJob(const Prog& prog);
    /// Takes milliseconds. Any thread.
    Result<std::unique_ptr<const NativeCode>> compile() const;

  private:
    const Op* base_;
    std::vector<Op> ops_;
    std::vector<uint64_t> calls_;
    std::vector<uint8_t> regions_;
    std::vector<ArrayLookup> lookups_;
};

inline Result<std::unique_ptr<const NativeCode>> optimise(const Prog& prog) {
    return OptimiserJob(prog).compile();
}

}  // namespace skep::engine::jit
