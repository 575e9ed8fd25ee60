// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "packet/address.hpp"

namespace skep::packet {

// Builds packets, for tests and examples: a packet is its headers, outermost first, as plain
// structs whose defaults are sensible. Lengths, checksums and the fields that name the next header
// are filled in.
//
//     const Bytes frame = build_packet({Ethernet{}, Ipv4{.src = ip4("10.0.0.1"), .dst =
//     ip4("10.0.0.2")},
//                                       Udp{.src = 1234, .dst = 53}, payload("hello")});
//
// Any order of layers builds (IP in IP in VLAN, TCP without IP), because tests want odd packets
// too; short frames are not padded to Ethernet's 60 bytes. Integers are in host order.
// packet_text.hpp reads the same from text.

struct Ethernet {
    MacAddress src = {{2, 0, 0, 0, 0, 1}};
    MacAddress dst = {{2, 0, 0, 0, 0, 2}};
    std::optional<uint16_t> type = {};  ///< else the next layer's
};

struct Vlan {
    uint16_t id = 1;
    uint8_t priority = 0;
    bool service = false;  ///< 802.1ad's outer tag (0x88a8) instead of 802.1Q's (0x8100)
    std::optional<uint16_t> type = {};  ///< else the next layer's
};

/// Of Ethernet and IPv4.
struct Arp {
    uint16_t operation = 1;  ///< 1: request, 2: reply
    MacAddress src_mac = {{2, 0, 0, 0, 0, 1}};
    Ipv4Address src = {{10, 0, 0, 1}};
    MacAddress dst_mac = {};
    Ipv4Address dst = {{10, 0, 0, 2}};
};

struct Ipv4 {
    Ipv4Address src = {{10, 0, 0, 1}};
    Ipv4Address dst = {{10, 0, 0, 2}};
    uint8_t ttl = 64;
    uint8_t tos = 0;
    uint16_t id = 0;
    bool dont_fragment = false;
    bool more_fragments = false;
    uint16_t fragment_offset = 0;          ///< in bytes, a multiple of 8
    std::optional<uint8_t> protocol = {};  ///< else the next layer's
    Bytes options = {};                    ///< padded to a multiple of 4; at most 40
};

struct Ipv6 {
    Ipv6Address src = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    Ipv6Address dst = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};
    uint8_t hop_limit = 64;
    uint8_t traffic_class = 0;
    uint32_t flow_label = 0;
    std::optional<uint8_t> next = {};  ///< else the next layer's
};

/// Hop-by-hop (0), routing (43) or destination options (60).
struct Ipv6Extension {
    uint8_t type = 0;
    Bytes body = {};                   ///< what follows the two common bytes; padded to 8n - 2
    std::optional<uint8_t> next = {};  ///< else the next layer's
};

struct Ipv6Fragment {
    uint16_t offset = 0;  ///< in bytes, a multiple of 8
    bool more = false;
    uint32_t id = 0;
    std::optional<uint8_t> next = {};  ///< else the next layer's
};

struct Udp {
    uint16_t src = 1024;
    uint16_t dst = 9;
    bool checksum = true;  ///< false writes 0: none
};

constexpr uint8_t kTcpFin = 1, kTcpSyn = 2, kTcpRst = 4, kTcpPsh = 8, kTcpAck = 16, kTcpUrg = 32,
                  kTcpEce = 64, kTcpCwr = 128;

struct Tcp {
    uint16_t src = 1024;
    uint16_t dst = 80;
    uint32_t seq = 0;
    uint32_t ack = 0;
    uint8_t flags = kTcpSyn;
    uint16_t window = 64240;
    uint16_t urgent = 0;
    Bytes options = {};  ///< padded to a multiple of 4; at most 40
};

struct Icmp {
    uint8_t type = 8;  ///< echo request
    uint8_t code = 0;
    uint16_t id = 1;  ///< the header's last four bytes: two numbers, for echo messages
    uint16_t seq = 1;
};

struct Icmpv6 {
    uint8_t type = 128;  ///< echo request
    uint8_t code = 0;
    uint16_t id = 1;
    uint16_t seq = 1;
};

struct Payload {
    Bytes bytes = {};
};

using Layer = std::variant<Ethernet, Vlan, Arp, Ipv4, Ipv6, Ipv6Extension, Ipv6Fragment, Udp, Tcp,
                           Icmp, Icmpv6, Payload>;

Bytes build_packet(const std::vector<Layer>& layers);

Payload payload(std::string_view text);
/// 0, 1, 2, ... (modulo 256).
Payload payload(size_t size);

}  // namespace skep::packet
