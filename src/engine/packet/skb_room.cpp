// SPDX-License-Identifier: Apache-2.0
// Helpers that make and take room in an skb. The kernel keeps header positions with the packet, and
// later checks are against these, so they are moved exactly as it moves them.
#include <linux/bpf.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "engine/packet/protocol.hpp"
#include "engine/packet/skb_ops.hpp"

namespace skep::engine {

namespace {

constexpr uint32_t kMaxSize = 16384 - 320;  // SKB_MAX_ALLOC: four pages without skb_shared_info
constexpr uint32_t kIpv4Header = 20;
constexpr uint32_t kIpv6Header = 40;
constexpr uint32_t kProtoIpv4 = network_order(ETH_P_IP);
constexpr uint32_t kProtoIpv6 = network_order(ETH_P_IPV6);

bool is_gso(const PacketBuffer& skb) {
    return skb.skb_ctx().gso_size != 0;
}

void reset_mac_len(PacketBuffer& skb) {
    skb.hidden().mac_len = skb.mac_header_len();
}

/// Opens `size` zero bytes at `offset`; the headers before it move to the front. The kernel does
/// not ask whether these are whole, and moves what lies behind the packet's end with them.
int push_header(PacketBuffer& skb, uint32_t offset, uint32_t size) {
    skb.reserve(offset);
    skb.push(size);
    std::memmove(skb.data(), skb.data() + size, offset);
    std::memset(skb.data() + offset, 0, size);  // within what was reserved, `size` bytes in front
    PacketBuffer::Hidden& hidden = skb.hidden();
    const bool same = hidden.transport == hidden.network;
    hidden.mac -= size;
    hidden.network -= size;
    if (same) hidden.transport = hidden.network;
    return 0;
}

/// Takes `size` bytes out at `offset`.
int pop_header(PacketBuffer& skb, uint32_t offset, uint32_t size) {
    const uint8_t* old = skb.at(offset, size);
    if (!old) return -ENOMEM;
    skb_sum_without(skb, {old, size});
    uint8_t* data = skb.data();
    std::memmove(data + size, data, offset);
    skb.pull(size);
    PacketBuffer::Hidden& hidden = skb.hidden();
    const bool same = hidden.transport == hidden.network;
    hidden.mac += size;
    hidden.network += size;
    if (same) hidden.transport = hidden.network;
    return 0;
}

}  // namespace

int skb_change_head(PacketBuffer& skb, uint32_t head_room, uint64_t flags) {
    const uint64_t new_size = uint64_t{skb.size()} + head_room;
    if (flags || (!is_gso(skb) && new_size > kMaxSize) || new_size > UINT32_MAX) return -EINVAL;
    skb.push(head_room);
    std::memset(skb.data(), 0, head_room);
    skb.hidden().mac = skb.data_position();
    reset_mac_len(skb);
    skb.publish();
    return 0;
}

int skb_change_tail(PacketBuffer& skb, uint32_t new_size, uint64_t flags) {
    int64_t least = std::max<int64_t>(skb.network_offset(), 0);
    if (const auto& transport = skb.hidden().transport) {
        const int64_t offset = *transport - skb.data_position();
        if (offset > 0) least = offset;
    }
    if (flags || new_size > kMaxSize || new_size < least) return -EINVAL;
    if (skb.hidden().encapsulation) return -kNotSupported;
    if (new_size != skb.size()) {
        skb_forget_sum(skb);
        skb.set_size(new_size);
    }
    if (is_gso(skb)) skb.skb_ctx().gso_size = skb.skb_ctx().gso_segs = 0;
    skb.publish();
    return 0;
}

int skb_change_proto(PacketBuffer& skb, uint16_t proto, uint64_t flags) {
    if (flags) return -EINVAL;
    constexpr uint32_t kDiff = kIpv6Header - kIpv4Header;
    const uint32_t from = skb.skb_ctx().protocol;
    int result = -kNotSupported;
    if (from == kProtoIpv4 && proto == kProtoIpv6) {
        result = push_header(skb, skb.mac_header_len(), kDiff);
    } else if (from == kProtoIpv6 && proto == kProtoIpv4) {
        result = pop_header(skb, skb.mac_header_len(), kDiff);
    }
    if (result != 0) return result;
    skb.skb_ctx().protocol = proto;
    skb_clear_hash(skb);
    skb.publish();
    return 0;
}

int skb_change_type(PacketBuffer& skb, uint32_t type) {
    constexpr uint32_t kLast =
        3;  // PACKET_OTHERHOST: outgoing and looped back ones stay what they are
    if (skb.skb_ctx().pkt_type > kLast || type > kLast) return -EINVAL;
    skb.skb_ctx().pkt_type = type;
    return 0;
}

namespace {

#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV4  // Linux 6.3
constexpr uint64_t BPF_F_ADJ_ROOM_DECAP_L3_IPV4 = 1 << 7;
constexpr uint64_t BPF_F_ADJ_ROOM_DECAP_L3_IPV6 = 1 << 8;
#endif

constexpr uint64_t kEncapL3 = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
constexpr uint64_t kDecapL3 = BPF_F_ADJ_ROOM_DECAP_L3_IPV4 | BPF_F_ADJ_ROOM_DECAP_L3_IPV6;
constexpr uint64_t kRoomFlags = BPF_F_ADJ_ROOM_FIXED_GSO | kEncapL3 | BPF_F_ADJ_ROOM_ENCAP_L4_GRE |
                                BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
                                BPF_F_ADJ_ROOM_ENCAP_L2(uint64_t{BPF_ADJ_ROOM_ENCAP_L2_MASK}) |
                                kDecapL3 | BPF_F_ADJ_ROOM_NO_CSUM_RESET;

/// What encapsulation asks for, or its error.
int check_encap(const PacketBuffer& skb, uint32_t diff, uint64_t flags) {
    const auto both = [&](uint64_t pair) { return (flags & pair) == pair; };
    const auto inner_mac = static_cast<uint8_t>(flags >> BPF_ADJ_ROOM_ENCAP_L2_SHIFT);
    if (both(kEncapL3)) return -EINVAL;
    if (both(BPF_F_ADJ_ROOM_ENCAP_L4_GRE | BPF_F_ADJ_ROOM_ENCAP_L4_UDP)) return -EINVAL;
    if (flags & BPF_F_ADJ_ROOM_ENCAP_L2_ETH && inner_mac < ETH_HLEN) return -EINVAL;
    if (skb.hidden().encapsulation) return -EALREADY;
    return inner_mac > diff ? -EINVAL : 0;
}

int grow(PacketBuffer& skb, uint32_t offset, uint32_t diff, uint64_t flags) {
    if (is_gso(skb)) return -kNotSupported;  // only of known types, and here there are none
    if (flags & kEncapL3) {
        if (const int error = check_encap(skb, diff, flags); error != 0) return error;
    }
    const uint32_t mac_len = skb.mac_header_len();
    if (const int error = push_header(skb, offset, diff); error != 0) return error;
    if (!(flags & kEncapL3)) return 0;

    PacketBuffer::Hidden& hidden = skb.hidden();
    hidden.encapsulation = true;
    hidden.network = skb.data_position() + mac_len;
    if (flags & (BPF_F_ADJ_ROOM_ENCAP_L4_GRE | BPF_F_ADJ_ROOM_ENCAP_L4_UDP)) {
        hidden.transport =
            hidden.network + (flags & BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 ? kIpv6Header : kIpv4Header);
    }
    skb.skb_ctx().protocol = flags & BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 ? kProtoIpv6 : kProtoIpv4;
    return 0;
}

int shrink(PacketBuffer& skb, uint32_t offset, uint32_t diff, uint64_t flags) {
    if (flags & ~uint64_t{BPF_F_ADJ_ROOM_FIXED_GSO | kDecapL3 | BPF_F_ADJ_ROOM_NO_CSUM_RESET}) {
        return -EINVAL;
    }
    if (is_gso(skb)) return -kNotSupported;
    if (const int error = pop_header(skb, offset, diff); error != 0) return error;
    if (flags & BPF_F_ADJ_ROOM_DECAP_L3_IPV6) skb.skb_ctx().protocol = kProtoIpv6;
    if (flags & BPF_F_ADJ_ROOM_DECAP_L3_IPV4) skb.skb_ctx().protocol = kProtoIpv4;
    return 0;
}

}  // namespace

int skb_adjust_room(PacketBuffer& skb, int32_t diff, uint32_t mode, uint64_t flags) {
    const bool shrinks = diff < 0;
    const auto change = static_cast<uint32_t>(std::abs(int64_t{diff}));
    if (flags & ~kRoomFlags) return -EINVAL;
    if (change > 0xfff) return -EFAULT;
    const uint32_t protocol = skb.skb_ctx().protocol;
    if (protocol != kProtoIpv4 && protocol != kProtoIpv6) return -kNotSupported;

    uint32_t least = protocol == kProtoIpv4 ? kIpv4Header : kIpv6Header;
    uint32_t offset = skb.mac_header_len();
    if (mode == BPF_ADJ_ROOM_NET) {
        offset += least;
    } else if (mode != BPF_ADJ_ROOM_MAC) {
        return -kNotSupported;
    }
    if (flags & kDecapL3) {
        if (!shrinks || (flags & kDecapL3) == kDecapL3) return -EINVAL;
        least = flags & BPF_F_ADJ_ROOM_DECAP_L3_IPV4 ? kIpv4Header : kIpv6Header;
    }
    const auto network_size = static_cast<uint32_t>(skb.size() - skb.network_offset());
    if (shrinks && (change >= network_size || network_size - change < least)) return -kNotSupported;
    if (!shrinks && skb.size() + change > kMaxSize && !is_gso(skb)) return -kNotSupported;

    const int result =
        shrinks ? shrink(skb, offset, change, flags) : grow(skb, offset, change, flags);
    if (result == 0 && !(flags & BPF_F_ADJ_ROOM_NO_CSUM_RESET)) skb_reset_unnecessary(skb);
    skb.publish();
    return result;
}

}  // namespace skep::engine
