// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Layouts of tracepoint records: what a `tp/CATEGORY/NAME` program reads from its context.
//
//     auto layout = tracepoint_layout("syscalls/sys_enter_openat");
//     layout->fields[6]   // {"const char *", "filename", 24, 8, false}
//
// Known are the events that the embedded runtime raises (tracepoints.def, and every system call of
// syscalls.def); offsets and sizes are bytes. A `__data_loc` field holds where its string lies in
// the record: offset in the low, length with the NUL in the high 16 bits.

namespace skep::platform {

struct TracepointField {
    std::string type;  ///< "const char *", "unsigned long[6]", "__data_loc char[]"
    std::string name;
    uint32_t offset;
    uint32_t size;
    bool is_signed;

    bool operator==(const TracepointField&) const = default;
};

struct TracepointLayout {
    std::string name;  ///< "syscalls/sys_enter_openat"
    std::vector<TracepointField> fields;

    uint32_t fixed_size() const { return fields.back().offset + fields.back().size; }
    const TracepointField* find(std::string_view field) const;
};

/// Nothing for an event that the embedded runtime cannot raise.
std::optional<TracepointLayout> tracepoint_layout(std::string_view name);

/// All names that tracepoint_layout() knows, for "did you mean".
std::vector<std::string> tracepoint_names();

}  // namespace skep::platform
