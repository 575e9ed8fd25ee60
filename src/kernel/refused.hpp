// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "kernel/log.hpp"
#include "object/spec.hpp"

// What the running kernel refuses, said so that one can act: the reason, as far as the kernel tells
// it, and another hook that does the job where there is one (refused.def).

namespace skep::kernel {

struct Refused {
    std::string_view hook;
    std::string_view reason;
    std::string_view instead;
};

/// The row of refused.def for this kind of program, or null.
const Refused* refused(std::string_view hook);

/// The row's name for a section: "kprobe" of "kretprobe.s/foo", "cgroup" of "cgroup/connect4".
std::string_view hook_of(std::string_view section, ProgType type);

/// bpf_object__load() failed: which program or map, why, and what to do.
Error load_error(const std::string& file, const object::ObjectSpec& object, const LogCapture& log,
                 int error_number);

/// Attaching failed. `what` is "attach 'hello' to tracepoint syscalls/sys_enter_execve".
Error attach_error(const std::string& what, std::string_view hook, int error_number,
                   const LogCapture* log = nullptr);

}  // namespace skep::kernel
