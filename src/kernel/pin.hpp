// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "kernel/bpf.hpp"

// Names for BPF objects in a bpf file system. What is pinned outlives its process, and is found
// again by its path: Map::open_pinned(), Prog::open_pinned(), Link::open_pinned().

namespace skep::kernel {

/// Refused with a hint where the path is not in a bpf file system (nothing mounted, say).
Result<void> pin_at(int fd, const std::string& path);

/// Removes a pin; what it held goes on living only where somebody else holds it. Refuses paths that
/// are not in a bpf file system.
Result<void> unpin(const std::string& path);

/// What a descriptor is of; nothing where it is of no map, program or link.
std::optional<ObjectKind> kind_of(int fd);

/// A pinned object, which must be of this kind.
Result<UniqueFd> open_pinned_as(ObjectKind kind, const std::string& path);

/// Whether this directory, or the directory of this file, is in a bpf file system.
bool in_bpffs(const std::string& path);

}  // namespace skep::kernel
