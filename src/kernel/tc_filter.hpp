// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

// BPF filters at clsact, the older way to attach to tc. They belong to the interface and not to a
// process, so that a killed one leaves them behind. skep's own are known by their handle, which has
// a mark in its upper ten bits and the owner's pid in the others.

namespace skep::kernel {

struct TcFilter {
    uint32_t ifindex = 0;
    bool egress = false;
    uint32_t handle = 0;
    uint32_t priority = 0;
    uint32_t prog_id = 0;
    std::string name;

    /// Made by skep, by the process of that number; 0: not by skep.
    uint32_t owner() const;
    /// Made by skep, and its process is gone.
    bool left_behind() const;
};

/// The handle of this process's filters.
uint32_t own_tc_handle();

/// All BPF filters at clsact of an interface of the calling thread's namespace.
Result<std::vector<TcFilter>> tc_filters(uint32_t ifindex);

Result<void> remove_tc_filter(const TcFilter& filter);

/// Removes what killed skep processes have left at the interface, and clsact with the last filter.
/// Returns how many there were.
Result<size_t> remove_left_tc_filters(uint32_t ifindex);

}  // namespace skep::kernel
