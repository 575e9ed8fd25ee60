// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/result.hpp"
#include "object/spec.hpp"

struct bpf_object;
struct bpf_program;

// A program that the kernel has verified and loaded.
//
//     const kernel::Prog prog = SKEP_TRY(object.prog("goodbye_ping"));
//     const TestRunResult run = SKEP_TRY(prog.test_run({.data = packet}));
//     if (run.retval == XDP_DROP) ...
//
// It is used to attach (kernel/attach.hpp). Copies share one descriptor; the program lives until
// the last of them, of its links and of its pins is gone.

namespace skep::kernel {

/// What BPF_PROG_TEST_RUN gets. Which of it a program may have depends on its type: packets for
/// skb and XDP programs, ctx for those that also take their context struct, ctx alone for syscall
/// and raw tracepoint programs.
struct TestRun {
    ByteView data = {};
    ByteView ctx = {};
    uint32_t repeat = 1;
    uint32_t flags = 0;    ///< BPF_F_TEST_*
    uint32_t cpu = 0;      ///< with BPF_F_TEST_RUN_ON_CPU
    size_t data_room = 0;  ///< for what comes out, beyond what went in (default: 256)
};

struct TestRunResult {
    uint32_t retval = 0;
    uint32_t duration = 0;  ///< ns, mean over all repetitions
    Bytes data = {};
    Bytes ctx = {};
};

/// What the kernel counts while statistics are on (enable_stats() of bpf.hpp).
struct ProgStats {
    uint64_t run_time_ns = 0;
    uint64_t run_count = 0;
    /// Runs that did not happen, because the program was already running on that CPU.
    uint64_t recursion_misses = 0;
    uint64_t verified_insns = 0;
};

class Prog {
  public:
    static Result<Prog> from_fd(UniqueFd fd);
    static Result<Prog> open_pinned(const std::string& path);
    static Result<Prog> open_id(uint32_t id);

    int fd() const { return fd_; }
    uint32_t id() const { return id_; }
    const std::string& name() const { return name_; }
    ProgType type() const { return type_; }
    AttachType attach_type() const { return attach_type_; }
    /// What its section says: "xdp", "tp/syscalls/sys_enter_execve". Empty where only its
    /// descriptor is known (opened by id or pin).
    const std::string& section() const { return section_; }
    /// What the section names behind its prefix: "syscalls/sys_enter_execve".
    const std::string& attach_target() const { return attach_target_; }

    Result<TestRunResult> test_run(const TestRun& run) const;
    Result<ProgStats> stats() const;
    Result<void> pin(const std::string& path) const;

    /// What keeps libbpf() alive.
    const std::shared_ptr<const void>& owner() const { return owner_; }
    /// libbpf's program, or null where only a descriptor is known: what its own ways to attach
    /// need.
    bpf_program* libbpf() const { return libbpf_; }

  private:
    friend class Object;
    Prog() = default;

    std::shared_ptr<const void> owner_;  ///< libbpf's object, or the descriptor
    bpf_program* libbpf_ = nullptr;
    int fd_ = -1;
    uint32_t id_ = 0;
    std::string name_, section_, attach_target_;
    ProgType type_ = ProgType::Unspec;
    AttachType attach_type_ = AttachType::None;
};

}  // namespace skep::kernel
