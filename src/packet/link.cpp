// SPDX-License-Identifier: Apache-2.0
#include "packet/link.hpp"

#include <linux/if_ether.h>
#include <net/if_arp.h>

#include <algorithm>

#include "packet/wire.hpp"

namespace skep::packet {
namespace {

constexpr size_t kEthernetSize = 14;
constexpr size_t kSllSize = 16;
constexpr size_t kSll2Size = 20;
constexpr size_t kFamilySize = 4;

// What stands before VLAN tags and network header: how long it is and what it says comes next.
struct LinkHeader {
    size_t size = 0;
    uint16_t protocol = 0;
    Direction direction = Direction::Unknown;
    uint32_t ifindex = 0;
};

std::optional<LinkHeader> parse_ethernet(ByteView bytes) {
    const auto type = load_be<uint16_t>(bytes, 12);
    if (!type) return std::nullopt;
    if (*type >= ETH_P_802_3_MIN) return LinkHeader{kEthernetSize, *type};
    // A length: 802.3. Novell's raw IPX starts with 0xffff, all else with an 802.2 header.
    const auto llc = load_be<uint16_t>(bytes, kEthernetSize);
    if (llc == 0xffff) return LinkHeader{kEthernetSize, ETH_P_802_3};
    return LinkHeader{kEthernetSize, ETH_P_802_2};
}

LinkHeader parse_raw(ByteView bytes) {
    const int version = bytes.empty() ? 0 : bytes[0] >> 4;
    return {0, static_cast<uint16_t>(version == 4 ? ETH_P_IP : version == 6 ? ETH_P_IPV6 : 0)};
}

// The address family of BSD's <sys/socket.h>: one number for IPv4, several for IPv6. DLT_NULL has
// it in the capturing machine's order; families are small, so a big number is one to swap.
std::optional<LinkHeader> parse_family(ByteView bytes) {
    auto family = load_be<uint32_t>(bytes, 0);
    if (!family) return std::nullopt;
    if (*family > 0xffff) family = swap_bytes(*family);
    switch (*family) {
        case 2: return LinkHeader{kFamilySize, ETH_P_IP};
        case 10:  // Linux
        case 24:  // NetBSD, OpenBSD
        case 28:  // FreeBSD
        case 30:  // Darwin
            return LinkHeader{kFamilySize, ETH_P_IPV6};
        default: return LinkHeader{kFamilySize, 0};
    }
}

// PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST and PACKET_OTHERHOST arrive; PACKET_OUTGOING
// leaves.
Direction cooked_direction(uint16_t packet_type) {
    return packet_type < 4 ? Direction::In : packet_type == 4 ? Direction::Out : Direction::Unknown;
}

// The protocol field of a cooked header is an ethertype unless the device is of a kind of its own.
uint16_t cooked_protocol(uint16_t device_type, uint16_t protocol) {
    constexpr uint16_t kArphrdNetlink = 824;
    return device_type == kArphrdNetlink ? 0 : protocol;
}

std::optional<LinkHeader> parse_sll(ByteView bytes) {
    const auto header = slice(bytes, 0, kSllSize);
    if (!header) return std::nullopt;
    const uint16_t protocol = *load_be<uint16_t>(*header, 14);
    return LinkHeader{kSllSize, cooked_protocol(*load_be<uint16_t>(*header, 2), protocol),
                      cooked_direction(*load_be<uint16_t>(*header, 0))};
}

std::optional<LinkHeader> parse_sll2(ByteView bytes) {
    const auto header = slice(bytes, 0, kSll2Size);
    if (!header) return std::nullopt;
    const uint16_t protocol = *load_be<uint16_t>(*header, 0);
    return LinkHeader{kSll2Size, cooked_protocol(*load_be<uint16_t>(*header, 8), protocol),
                      cooked_direction((*header)[10]), *load_be<uint32_t>(*header, 4)};
}

constexpr struct {
    uint16_t ppp;
    uint16_t ethertype;
} kPppProtocols[] = {
    {0x0021, ETH_P_IP}, {0x0057, ETH_P_IPV6}, {0x0281, ETH_P_MPLS_UC}, {0x0283, ETH_P_MPLS_MC}};

// Address and control may be left out, and the protocol is one byte long where that is odd.
std::optional<LinkHeader> parse_ppp(ByteView bytes) {
    size_t at = 0;
    const auto framing = load_be<uint16_t>(bytes, 0);
    if (framing == 0x0f00 || framing == 0x8f00) {  // Cisco HDLC on the same kind of line
        const auto type = load_be<uint16_t>(bytes, 2);
        if (!type) return std::nullopt;
        return LinkHeader{4, *type >= ETH_P_802_3_MIN ? *type : uint16_t{0}};
    }
    if (framing == 0xff03) at = 2;
    const auto first = load<uint8_t>(bytes, at);
    if (!first) return std::nullopt;
    uint16_t protocol = *first;
    ++at;
    if (protocol % 2 == 0) {
        const auto second = load<uint8_t>(bytes, at);
        if (!second) return std::nullopt;
        protocol = static_cast<uint16_t>(protocol << 8 | *second);
        ++at;
    }
    for (const auto& row : kPppProtocols) {
        if (row.ppp == protocol) return LinkHeader{at, row.ethertype};
    }
    return LinkHeader{at, 0};
}

std::optional<LinkHeader> parse_header(LinkType type, ByteView bytes) {
    switch (type) {
        case LinkType::Ethernet: return parse_ethernet(bytes);
        case LinkType::Raw: return parse_raw(bytes);
        case LinkType::Ipv4: return LinkHeader{0, ETH_P_IP};
        case LinkType::Ipv6: return LinkHeader{0, ETH_P_IPV6};
        case LinkType::LinuxSll: return parse_sll(bytes);
        case LinkType::LinuxSll2: return parse_sll2(bytes);
        case LinkType::Null:
        case LinkType::Loop: return parse_family(bytes);
        case LinkType::Ppp:
        case LinkType::PppHdlc: return parse_ppp(bytes);
    }
    return std::nullopt;
}

bool has_length_for_type(uint16_t protocol) {
    return protocol == ETH_P_802_2 || protocol == ETH_P_802_3;
}

bool is_vlan(uint16_t ethertype) {
    return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD || ethertype == ETH_P_QINQ1 ||
           ethertype == ETH_P_QINQ2;
}

void skip_vlan_tags(ByteView bytes, L2Info& info) {
    while (is_vlan(info.ethertype)) {
        const auto tag = load_be<uint32_t>(bytes, info.network);
        if (!tag) return;
        if (info.vlan_count < info.vlan_tci.size()) {
            info.vlan_tci[info.vlan_count] = static_cast<uint16_t>(*tag >> 16);
        }
        if (info.vlan_count < UINT8_MAX) ++info.vlan_count;
        info.ethertype = static_cast<uint16_t>(*tag);
        info.network += 4;
    }
}

// 802.2 with SNAP and the zero organisation code carries an ethertype after all (RFC 1042).
void skip_snap(ByteView bytes, L2Info& info) {
    constexpr std::array<uint8_t, 6> kSnap = {0xaa, 0xaa, 0x03, 0, 0, 0};
    if (info.ethertype != ETH_P_802_2) return;
    const auto llc = slice(bytes, info.network, kSnap.size());
    const auto type = load_be<uint16_t>(bytes, info.network + kSnap.size());
    if (!llc || !type || !std::ranges::equal(*llc, kSnap)) return;
    info.ethertype = *type;
    info.network += kSnap.size() + sizeof(uint16_t);
}

void set_head(FrameView& view, ByteView bytes) {
    std::ranges::copy(bytes, view.head_bytes.begin());
    view.head_size = static_cast<uint8_t>(bytes.size());
}

// The sender's six-byte address, where a cooked header has one.
std::optional<ByteView> cooked_address(LinkType type, ByteView packet) {
    const bool sll2 = type == LinkType::LinuxSll2;
    if (!sll2 && type != LinkType::LinuxSll) return std::nullopt;
    const uint16_t size = sll2 ? packet[11] : *load_be<uint16_t>(packet, 4);
    if (size != ETH_ALEN) return std::nullopt;
    return packet.subspan(sll2 ? 12 : 6, ETH_ALEN);
}

}  // namespace

std::optional<L2Info> parse_link(LinkType type, ByteView bytes) {
    const auto header = parse_header(type, bytes);
    if (!header) return std::nullopt;
    L2Info info = {.network = static_cast<uint32_t>(header->size),
                   .ethertype = header->protocol,
                   .direction = header->direction,
                   .ifindex = header->ifindex};
    skip_vlan_tags(bytes, info);
    skip_snap(bytes, info);
    return info;
}

Bytes FrameView::to_bytes() const {
    Bytes bytes;
    bytes.reserve(size());
    append(bytes, head());
    append(bytes, rest);
    return bytes;
}

bool has_ethernet_view(LinkType type) {
    constexpr std::array<uint8_t, kSll2Size> kZeros = {};  // a header to every reader above
    return parse_header(type, kZeros).has_value();
}

std::optional<FrameView> ethernet_view(LinkType type, ByteView packet) {
    if (type == LinkType::Ethernet) return FrameView{.rest = packet};
    const auto header = parse_header(type, packet);
    if (!header) return std::nullopt;
    FrameView view = {.head_size = kEthernetSize, .rest = packet.subspan(header->size)};
    uint16_t protocol = header->protocol;
    if (has_length_for_type(protocol)) {
        // 802.3 has a length where Ethernet II has a type.
        if (view.rest.size() >= ETH_P_802_3_MIN) return std::nullopt;
        protocol = static_cast<uint16_t>(view.rest.size());
    } else if (protocol < ETH_P_802_3_MIN) {
        return std::nullopt;
    }
    if (const auto address = cooked_address(type, packet)) {
        std::ranges::copy(*address, view.head_bytes.begin() + ETH_ALEN);
    }
    store_be(view.head_bytes.data() + 2 * ETH_ALEN, protocol);
    return view;
}

namespace {

void set_cooked_head(FrameView& view, LinkType type, uint16_t protocol, ByteView original) {
    const bool sll2 = type == LinkType::LinuxSll2;
    const size_t size = sll2 ? kSll2Size : kSllSize;
    const size_t protocol_offset = sll2 ? 0 : 14;
    if (const auto header = slice(original, 0, size)) {
        set_head(view, *header);
        // A length in the frame does not say which of the two was meant.
        const uint16_t before = *load_be<uint16_t>(*header, protocol_offset);
        if (has_length_for_type(before) && has_length_for_type(protocol)) return;
    } else {
        view.head_size = static_cast<uint8_t>(size);
        store_be<uint16_t>(view.head_bytes.data() + (sll2 ? 8 : 2), ARPHRD_ETHER);
    }
    store_be(view.head_bytes.data() + protocol_offset, protocol);
}

// IPv6's number is one of several that readers take; Darwin's is what libpcap's registry names.
bool set_family_head(FrameView& view, LinkType type, uint16_t protocol, ByteView original) {
    if (protocol != ETH_P_IP && protocol != ETH_P_IPV6) return false;
    uint32_t family = protocol == ETH_P_IP ? 2 : 30;
    const auto before = load<uint32_t>(original, 0);
    const bool big_endian = before ? *before > 0xffff : type == LinkType::Loop;
    if (big_endian) family = swap_bytes(family);
    set_head(view, bytes_of(family));
    return true;
}

bool set_ppp_head(FrameView& view, uint16_t protocol) {
    for (const auto& row : kPppProtocols) {
        if (row.ethertype != protocol) continue;
        const std::array<uint8_t, 4> head = {0xff, 0x03, static_cast<uint8_t>(row.ppp >> 8),
                                             static_cast<uint8_t>(row.ppp)};
        set_head(view, head);
        return true;
    }
    return false;
}

bool keep_head(FrameView& view, LinkType type, uint16_t protocol, ByteView original) {
    const auto header = parse_header(type, original);
    if (!header || header->protocol != protocol) return false;
    set_head(view, original.first(header->size));
    return true;
}

bool set_original_head(FrameView& view, LinkType type, uint16_t protocol, ByteView original) {
    switch (type) {
        case LinkType::Ethernet: return false;
        case LinkType::Raw: return protocol == ETH_P_IP || protocol == ETH_P_IPV6;
        case LinkType::Ipv4: return protocol == ETH_P_IP;
        case LinkType::Ipv6: return protocol == ETH_P_IPV6;
        case LinkType::LinuxSll:
        case LinkType::LinuxSll2: set_cooked_head(view, type, protocol, original); return true;
        case LinkType::Null:
        case LinkType::Loop:
            return keep_head(view, type, protocol, original) ||
                   set_family_head(view, type, protocol, original);
        case LinkType::Ppp:
        case LinkType::PppHdlc:
            return keep_head(view, type, protocol, original) || set_ppp_head(view, protocol);
    }
    return false;
}

}  // namespace

Result<FrameView> original_view(LinkType type, ByteView frame, ByteView original) {
    if (type == LinkType::Ethernet) return FrameView{.rest = frame};
    const auto header = parse_ethernet(frame);
    if (!header) {
        return unsupported(
            "a frame of {} bytes, too short for an Ethernet header, cannot be "
            "written as link type {}",
            frame.size(), to_string(type));
    }
    FrameView view = {.rest = frame.subspan(kEthernetSize)};
    if (!set_original_head(view, type, header->protocol, original)) {
        return unsupported("a frame of ethertype {:#06x} cannot be written as link type {}",
                           header->protocol, to_string(type));
    }
    return view;
}

}  // namespace skep::packet
