// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "engine/packet/packet_buffer.hpp"

// What helpers do to an skb, with the meaning and the error codes of net/core/filter.c in Linux
// 6.18: 0 or more, or a negative errno. helpers/packet_skb.cpp makes helpers of them, arguments in
// the same order.
//
//     if (skb_change_tail(packet, 60, 0) == 0) ...
//
// What does not exist here, and where a kernel's answer would depend on it: packets are never
// cloned or fragmented, memory does not run out, and no device has left a checksum to be finished
// (CHECKSUM_PARTIAL). Sums that a device has worked out (CHECKSUM_COMPLETE) are kept up.

namespace skep::engine {

/// The kernel's own ENOTSUPP, which no header has.
inline constexpr int kNotSupported = 524;

// skb_bytes.cpp
int skb_load_bytes(const PacketBuffer& skb, uint32_t offset, void* to, uint32_t size);
int skb_load_bytes_relative(const PacketBuffer& skb, uint32_t offset, void* to, uint32_t size,
                            uint32_t start_header);
int skb_store_bytes(PacketBuffer& skb, uint32_t offset, const void* from, uint32_t size,
                    uint64_t flags);
int skb_pull_data(PacketBuffer& skb, uint32_t size);
int64_t skb_ecn_set_ce(PacketBuffer& skb);

// skb_csum.cpp
int skb_l3_csum_replace(PacketBuffer& skb, uint32_t offset, uint64_t from, uint64_t to,
                        uint64_t flags);
int skb_l4_csum_replace(PacketBuffer& skb, uint32_t offset, uint64_t from, uint64_t to,
                        uint64_t flags);
int64_t skb_csum_update(PacketBuffer& skb, uint32_t csum);
int skb_csum_level(PacketBuffer& skb, uint64_t level);
/// Bytes have left the sum, or joined it; `offset` says whether they begin at an odd place.
void skb_sum_without(PacketBuffer& skb, ByteView bytes, uint32_t offset = 0);
void skb_sum_with(PacketBuffer& skb, ByteView bytes, uint32_t offset = 0);
/// The sum holds no longer, and nobody knows it now.
void skb_forget_sum(PacketBuffer& skb);
/// Nor does a device's word that the checksum was right.
void skb_reset_unnecessary(PacketBuffer& skb);

// skb_room.cpp
int skb_change_head(PacketBuffer& skb, uint32_t head_room, uint64_t flags);
int skb_change_tail(PacketBuffer& skb, uint32_t new_size, uint64_t flags);
int skb_change_proto(PacketBuffer& skb, uint16_t proto, uint64_t flags);
int skb_change_type(PacketBuffer& skb, uint32_t type);
int skb_adjust_room(PacketBuffer& skb, int32_t diff, uint32_t mode, uint64_t flags);

// skb_vlan.cpp
int skb_vlan_push(PacketBuffer& skb, uint16_t proto, uint16_t tci);
int skb_vlan_pop(PacketBuffer& skb);

// skb_hash.cpp
uint32_t skb_get_hash(PacketBuffer& skb);
void skb_set_hash(PacketBuffer& skb, uint32_t hash);
void skb_clear_hash(PacketBuffer& skb);
/// Equal for all packets of a connection, in both directions; never 0. Addresses, protocol and
/// ports (of TCP, UDP, SCTP and the like; none of a fragment) below any VLAN tags, or the MAC
/// addresses of what is not IP. `network` is the offset of what `protocol` (network order) says is
/// there.
uint32_t flow_hash(ByteView frame, size_t network, uint16_t protocol);

}  // namespace skep::engine
