// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "maps/map.hpp"

namespace skep::maps {

/// What bpf(BPF_MAP_CREATE) checks before it allocates, in Linux 6.18: the common part and each
/// type's own (map_alloc_check, the head of map_alloc, map_check_btf). The error names the field;
/// its sys_errno is the kernel's.
Result<void> check(const MapDef& def);

}  // namespace skep::maps
