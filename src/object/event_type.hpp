// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "btf/btf.hpp"
#include "object/spec.hpp"

namespace skep::object {

/// The struct of the records in a ring buffer or perf event array, as far as the object tells: the
/// one that SKEP_EVENT() of bpf/include/skep.h names for the map; else one of a usual name for the
/// map ("events": struct event, event_t, events_event...), if it has the size of the record.
std::optional<uint32_t> event_type(const btf::Btf& btf, std::string_view map, size_t record_size);

/// Where programs themselves count the records that a full ring buffer has not taken, as the kernel
/// does not: __u64 variables with SKEP_LOST() of bpf/include/skep.h.
struct LostCounter {
    size_t map;       ///< into ObjectSpec::maps: the section's
    uint32_t offset;  ///< in its value
};
std::vector<LostCounter> lost_counters(const ObjectSpec& spec);

}  // namespace skep::object
