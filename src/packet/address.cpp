// SPDX-License-Identifier: Apache-2.0
#include "packet/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/hex.hpp"
#include "base/result.hpp"
#include "base/text.hpp"

namespace skep::packet {
namespace {

template <typename T>
std::string ip_text(int family, const T& address) {
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(family, address.bytes.data(), text, sizeof(text));
    return text;
}

template <typename T>
std::optional<T> parse_ip(int family, std::string_view text) {
    T address;
    if (inet_pton(family, std::string(text).c_str(), address.bytes.data()) != 1) {
        return std::nullopt;
    }
    return address;
}

template <typename T>
T literal(const std::optional<T>& address) {
    SKEP_CHECK(address.has_value());
    return *address;
}

}  // namespace

std::string to_string(const MacAddress& address) {
    return fmt::format("{:02x}", fmt::join(address.bytes, ":"));
}

std::string to_string(const Ipv4Address& address) {
    return ip_text(AF_INET, address);
}

std::string to_string(const Ipv6Address& address) {
    return ip_text(AF_INET6, address);
}

std::optional<MacAddress> parse_mac(std::string_view text) {
    MacAddress address;
    const auto parts = split(text, ':');
    if (parts.size() != address.bytes.size()) return std::nullopt;
    for (size_t i = 0; i < parts.size(); ++i) {
        const auto byte = from_hex(parts[i]);
        if (!byte || byte->size() != 1) return std::nullopt;
        address.bytes[i] = byte->front();
    }
    return address;
}

std::optional<Ipv4Address> parse_ipv4(std::string_view text) {
    return parse_ip<Ipv4Address>(AF_INET, text);
}

std::optional<Ipv6Address> parse_ipv6(std::string_view text) {
    return parse_ip<Ipv6Address>(AF_INET6, text);
}

MacAddress mac(std::string_view text) {
    return literal(parse_mac(text));
}

Ipv4Address ip4(std::string_view text) {
    return literal(parse_ipv4(text));
}

Ipv6Address ip6(std::string_view text) {
    return literal(parse_ipv6(text));
}

}  // namespace skep::packet
