// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "skep/link.hpp"
#include "skep/result.hpp"
#include "skep/types.hpp"

// A loaded program, and what can be done with it: attach it, run it once, ask how it fares.
//
//     skep::Program drop = SKEP_TRY(object.program("goodbye_ping"));
//     skep::TestResult once = SKEP_TRY(drop.test_run({.data = packet}));      // once.retval
//     skep::Link link = SKEP_TRY(drop.attach({.interface = "eth0"}));         // until `link` goes
//
// A Program is a handle: copies are the same program, which lives as long as any handle, link or
// prog array has it. Thread-safety: any number of threads.

namespace skep {

namespace runtime {
class ProgramBackend;
}

/// What a test run gets: the packet and context that the kernel's BPF_PROG_TEST_RUN takes, which
/// depends on the program's type. Packets start at the Ethernet header.
struct TestRun {
    std::span<const uint8_t> data = {};
    std::span<const uint8_t> ctx = {};  ///< xdp_md, __sk_buff, arguments, or a syscall's own struct
    uint32_t repeat = 1;                ///< runs, each on the same input; `ns` is their mean
};

struct TestResult {
    uint64_t retval = 0;             ///< 32 bits, but of syscall programs in this process
    std::vector<uint8_t> data = {};  ///< the packet as the program has left it
    std::vector<uint8_t> ctx = {};   ///< the context as the program has left it
    uint64_t ns = 0;                 ///< of one run
};

/// How a program has fared since it was loaded.
struct ProgramStats {
    uint64_t runs = 0;
    uint64_t ns = 0;      ///< in all runs; 0 unless Runtime::enable_stats() is on
    uint64_t misses = 0;  ///< times it could not run: recursion (kernel), stopped by a fault (here)
};

class Program {
  public:
    const std::string& name() const;
    const std::string& section() const;
    ProgType type() const;
    uint32_t id() const;
    /// The verifier has accepted it: the kernel's for the kernel, skep's for this process. False
    /// for one that runs checked (Verify::Checked).
    bool verified() const;
    /// It runs as machine code. In the kernel: its JIT was on when the program was loaded
    /// (net.core.bpf_jit_enable), and knew all of its instructions.
    bool native() const;

    /// Runs it here and now, without an event. Unsupported where programs of its type have no test
    /// run; the message says so. In the embedded runtime a program that is stopped is an Error with
    /// code Failed whose message is the fault.
    Result<TestResult> test_run(const TestRun& run);

    Result<ProgramStats> stats() const;

    /// Where the section says, completed by `options`. The link owns the attachment.
    Result<Link> attach(const AttachOptions& options = {});

    explicit Program(std::shared_ptr<runtime::ProgramBackend> backend)
        : backend_(std::move(backend)) {}
    const std::shared_ptr<runtime::ProgramBackend>& backend() const { return backend_; }

  private:
    std::shared_ptr<runtime::ProgramBackend> backend_;
};

}  // namespace skep
