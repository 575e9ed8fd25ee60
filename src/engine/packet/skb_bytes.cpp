// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "engine/packet/protocol.hpp"
#include "engine/packet/skb_ops.hpp"
#include "packet/csum.hpp"

namespace skep::engine {

int skb_load_bytes(const PacketBuffer& skb, uint32_t offset, void* to, uint32_t size) {
    return skb.load(offset, to, size);
}

int skb_load_bytes_relative(const PacketBuffer& skb, uint32_t offset, void* to, uint32_t size,
                            uint32_t start_header) {
    int64_t start = 0;
    bool known = offset <= 0xffff;
    if (start_header == BPF_HDR_START_MAC) {
        start = skb.hidden().mac;
    } else if (start_header == BPF_HDR_START_NET) {
        start = skb.hidden().network;
    } else {
        known = false;
    }
    if (!known || start + offset + size > skb.end_position()) {
        std::memset(to, 0, size);
        return -EFAULT;
    }
    std::memmove(to, skb.at_position(start + offset), size);
    return 0;
}

int skb_store_bytes(PacketBuffer& skb, uint32_t offset, const void* from, uint32_t size,
                    uint64_t flags) {
    if (flags & ~uint64_t{BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH}) return -EINVAL;
    if (offset > INT_MAX) return -EFAULT;
    uint8_t* to = skb.at(offset, size);
    if (!to) return -EFAULT;
    if (flags & BPF_F_RECOMPUTE_CSUM) skb_sum_without(skb, {to, size}, offset);
    std::memmove(to, from, size);
    if (flags & BPF_F_RECOMPUTE_CSUM) skb_sum_with(skb, {to, size}, offset);
    if (flags & BPF_F_INVALIDATE_HASH) skb_clear_hash(skb);
    return 0;
}

int skb_pull_data(PacketBuffer& skb, uint32_t size) {
    return size > skb.size() ? -ENOMEM : 0;
}

namespace {

// vlan_get_protocol(): what comes after the tags that are still in the packet; 0 where that is not
// in it.
uint16_t protocol_after_tags(PacketBuffer& skb) {
    constexpr int kMostTags = 8;
    auto protocol = static_cast<uint16_t>(skb.skb_ctx().protocol);
    if (!is_vlan(protocol)) return protocol;
    uint32_t depth = skb.hidden().mac_len;
    if (depth != 0 && depth < PacketBuffer::kVlanHeader) return 0;
    depth = depth == 0 ? PacketBuffer::kEthernetHeader : depth - PacketBuffer::kVlanHeader;
    for (int tags = 1; tags < kMostTags; ++tags) {
        const uint8_t* tag = skb.at(depth, PacketBuffer::kVlanHeader);
        if (!tag) return 0;
        std::memcpy(&protocol, tag + 2, sizeof(protocol));
        if (!is_vlan(protocol)) return protocol;
        depth += PacketBuffer::kVlanHeader;
    }
    return 0;
}

constexpr uint8_t kEcnMask = 3;

// The checksum changes by what the two bits of the type of service do.
int set_ce_ipv4(uint8_t* ip) {
    const auto next = static_cast<uint8_t>((ip[1] + 1) & kEcnMask);
    if (!(next & 2)) return next == 0;  // 0: not ECN-capable; 3: already marked
    uint16_t check;
    std::memcpy(&check, ip + 10, sizeof(check));
    const auto add = static_cast<uint16_t>(network_order(0xfffb) + network_order(next));
    check = static_cast<uint16_t>(check + add);
    check = static_cast<uint16_t>(check + (check < add));
    std::memcpy(ip + 10, &check, sizeof(check));
    ip[1] |= kEcnMask;
    return 1;
}

int set_ce_ipv6(PacketBuffer& skb, uint8_t* ip) {
    constexpr uint8_t kCe = kEcnMask << 4;  // of the second byte: 12 bits version and class precede
    if (!(ip[1] & kCe)) return 0;
    uint32_t from;
    std::memcpy(&from, ip, sizeof(from));
    ip[1] |= kCe;
    uint32_t to;
    std::memcpy(&to, ip, sizeof(to));
    PacketBuffer::Hidden& hidden = skb.hidden();
    if (hidden.summed == PacketBuffer::Summed::Complete) {
        hidden.csum = packet::csum_add(packet::csum_sub(hidden.csum, from), to);
    }
    return 1;
}

}  // namespace

int64_t skb_ecn_set_ce(PacketBuffer& skb) {
    const uint16_t protocol = protocol_after_tags(skb);
    const bool ipv4 = protocol == network_order(ETH_P_IP);
    if (!ipv4 && protocol != network_order(ETH_P_IPV6)) return 0;
    const uint32_t header = ipv4 ? 20 : 40;
    if (skb.size() < header) return 0;
    if (skb.hidden().network + header > skb.end_position()) return 0;
    uint8_t* ip = skb.at_position(skb.hidden().network);
    return ipv4 ? set_ce_ipv4(ip) : set_ce_ipv6(skb, ip);
}

}  // namespace skep::engine
