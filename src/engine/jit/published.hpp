// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "base/result.hpp"

namespace skep::engine {
class Prog;
}

namespace skep::engine::jit {

class NativeCode;
class GdbEntry;

// Machine code as the tools people use see it. Which, says the environment variable
// SKEP_JIT_SYMBOLS, when the first program is compiled: a list with commas of
//
//     perf-map   /tmp/perf-PID.map: names for `perf report`, `perf top`, bpftrace
//     jitdump    jit-PID.dump in the current directory: code, names and source lines for
//                `perf record -k mono`, then `perf inject --jit`
//     gdb        GDB's JIT interface: names and source lines for break, backtrace, list
//
// The files are of the process, and grow as programs are loaded; what is unloaded stays in them.
// Thread-safe. A child after fork() writes to none.

/// GDB forgets the code when this goes, so it must go before the code. Empty for the others.
class Published {
  public:
    Published();
    ~Published();
    Published(Published&&) noexcept;
    Published& operator=(Published&&) noexcept;

  private:
    friend Result<Published> publish(const Prog& prog, const NativeCode& code);
    std::unique_ptr<GdbEntry> gdb_;
};

/// Whether somebody looks code up by its address alone, and so has to find it in memory of no file.
bool published_by_address();

/// An Error where the variable has another word, or a file cannot be written.
Result<Published> publish(const Prog& prog, const NativeCode& code);

}  // namespace skep::engine::jit
