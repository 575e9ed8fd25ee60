// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "runtime/kernel_map.hpp"

namespace skep::runtime {

using PrintkSink = std::function<void(std::string_view line)>;

/// A variable of 64 bits in which programs count what they could not hand over.
struct LostVariable {
    const KernelMap* map;
    uint32_t offset;
};

/// Consumes the ring buffers and perf event arrays among `maps` (with their names), and the lines
/// of bpf_printk() where `printk` is given.
Result<std::unique_ptr<EventsBackend>> open_kernel_events(
    const std::vector<std::pair<std::string, const KernelMap*>>& maps,
    const std::vector<LostVariable>& lost, RecordSink sink, PrintkSink printk);

/// Whether any program of the object calls bpf_trace_printk() or bpf_trace_vprintk().
bool prints(const object::ObjectSpec& spec);

}  // namespace skep::runtime
