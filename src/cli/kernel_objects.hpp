// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "kernel/bpf.hpp"
#include "kernel/map.hpp"

// Objects in the kernel, as users name them: an id, a name, a path where it is pinned; with the
// kind in front where it could be several: "prog:12", "map:counts", "link:3".

namespace skep::cli {

struct KernelObject {
    kernel::ObjectKind kind;
    uint32_t id;
    UniqueFd fd;
};

Result<KernelObject> find_kernel_object(const std::string& name);
/// The same where only one kind makes sense: a bare id is one of that kind.
Result<KernelObject> find_kernel_object(const std::string& name, kernel::ObjectKind kind,
                                        uint32_t open_flags = 0);

}  // namespace skep::cli
