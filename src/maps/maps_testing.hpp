// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "maps/map.hpp"

// For tests only.

namespace skep::maps::testing {

inline std::unique_ptr<Map> make(const MapDef& def) {
    Result<std::unique_ptr<Map>> map = Map::create(def);
    if (!map) {
        ADD_FAILURE() << map.error().to_string();
        std::abort();
    }
    return std::move(*map);
}

inline uint32_t u32_at(const void* address) {
    uint32_t value;
    std::memcpy(&value, address, sizeof value);
    return value;
}

/// A value that another thread may be writing.
inline uint64_t u64_at(const void* address) {
    return __atomic_load_n(static_cast<const uint64_t*>(address), __ATOMIC_ACQUIRE);
}

}  // namespace skep::maps::testing
