// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace skep::test {

/// How one Ethernet frame differs from another: header fields by name where the bytes are part of
/// one, and the rows of hex in which they differ. Empty where they are equal.
///
///     ipv4.ttl: expected 64, actual 63
///     0010  expected 00 54 00 00 40 00 40 01
///           actual   00 54 00 00 40 00 3f 01
std::vector<std::string> packet_diff(ByteView expected, ByteView actual);

struct PacketField {
    std::string name;  ///< "ipv4.ttl"
    size_t offset;
    size_t size;
};
/// The fields of the headers that are known (Ethernet, VLAN, ARP, IPv4, IPv6, TCP, UDP, ICMP).
std::vector<PacketField> packet_fields(ByteView frame);

}  // namespace skep::test
