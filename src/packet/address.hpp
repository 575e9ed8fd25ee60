// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Addresses as they lie in packets, and their usual text forms.

namespace skep::packet {

struct MacAddress {
    std::array<uint8_t, 6> bytes = {};
    bool operator==(const MacAddress&) const = default;
};

struct Ipv4Address {
    std::array<uint8_t, 4> bytes = {};
    bool operator==(const Ipv4Address&) const = default;
};

struct Ipv6Address {
    std::array<uint8_t, 16> bytes = {};
    bool operator==(const Ipv6Address&) const = default;
};

std::string to_string(const MacAddress& address);   ///< "02:00:00:00:00:01"
std::string to_string(const Ipv4Address& address);  ///< "10.0.0.1"
std::string to_string(const Ipv6Address& address);  ///< "fd00::1", RFC 5952

/// Nothing where the text is not an address of that kind.
std::optional<MacAddress> parse_mac(std::string_view text);
std::optional<Ipv4Address> parse_ipv4(std::string_view text);
std::optional<Ipv6Address> parse_ipv6(std::string_view text);

/// For literals in tests and examples: text that is no address is a bug, and aborts.
MacAddress mac(std::string_view text);
Ipv4Address ip4(std::string_view text);
Ipv6Address ip6(std::string_view text);

}  // namespace skep::packet
