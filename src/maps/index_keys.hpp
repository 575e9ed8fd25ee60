// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>

// Keys of array-like maps: an unaligned u32 below max_entries.

namespace skep::maps {

inline uint32_t index_of(const void* key) {
    uint32_t index;
    std::memcpy(&index, key, sizeof index);
    return index;
}

/// bpf(BPF_MAP_GET_NEXT_KEY): all indices in order; one that is out of range starts over.
inline int next_index(const void* key, void* next, uint32_t max_entries) {
    const uint32_t index = key ? index_of(key) : UINT32_MAX;
    if (index == max_entries - 1 && index != UINT32_MAX) return -ENOENT;
    const uint32_t following = index >= max_entries ? 0 : index + 1;
    std::memcpy(next, &following, sizeof following);
    return 0;
}

}  // namespace skep::maps
