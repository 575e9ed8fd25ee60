// SPDX-License-Identifier: Apache-2.0
#include "apps/test/packet_diff.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "base/hex.hpp"
#include "packet/address.hpp"
#include "packet/summary.hpp"

namespace skep::test {

namespace {

struct Part {
    std::string_view name;
    size_t size;
};

// Headers as sequences of parts, as the RFCs draw them.
constexpr Part kEthernet[] = {{"dst", 6}, {"src", 6}, {"type", 2}};
constexpr Part kVlan[] = {{"tci", 2}, {"type", 2}};
constexpr Part kArp[] = {{"hardware", 2}, {"protocol", 2}, {"sizes", 2},   {"operation", 2},
                         {"src_mac", 6},  {"src", 4},      {"dst_mac", 6}, {"dst", 4}};
constexpr Part kIpv4[] = {{"version_ihl", 1}, {"tos", 1}, {"length", 2},   {"id", 2},
                          {"frag", 2},        {"ttl", 1}, {"protocol", 1}, {"checksum", 2},
                          {"src", 4},         {"dst", 4}};
constexpr Part kIpv6[] = {{"version_class_flow", 4}, {"length", 2}, {"next", 1},
                          {"hop_limit", 1},          {"src", 16},   {"dst", 16}};
constexpr Part kTcp[] = {{"src", 2},   {"dst", 2},    {"seq", 4},      {"ack", 4},   {"offset", 1},
                         {"flags", 1}, {"window", 2}, {"checksum", 2}, {"urgent", 2}};
constexpr Part kUdp[] = {{"src", 2}, {"dst", 2}, {"length", 2}, {"checksum", 2}};
constexpr Part kIcmp[] = {{"type", 1}, {"code", 1}, {"checksum", 2}, {"rest", 4}};

class Walker {
  public:
    explicit Walker(ByteView frame) : frame_(frame) {}

    std::vector<PacketField> walk() {
        header("eth", kEthernet);
        uint16_t type = word(at_ - 2);
        for (int tags = 0; tags < 4 && (type == 0x8100 || type == 0x88a8); tags++) {
            header("vlan", kVlan);
            type = word(at_ - 2);
        }
        if (type == 0x0806) header("arp", kArp);
        if (type == 0x0800) ip4(0);
        if (type == 0x86dd) ip6(0);
        return std::move(fields_);
    }

  private:
    uint8_t byte(size_t offset) const { return offset < frame_.size() ? frame_[offset] : 0; }
    uint16_t word(size_t offset) const { return uint16_t(byte(offset) << 8 | byte(offset + 1)); }

    void header(std::string_view name, std::span<const Part> parts) {
        for (const Part& part : parts) {
            fields_.push_back({fmt::format("{}.{}", name, part.name), at_, part.size});
            at_ += part.size;
        }
    }

    void ip4(int depth) {
        const size_t begin = at_;
        const size_t length = size_t(byte(begin) & 0x0f) * 4;
        header("ipv4", kIpv4);
        if (length < 20) return;
        if (length > 20) fields_.push_back({"ipv4.options", at_, length - 20});
        at_ = begin + length;
        if (word(begin + 6) & 0x1fff) return;  // a later fragment
        transport(byte(begin + 9), depth);
    }

    void ip6(int depth) {
        const size_t begin = at_;
        header("ipv6", kIpv6);
        transport(byte(begin + 6), depth);
    }

    void transport(uint8_t protocol, int depth) {
        if (protocol == 6) {
            const size_t begin = at_;
            header("tcp", kTcp);
            const size_t length = size_t(byte(begin + 12) >> 4) * 4;
            if (length > 20) fields_.push_back({"tcp.options", at_, length - 20});
        } else if (protocol == 17) {
            header("udp", kUdp);
        } else if (protocol == 1 || protocol == 58) {
            header(protocol == 1 ? "icmp" : "icmp6", kIcmp);
        } else if (depth < 4 && protocol == 4) {
            ip4(depth + 1);
        } else if (depth < 4 && protocol == 41) {
            ip6(depth + 1);
        }
    }

    ByteView frame_;
    size_t at_ = 0;
    std::vector<PacketField> fields_;
};

std::string shown(const PacketField& field, ByteView frame) {
    const auto bytes = slice(frame, field.offset, field.size);
    if (!bytes) return "missing";
    if (field.size == 4 && (field.name.ends_with(".src") || field.name.ends_with(".dst"))) {
        packet::Ipv4Address ip;
        std::ranges::copy(*bytes, ip.bytes.begin());
        return packet::to_string(ip);
    }
    if (field.size == 16) {
        packet::Ipv6Address ip;
        std::ranges::copy(*bytes, ip.bytes.begin());
        return packet::to_string(ip);
    }
    if (field.size == 6 && !field.name.ends_with("options")) {
        packet::MacAddress mac;
        std::ranges::copy(*bytes, mac.bytes.begin());
        return packet::to_string(mac);
    }
    if (field.size > 4) return to_hex(*bytes);
    uint64_t number = 0;
    for (const uint8_t byte : *bytes) number = number << 8 | byte;
    const bool hex = field.name.ends_with("checksum") || field.name.ends_with("type") ||
                     field.name.ends_with("flags") || field.name.ends_with("frag");
    return hex ? fmt::format("0x{:0{}x}", number, 2 * field.size) : fmt::to_string(number);
}

std::string hex_row(ByteView bytes, size_t at, size_t width) {
    std::string row;
    for (size_t i = at; i < std::min(bytes.size(), at + width); i++)
        row += fmt::format("{}{:02x}", i == at ? "" : " ", bytes[i]);
    return row;
}

}  // namespace

std::vector<PacketField> packet_fields(ByteView frame) {
    return Walker(frame).walk();
}

std::vector<std::string> packet_diff(ByteView expected, ByteView actual) {
    std::vector<std::string> lines;
    if (std::ranges::equal(expected, actual)) return lines;
    const std::string want = packet::summary(packet::LinkType::Ethernet, expected);
    const std::string got = packet::summary(packet::LinkType::Ethernet, actual);
    if (want != got) {
        lines.push_back("expected " + want);
        lines.push_back("actual   " + got);
    }
    if (expected.size() != actual.size())
        lines.push_back(
            fmt::format("size: expected {}, actual {}", expected.size(), actual.size()));
    for (const PacketField& field : packet_fields(expected)) {
        const auto a = slice(expected, field.offset, field.size);
        const auto b = slice(actual, field.offset, field.size);
        if (!a || (b && std::ranges::equal(*a, *b))) continue;
        lines.push_back(fmt::format("{}: expected {}, actual {}", field.name,
                                    shown(field, expected), shown(field, actual)));
    }
    constexpr size_t kWidth = 16, kMostRows = 8;
    size_t rows = 0;
    for (size_t at = 0; at < std::max(expected.size(), actual.size()); at += kWidth) {
        const std::string a = hex_row(expected, at, kWidth), b = hex_row(actual, at, kWidth);
        if (a == b) continue;
        if (++rows > kMostRows) {
            lines.emplace_back("...");
            break;
        }
        lines.push_back(fmt::format("{:04x}  expected {}", at, a));
        lines.push_back(fmt::format("      actual   {}", b));
    }
    return lines;
}

}  // namespace skep::test
