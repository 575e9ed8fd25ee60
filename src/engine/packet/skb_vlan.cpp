// SPDX-License-Identifier: Apache-2.0
// VLAN tags of an skb. The outermost one lies beside the packet, as network cards deliver it; the
// others are in the bytes.
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>

#include "engine/packet/protocol.hpp"
#include "engine/packet/skb_ops.hpp"

namespace skep::engine {

namespace {

constexpr uint32_t kAddresses = 2 * ETH_ALEN;
constexpr uint32_t kTag = PacketBuffer::kVlanHeader;

void set_tag(__sk_buff& ctx, uint32_t proto, uint16_t tci) {
    ctx.vlan_present = 1;
    ctx.vlan_proto = proto;
    ctx.vlan_tci = tci;
}

void clear_tag(__sk_buff& ctx) {
    ctx.vlan_present = ctx.vlan_proto = ctx.vlan_tci = 0;
}

void reset_mac_len(PacketBuffer& skb) {
    skb.hidden().mac_len = skb.mac_header_len();
}

// At ingress the device's sum leaves the link-layer header out, and what helpers do to it would
// leave or join a sum that has never had it.
template <typename Change>
int with_mac_summed(PacketBuffer& skb, Change change) {
    const auto mac = [&] {
        return ByteView(skb.at_position(skb.hidden().mac), skb.hidden().mac_len);
    };
    if (skb.hidden().at_ingress) skb_sum_with(skb, mac());
    const int result = change();
    if (skb.hidden().at_ingress) skb_sum_without(skb, mac());
    return result;
}

/// The tag that is beside the packet goes into it.
int insert_tag(PacketBuffer& skb) {
    if (skb.data_position() != skb.hidden().mac) return -EINVAL;
    if (skb.size() < kAddresses) return -ENOMEM;
    __sk_buff& ctx = skb.skb_ctx();
    skb.push(kTag);
    uint8_t* data = skb.data();
    std::memmove(data, data + kTag, kAddresses);
    std::memcpy(data + kAddresses, &ctx.vlan_proto, 2);
    const uint16_t tci = network_order(static_cast<uint16_t>(ctx.vlan_tci));
    std::memcpy(data + kAddresses + 2, &tci, 2);
    PacketBuffer::Hidden& hidden = skb.hidden();
    hidden.mac -= kTag;
    hidden.network -= kTag;
    ctx.protocol = ctx.vlan_proto;
    skb_sum_with(skb, {data + kAddresses, kTag});
    return 0;
}

/// The first tag in the packet is taken out, and what it carries becomes the protocol.
int remove_tag(PacketBuffer& skb, uint16_t& tci) {
    if (skb.data_position() != skb.hidden().mac) return -EINVAL;
    uint8_t* data = skb.at(0, kAddresses + kTag + 2);
    if (!data) return -ENOMEM;
    skb_sum_without(skb, {data + kAddresses, kTag});
    std::memcpy(&tci, data + kAddresses + 2, 2);
    tci = network_order(tci);
    skb.skb_ctx().protocol = ethernet_protocol(skb.bytes(), kAddresses + kTag);
    std::memmove(data + kTag, data, kAddresses);
    skb.pull(kTag);
    PacketBuffer::Hidden& hidden = skb.hidden();
    hidden.mac += kTag;
    if (skb.network_offset() < ETH_HLEN) hidden.network = skb.data_position() + ETH_HLEN;
    reset_mac_len(skb);
    return 0;
}

int pop(PacketBuffer& skb) {
    __sk_buff& ctx = skb.skb_ctx();
    uint16_t tci = 0;
    if (ctx.vlan_present) {
        clear_tag(ctx);
    } else if (!is_vlan(static_cast<uint16_t>(ctx.protocol))) {
        return 0;
    } else if (const int error = remove_tag(skb, tci); error != 0) {
        return error;
    }
    // The next one, if there is one, takes its place.
    if (!is_vlan(static_cast<uint16_t>(ctx.protocol))) return 0;
    const uint32_t proto = ctx.protocol;
    if (const int error = remove_tag(skb, tci); error != 0) return error;
    set_tag(ctx, proto, tci);
    return 0;
}

}  // namespace

int skb_vlan_push(PacketBuffer& skb, uint16_t proto, uint16_t tci) {
    if (!is_vlan(proto)) proto = network_order(ETH_P_8021Q);
    const int result = with_mac_summed(skb, [&] {
        if (skb.skb_ctx().vlan_present) {
            if (const int error = insert_tag(skb); error != 0) return error;
        }
        set_tag(skb.skb_ctx(), proto, tci);
        return 0;
    });
    reset_mac_len(skb);
    skb.publish();
    return result;
}

int skb_vlan_pop(PacketBuffer& skb) {
    const int result = with_mac_summed(skb, [&] { return pop(skb); });
    skb.publish();
    return result;
}

}  // namespace skep::engine
