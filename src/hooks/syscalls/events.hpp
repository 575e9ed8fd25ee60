// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <variant>

#include "platform/embedded_types.h"

// What happens in a watched process tree, in the terms of the kernel's tracepoints, and the choice
// of what to be told. The facts are those that the programs' contexts are made of; where a
// tracepoint's record has a field, the event has it under the same name:
//
//     Wanted wanted;
//     wanted.enter.add(SYS_openat);     // tracepoint/syscalls/sys_enter_openat
//     wanted.exit.add_all();            // raw_tp/sys_exit
//     wanted.exec = true;               // tracepoint/sched/sched_process_exec
//
// An event and what it points to are valid during the callback only. Thread ids are those of skep's
// own pid namespace. Sources: include/trace/events/{syscalls,sched}.h and
// arch/x86/include/uapi/asm/ptrace.h of Linux 6.12 (identical in 6.18 but for group_dead of
// sched_process_exit, which is new there).

namespace skep::hooks {

/// Which table a system call's number indexes. The kernel's tracepoint/syscalls/* ignore all but
/// Native; raw_syscalls/* and raw_tp/* see every one. An x32 number still has bit 30 set.
enum class Abi : uint8_t { Native, X32, I386 };

/// A user's registers during a system call, as the kernel keeps them.
using Registers = platform::embedded::pt_regs;

/// A call is about to run. `registers` is complete under ptrace; a seccomp notification carries no
/// sp, bp, bx, r12 to r15, and those are 0.
struct SysEnter {
    int64_t nr;
    std::array<uint64_t, 6> args;
    Abi abi;
    const Registers* registers;
};

/// A call has run, in this task or (for the child of a clone) in the one that it was copied from.
struct SysExit {
    int64_t nr;
    int64_t ret;
    Abi abi;
    const Registers* registers;
};

/// A process or thread was made; the task of the event is its parent.
struct Fork {
    pid_t parent_pid;
    pid_t child_pid;
    std::array<char, 16> parent_comm;
    std::array<char, 16> child_comm;
};

/// execve has replaced the program. `old_pid` differs from `pid` where a thread other than the
/// leader called it and took over the leader's id.
struct Exec {
    std::string_view filename;
    pid_t pid;
    pid_t old_pid;
};

/// A task ends; its memory can still be read. `exit_code` is `task->exit_code`: status << 8 or a
/// signal number. `group_dead`: it was the last thread of its process.
struct TaskExit {
    pid_t pid;
    int32_t prio;  ///< 0 to 139; 120 is nice 0
    int32_t exit_code;
    bool group_dead;
    std::array<char, 16> comm;
};

using TaskEvent = std::variant<SysEnter, SysExit, Fork, Exec, TaskExit>;

/// A set of native system calls, or all of them in every Abi.
class SyscallSet {
  public:
    static constexpr uint32_t kLimit = 1024;  ///< Linux 6.18 ends at 470

    /// False where the number is outside [0, kLimit): such a call never happens.
    bool add(int64_t nr) {
        if (nr < 0 || nr >= kLimit) return false;
        numbers_.set(static_cast<size_t>(nr));
        return true;
    }
    void add_all() { all_ = true; }
    void add(const SyscallSet& other) {
        numbers_ |= other.numbers_;
        all_ |= other.all_;
    }

    bool all() const { return all_; }
    bool empty() const { return !all_ && numbers_.none(); }
    bool contains(Abi abi, int64_t nr) const {
        if (all_) return true;
        return abi == Abi::Native && nr >= 0 && nr < kLimit && numbers_[static_cast<size_t>(nr)];
    }

  private:
    std::bitset<kLimit> numbers_;
    bool all_ = false;
};

/// What a sink is to be called for.
struct Wanted {
    SyscallSet enter;
    SyscallSet exit;
    bool fork = false;
    bool exec = false;
    bool task_exit = false;

    /// Whether entries of calls are all that is asked for.
    bool enter_only() const { return exit.empty() && !fork && !exec && !task_exit; }
};

}  // namespace skep::hooks
