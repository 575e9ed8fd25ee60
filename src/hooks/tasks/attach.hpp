// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "hooks/syscalls/events.hpp"
#include "object/spec.hpp"

// Where a program that its section attaches to system calls, or to the life of processes, belongs:
//
//     SEC("tracepoint/syscalls/sys_enter_openat")    one call; so sys_exit_*, and tp/ for short
//     SEC("tp/raw_syscalls/sys_enter")               every call, of every table; so sys_exit
//     SEC("raw_tp/sys_exit")                         every call, with its registers
//     SEC("kprobe/__x64_sys_openat")                 the kernel's function for a call; kretprobe/
//     SEC("ksyscall/openat")                         the same by the call's name; kretsyscall/
//     SEC("tp/sched/sched_process_exec")             processes: fork, exec, exit; raw_tp/, too
//
// Pure: looks at names only.

namespace skep::hooks {

struct AttachPoint {
    enum class When : uint8_t { SysEnter, SysExit, Fork, Exec, TaskExit };
    /// What the program's context is.
    enum class Form : uint8_t {
        SyscallRecord,     ///< tracepoint record of one call
        RawSyscallRecord,  ///< tracepoint record of raw_syscalls
        SchedRecord,       ///< tracepoint record of sched
        RawArgs,           ///< arguments of a raw tracepoint
        WrapperRegs,       ///< registers at the kernel's wrapper of a call (__x64_sys_*)
    };
    When when = When::SysEnter;
    Form form = Form::RawArgs;
    /// The one native call that it is for; nothing: any.
    std::optional<uint32_t> syscall = {};
    uint32_t args = 6;  ///< of SyscallRecord: how many the call has

    bool operator==(const AttachPoint&) const = default;
};

/// Nothing for a program whose section names no place (`SEC("tp")`): it can only be called by
/// others. Unsupported where the embedded runtime has no such event; the error names the section
/// and what there is.
Result<std::optional<AttachPoint>> attach_point(const object::ProgSpec& prog);

/// Adds what a program there has to be told of.
void add_to(Wanted& wanted, const AttachPoint& point);

}  // namespace skep::hooks
