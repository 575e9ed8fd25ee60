// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "engine/packet/protocol.hpp"
#include "engine/packet/skb_ops.hpp"

namespace skep::engine {

namespace {

/// What tells a connection from others, the smaller end first.
struct FlowKey {
    std::array<uint8_t, 16> low = {};
    std::array<uint8_t, 16> high = {};
    uint16_t low_port = 0;
    uint16_t high_port = 0;
    uint16_t protocol = 0;
    uint8_t transport = 0;
};

void set_addresses(FlowKey& key, ByteView source, ByteView destination) {
    std::copy(source.begin(), source.end(), key.low.begin());
    std::copy(destination.begin(), destination.end(), key.high.begin());
}

bool has_ports(uint8_t transport) {
    constexpr uint8_t kTcp = 6, kUdp = 17, kDccp = 33, kSctp = 132, kUdpLite = 136;
    return transport == kTcp || transport == kUdp || transport == kDccp || transport == kSctp ||
           transport == kUdpLite;
}

void set_ports(FlowKey& key, ByteView packet, size_t offset) {
    if (!has_ports(key.transport)) return;
    key.low_port = load<uint16_t>(packet, offset).value_or(0);
    key.high_port = load<uint16_t>(packet, offset + 2).value_or(0);
}

bool read_ipv4(FlowKey& key, ByteView ip) {
    if (ip.size() < 20) return false;
    key.transport = ip[9];
    set_addresses(key, ip.subspan(12, 4), ip.subspan(16, 4));
    const bool fragment = ((ip[6] & 0x3f) | ip[7]) != 0;
    if (!fragment) set_ports(key, ip, size_t{ip[0] & 0x0fu} * 4);
    return true;
}

bool read_ipv6(FlowKey& key, ByteView ip) {
    constexpr uint8_t kHopByHop = 0, kRouting = 43, kDestination = 60;
    if (ip.size() < 40) return false;
    set_addresses(key, ip.subspan(8, 16), ip.subspan(24, 16));
    size_t offset = 40;
    uint8_t next = ip[6];
    while ((next == kHopByHop || next == kRouting || next == kDestination) &&
           offset + 2 <= ip.size()) {
        next = ip[offset];
        offset += (size_t{ip[offset + 1]} + 1) * 8;
    }
    key.transport = next;
    set_ports(key, ip, offset);
    return true;
}

uint64_t mix(uint64_t state, uint64_t value) {
    state = (state ^ value) * 0x9e3779b97f4a7c15ull;
    return state ^ state >> 32;
}

uint32_t hash(FlowKey key) {
    if (std::pair(key.high, key.high_port) < std::pair(key.low, key.low_port)) {
        std::swap(key.low, key.high);
        std::swap(key.low_port, key.high_port);
    }
    uint64_t words[4];
    std::memcpy(words, key.low.data(), 16);
    std::memcpy(words + 2, key.high.data(), 16);
    uint64_t state = uint64_t{key.protocol} << 8 | key.transport;
    for (const uint64_t word : words) state = mix(state, word);
    state = mix(state, uint64_t{key.low_port} << 16 | key.high_port);
    const auto result = static_cast<uint32_t>(state ^ state >> 29);
    return result ? result : 1;
}

}  // namespace

uint32_t flow_hash(ByteView frame, size_t network, uint16_t protocol) {
    while (is_vlan(protocol) && network + 4 <= frame.size()) {
        protocol = ethernet_protocol(frame, network + 2);
        network += PacketBuffer::kVlanHeader;
    }
    FlowKey key{.protocol = protocol};
    const ByteView rest = frame.subspan(std::min(network, frame.size()));
    const bool ip = (protocol == network_order(ETH_P_IP) && read_ipv4(key, rest)) ||
                    (protocol == network_order(ETH_P_IPV6) && read_ipv6(key, rest));
    if (!ip && frame.size() >= 12) set_addresses(key, frame.subspan(6, 6), frame.first(6));
    return hash(key);
}

uint32_t skb_get_hash(PacketBuffer& skb) {
    PacketBuffer::Hidden& hidden = skb.hidden();
    __sk_buff& ctx = skb.skb_ctx();
    if (hidden.hash_valid) return ctx.hash;
    const int64_t begin = std::min(hidden.mac, skb.data_position());
    const ByteView frame(skb.at_position(begin), static_cast<size_t>(skb.end_position() - begin));
    ctx.hash = flow_hash(frame, static_cast<size_t>(hidden.network - begin),
                         static_cast<uint16_t>(ctx.protocol));
    hidden.hash_valid = true;
    return ctx.hash;
}

void skb_set_hash(PacketBuffer& skb, uint32_t hash) {
    skb.skb_ctx().hash = hash;
    skb.hidden().hash_valid = true;
}

void skb_clear_hash(PacketBuffer& skb) {
    skb.skb_ctx().hash = 0;
    skb.hidden().hash_valid = false;
}

}  // namespace skep::engine
