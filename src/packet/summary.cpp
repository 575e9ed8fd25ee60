// SPDX-License-Identifier: Apache-2.0
#include "packet/summary.hpp"

#include <fmt/format.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <algorithm>
#include <span>

#include "packet/address.hpp"
#include "packet/link.hpp"
#include "packet/wire.hpp"

namespace skep::packet {
namespace {

constexpr const char* kCut = "cut short";

template <typename Address>
std::optional<std::string> address_at(ByteView bytes, uint64_t offset) {
    const auto address = load<Address>(bytes, offset);
    if (!address) return std::nullopt;
    return to_string(*address);
}

struct Named {
    uint16_t number;
    const char* name;
};

std::string name_of(std::span<const Named> table, uint16_t number, const char* unknown) {
    const auto row = std::ranges::find(table, number, &Named::number);
    return row == table.end() ? fmt::format("{} {}", unknown, number) : row->name;
}

constexpr Named kIcmpTypes[] = {{0, "echo reply"},           {3, "destination unreachable"},
                                {4, "source quench"},        {5, "redirect"},
                                {8, "echo request"},         {9, "router advertisement"},
                                {10, "router solicitation"}, {11, "time exceeded"},
                                {12, "parameter problem"},   {13, "time stamp query"},
                                {14, "time stamp reply"}};

constexpr Named kIcmpv6Types[] = {{1, "destination unreachable"},
                                  {2, "packet too big"},
                                  {3, "time exceeded"},
                                  {4, "parameter problem"},
                                  {128, "echo request"},
                                  {129, "echo reply"},
                                  {130, "multicast listener query"},
                                  {131, "multicast listener report"},
                                  {132, "multicast listener done"},
                                  {133, "router solicitation"},
                                  {134, "router advertisement"},
                                  {135, "neighbor solicitation"},
                                  {136, "neighbor advertisement"},
                                  {137, "redirect"},
                                  {143, "multicast listener report v2"}};

constexpr Named kProtocols[] = {
    {IPPROTO_ICMP, "ICMP"},    {IPPROTO_IGMP, "IGMP"}, {IPPROTO_IPIP, "IP"},
    {IPPROTO_TCP, "TCP"},      {IPPROTO_UDP, "UDP"},   {IPPROTO_IPV6, "IP6"},
    {IPPROTO_GRE, "GRE"},      {IPPROTO_ESP, "ESP"},   {IPPROTO_AH, "AH"},
    {IPPROTO_ICMPV6, "ICMP6"}, {IPPROTO_SCTP, "SCTP"}, {IPPROTO_NONE, "no next header"}};

std::string arp(ByteView bytes) {
    const auto source = address_at<Ipv4Address>(bytes, 14);
    const auto target = address_at<Ipv4Address>(bytes, 24);
    if (!target) return fmt::format("ARP, {}", kCut);
    // Ethernet and IPv4, with the sizes of their addresses.
    if (load_be<uint64_t>(bytes, 0).value() >> 16 != 0x0001'0800'0604) {
        return fmt::format("ARP of another kind, length {}", bytes.size());
    }
    const uint16_t operation = *load_be<uint16_t>(bytes, 6);
    switch (operation) {
        case 1:
            return fmt::format("ARP, Request who-has {} tell {}, length {}", *target, *source,
                               bytes.size());
        case 2:
            return fmt::format("ARP, Reply {} is-at {}, length {}", *source,
                               *address_at<MacAddress>(bytes, 8), bytes.size());
        default: return fmt::format("ARP, operation {}, length {}", operation, bytes.size());
    }
}

// What an IP header says of its payload, and as much of that as was captured.
struct Datagram {
    const char* family;
    std::string source, destination;
    uint8_t protocol = 0;
    uint32_t length = 0;
    ByteView payload = {};
    bool fragment = false;  ///< not the first: no transport header here
    uint32_t fragment_offset = 0;
};

std::string addresses(const Datagram& ip) {
    return fmt::format("{} {} > {}: ", ip.family, ip.source, ip.destination);
}

std::string endpoints(const Datagram& ip) {
    return fmt::format("{} {}.{} > {}.{}: ", ip.family, ip.source,
                       *load_be<uint16_t>(ip.payload, 0), ip.destination,
                       *load_be<uint16_t>(ip.payload, 2));
}

std::string tcp(const Datagram& ip) {
    if (ip.payload.size() < 20) return addresses(ip) + "TCP, " + kCut;
    constexpr std::string_view kLetters = "FSRP.UEW";
    const uint8_t bits = ip.payload[13];
    std::string flags;
    for (size_t bit = 0; bit < kLetters.size(); ++bit) {
        if (bits >> bit & 1) flags += kLetters[bit];
    }
    std::string line =
        endpoints(ip) + fmt::format("Flags [{}]", flags.empty() ? "none" : flags.c_str());
    const uint32_t header_size = ip.payload[12] >> 4 << 2;
    if (header_size < 20 || header_size > ip.length) {
        return line + fmt::format(", a header of {} bytes", header_size);
    }
    const uint32_t length = ip.length - header_size;
    const uint32_t seq = *load_be<uint32_t>(ip.payload, 4);
    constexpr uint8_t kFinSynRst = 7, kAck = 16, kUrg = 32;
    if (length > 0) {
        line += fmt::format(", seq {}:{}", seq, seq + length);
    } else if (bits & kFinSynRst) {
        line += fmt::format(", seq {}", seq);
    }
    if (bits & kAck) line += fmt::format(", ack {}", *load_be<uint32_t>(ip.payload, 8));
    line += fmt::format(", win {}", *load_be<uint16_t>(ip.payload, 14));
    if (bits & kUrg) line += fmt::format(", urg {}", *load_be<uint16_t>(ip.payload, 18));
    return line + fmt::format(", length {}", length);
}

std::string udp(const Datagram& ip) {
    const auto length = load_be<uint16_t>(ip.payload, 4);
    if (!length) return addresses(ip) + "UDP, " + kCut;
    if (*length < 8) return endpoints(ip) + fmt::format("UDP, bad length {}", *length);
    return endpoints(ip) + fmt::format("UDP, length {}", *length - 8);
}

std::string echo(ByteView message) {
    const auto id = load_be<uint16_t>(message, 4), seq = load_be<uint16_t>(message, 6);
    return seq ? fmt::format(", id {}, seq {}", *id, *seq) : fmt::format(", {}", kCut);
}

std::string icmp(const Datagram& ip) {
    const auto type = load<uint8_t>(ip.payload, 0), code = load<uint8_t>(ip.payload, 1);
    if (!code) return addresses(ip) + "ICMP, " + kCut;
    std::string line = addresses(ip) + "ICMP " + name_of(kIcmpTypes, *type, "type");
    if (*type == 0 || *type == 8) {
        line += echo(ip.payload);
    } else if (*code != 0) {
        line += fmt::format(", code {}", *code);
    }
    return line + fmt::format(", length {}", ip.length);
}

std::string icmpv6(const Datagram& ip) {
    const auto type = load<uint8_t>(ip.payload, 0), code = load<uint8_t>(ip.payload, 1);
    if (!code) return addresses(ip) + "ICMP6, " + kCut;
    std::string line = addresses(ip) + "ICMP6, " + name_of(kIcmpv6Types, *type, "type");
    if (*type == 128 || *type == 129) {
        line += echo(ip.payload);
    } else if (*type == 135 || *type == 136) {
        const char* verb = *type == 135 ? "who has" : "tgt is";
        const auto target = address_at<Ipv6Address>(ip.payload, 8);
        line += target ? fmt::format(", {} {}", verb, *target) : fmt::format(", {}", kCut);
    } else if (*code != 0) {
        line += fmt::format(", code {}", *code);
    }
    return line + fmt::format(", length {}", ip.length);
}

std::string transport(const Datagram& ip) {
    if (ip.fragment) {
        return addresses(ip) + fmt::format("fragment of {} at {}, length {}",
                                           name_of(kProtocols, ip.protocol, "protocol"),
                                           ip.fragment_offset, ip.length);
    }
    switch (ip.protocol) {
        case IPPROTO_TCP: return tcp(ip);
        case IPPROTO_UDP: return udp(ip);
        case IPPROTO_ICMP: return icmp(ip);
        case IPPROTO_ICMPV6: return icmpv6(ip);
        default:
            return addresses(ip) + fmt::format("{}, length {}",
                                               name_of(kProtocols, ip.protocol, "protocol"),
                                               ip.length);
    }
}

std::string ipv4(ByteView bytes) {
    const auto destination = address_at<Ipv4Address>(bytes, 16);
    if (!destination) return fmt::format("IP, {}", kCut);
    const uint32_t header_size = (bytes[0] & 15) * 4;
    if (bytes[0] >> 4 != 4 || header_size < 20) {
        return fmt::format("IP, bad header (version {}, {} bytes)", bytes[0] >> 4, header_size);
    }
    // Segmentation in the network card leaves a length of zero.
    uint32_t total = *load_be<uint16_t>(bytes, 2);
    if (total == 0) total = static_cast<uint32_t>(bytes.size());
    if (total < header_size) return fmt::format("IP, bad length {}", total);
    const uint32_t offset = (*load_be<uint16_t>(bytes, 6) & 0x1fff) * 8;
    bytes = bytes.first(std::min<size_t>(bytes.size(), total));
    return transport({.family = "IP",
                      .source = *address_at<Ipv4Address>(bytes, 12),
                      .destination = *destination,
                      .protocol = bytes[9],
                      .length = total - header_size,
                      .payload = bytes.subspan(std::min<size_t>(bytes.size(), header_size)),
                      .fragment = offset != 0,
                      .fragment_offset = offset});
}

// Moves over one extension header; false where the next is none, or is not all there.
bool skip_extension(Datagram& ip) {
    const auto next = load<uint8_t>(ip.payload, 0);
    uint32_t size = 8;
    switch (ip.protocol) {
        case IPPROTO_HOPOPTS:
        case IPPROTO_ROUTING:
        case IPPROTO_DSTOPTS: size += load<uint8_t>(ip.payload, 1).value_or(0) * 8; break;
        case IPPROTO_FRAGMENT: break;
        default: return false;
    }
    if (size > ip.payload.size() || size > ip.length) return false;
    if (ip.protocol == IPPROTO_FRAGMENT) {
        ip.fragment_offset = *load_be<uint16_t>(ip.payload, 2) & ~7u;
        ip.fragment = ip.fragment_offset != 0;
    }
    ip.protocol = *next;
    ip.length -= size;
    ip.payload = ip.payload.subspan(size);
    return !ip.fragment;
}

std::string ipv6(ByteView bytes) {
    constexpr size_t kHeaderSize = 40;
    const auto destination = address_at<Ipv6Address>(bytes, 24);
    if (!destination) return fmt::format("IP6, {}", kCut);
    if (bytes[0] >> 4 != 6) return fmt::format("IP6, bad header (version {})", bytes[0] >> 4);
    Datagram ip = {.family = "IP6",
                   .source = *address_at<Ipv6Address>(bytes, 8),
                   .destination = *destination,
                   .protocol = bytes[6],
                   .length = *load_be<uint16_t>(bytes, 4),
                   .payload = bytes.subspan(kHeaderSize)};
    ip.payload = ip.payload.first(std::min<size_t>(ip.payload.size(), ip.length));
    while (skip_extension(ip)) {
    }
    return transport(ip);
}

}  // namespace

std::string summary(LinkType type, ByteView packet) {
    const auto l2 = parse_link(type, packet);
    if (!l2) {
        return fmt::format("link type {}{}, length {}", to_string(type),
                           has_ethernet_view(type) ? fmt::format(", {}", kCut) : "", packet.size());
    }
    std::string line;
    for (size_t i = 0; i < std::min<size_t>(l2->vlan_count, l2->vlan_tci.size()); ++i) {
        line += fmt::format("vlan {}, ", l2->vlan_tci[i] & 0xfff);
    }
    const ByteView network = packet.subspan(std::min<size_t>(packet.size(), l2->network));
    switch (l2->ethertype) {
        case ETH_P_IP: return line + ipv4(network);
        case ETH_P_IPV6: return line + ipv6(network);
        case ETH_P_ARP: return line + arp(network);
        case ETH_P_802_2: return line + fmt::format("802.2, length {}", network.size());
        default:
            return line +
                   fmt::format("ethertype {:#06x}, length {}", l2->ethertype, network.size());
    }
}

}  // namespace skep::packet
