// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

// The line number program of DWARF 4 (section 6.2 there), as far as the optimiser's objects have
// it: one unit, addresses of 8 bytes, and of each row only where it begins and its line.

namespace skep::engine::jit {

struct LineRow {
    /// By set_address: which one of the section, and how far behind it.
    uint64_t address_at = 0;  ///< where in the section the address is that it counts from
    uint64_t distance = 0;
    uint32_t line = 0;
    bool ends = false;  ///< the first byte that is of no line any more
};

Result<std::vector<LineRow>> line_table(ByteView section);

}  // namespace skep::engine::jit
