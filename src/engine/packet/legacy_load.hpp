// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace skep::engine {

struct Event;

/// The legacy packet loads (`r0 = *(u16 *)skb[12]`): `size` bytes (1, 2 or 4) at `offset` of the
/// packet, big-endian in the packet, in host order in `*out`. Negative offsets are SKF_NET_OFF and
/// SKF_LL_OFF, from the network and the link-layer header. False where the packet has no such bytes
/// (or the event no packet): the program ends and returns 0.
bool load_legacy(const Event& event, int32_t offset, uint32_t size, uint64_t* out);

}  // namespace skep::engine
