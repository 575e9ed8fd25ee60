// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/if_ether.h>

#include <cstdint>

#include "base/bytes.hpp"

// What an Ethernet frame carries, by the kernel's rules; values are in network order, as they lie
// in the packet and in __sk_buff.

namespace skep::engine {

constexpr uint16_t network_order(uint16_t value) {
    return __builtin_bswap16(value);
}

constexpr bool is_vlan(uint16_t protocol) {
    return protocol == network_order(ETH_P_8021Q) || protocol == network_order(ETH_P_8021AD);
}

/// The protocol that the type field at `offset` stands for: itself, or for a length what 802.2 says
/// (a frame of all ones there is old IPX). Bytes that are not there are zeros.
inline uint16_t ethernet_protocol(ByteView frame, size_t offset) {
    const uint16_t type = load<uint16_t>(frame, offset).value_or(0);
    if (__builtin_bswap16(type) >= ETH_P_802_3_MIN) return type;
    const bool ipx = load<uint16_t>(frame, offset + 2).value_or(0) == 0xffff;
    return network_order(ipx ? ETH_P_802_3 : ETH_P_802_2);
}

}  // namespace skep::engine
