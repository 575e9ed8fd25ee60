// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "platform/helper_access.hpp"

// What a verdict means for the packet, by program type. docs/packets.md has the table.

namespace skep::hooks {

enum class Fate : uint8_t {
    Dropped,  ///< it ends here: dropped, or taken by whoever raised the event
    Passed,   ///< it goes on, as the program has left it
    Sent,     ///< it leaves at once: XDP_TX, or where a redirect says
};

/// `redirected`: whether the program has said where to. A redirect to nowhere is a drop.
Fate fate_of(const platform::ProgKind& kind, int32_t verdict, bool redirected);

/// The verdict's name for counting and printing: platform::verdict_name(), but a socket filter's
/// byte count is KEEP, TRUNCATE or DROP by what it does to a packet of `size` bytes.
std::string verdict_text(const platform::ProgKind& kind, int32_t verdict, uint32_t size);

}  // namespace skep::hooks
