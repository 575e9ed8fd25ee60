// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "packet/link_type.hpp"

namespace skep::packet {

// A packet in one line for people, much as tcpdump -nn puts it:
//
//     ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28
//     IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 1, length 64
//     vlan 7, IP6 fd00::1.1024 > fd00::2.443: Flags [S], seq 1, win 64240, length 0
//
// Read are ARP, IPv4, IPv6 with its extension headers, ICMP, ICMPv6, TCP and UDP; anything else is
// named by number. Any bytes are safe; where they end early, the line says "cut short". Lengths are
// those that headers claim.

std::string summary(LinkType type, ByteView packet);

}  // namespace skep::packet
