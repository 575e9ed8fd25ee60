// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "packet/build.hpp"

namespace skep::packet {

// A packet in one line of text, for test files and command lines: the layers of build.hpp,
// outermost first, with the fields that differ from their defaults.
//
//     eth/ipv4(dst=10.0.0.9)/udp(dst=53)/payload(32)
//     eth/vlan(id=7)/ipv6/tcp(dst=443,flags=SA)/payload("hello")
//     eth/arp(operation=2,src=10.0.0.2)
//
// Layers, 64 at most: eth vlan arp ipv4 ipv6 ext frag udp tcp icmp icmp6 payload; fields are named
// as in build.hpp. Numbers are decimal, 0x or 0 octal; addresses as usual; bytes are hex digits or,
// in quotes, text; flags of TCP are letters of FSRPAUEC; yes and no. payload(N) is N bytes 0,
// 1, 2... Spaces are ignored outside quotes. Errors name the column and what was expected there.

/// The layers, for build_packet().
Result<std::vector<Layer>> parse_packet_text(std::string_view text);

}  // namespace skep::packet
