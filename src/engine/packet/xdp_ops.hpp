// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "engine/packet/packet_buffer.hpp"

// What helpers do to an xdp packet, with the meaning and the error codes of net/core/filter.c in
// Linux 6.18: 0 or a negative errno.

namespace skep::engine {

int xdp_adjust_head(PacketBuffer& xdp, int32_t offset);
int xdp_adjust_tail(PacketBuffer& xdp, int32_t offset);
int xdp_adjust_meta(PacketBuffer& xdp, int32_t offset);

}  // namespace skep::engine
