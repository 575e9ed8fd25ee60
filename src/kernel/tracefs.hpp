// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/file.hpp"
#include "base/result.hpp"

// The kernel's tracefs: ids of tracepoints, and the pipe that bpf_printk() writes to. Where nobody
// has mounted it, skep mounts it for itself alone: a mount without a place in the tree, gone with
// its descriptor.

namespace skep::kernel {

/// A directory descriptor of its root. Opened once.
Result<int> tracefs();

/// The content of a file in it.
Result<std::string> read_tracefs(const std::string& path);

/// What perf_event_open(2) calls the tracepoint "sched/sched_switch".
Result<uint64_t> tracepoint_id(const std::string& category, const std::string& name);

}  // namespace skep::kernel
