// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "hooks/syscalls/events.hpp"

// The classic BPF that decides, inside the kernel, which system calls are worth a stop; all others
// pay 60 to 90 ns, or nothing to speak of: the kernel runs a new filter once for each number and
// remembers those that it lets through on number and architecture alone (6.12
// kernel/seccomp.c:seccomp_cache_prepare), so the filter looks at nothing else before it decides.
//
// A stop's return value has the Abi in its low 16 bits, which ptrace passes on.

namespace skep::hooks {

/// The filter that answers `stop` (SECCOMP_RET_USER_NOTIF or SECCOMP_RET_TRACE) for the calls of
/// `stops` and lets all others pass. Unless all are wanted, calls of a foreign Abi pass as well, as
/// the kernel's tracepoints of single calls ignore them.
std::vector<sock_filter> seccomp_filter(const SyscallSet& stops, uint32_t stop);

}  // namespace skep::hooks
