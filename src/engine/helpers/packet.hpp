// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/helpers.hpp"

// The helpers of packets, by the file that has them; packet.cpp puts them into one table.

namespace skep::engine {

std::span<const HelperRow> skb_helpers();       ///< packet_skb.cpp
std::span<const HelperRow> xdp_helpers();       ///< packet_xdp.cpp
std::span<const HelperRow> redirect_helpers();  ///< packet_redirect.cpp

/// The packet that a helper works on; null after a fault where the event has none of that kind.
inline PacketBuffer* packet_of(Execution& x) {
    if (!x.event().packet) x.fault(Fault::Kind::BadArgument, "there is no packet here", 1);
    return x.event().packet;
}

}  // namespace skep::engine
