// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "packet/link_type.hpp"

namespace skep::packet {

// The link-layer header of a captured packet: where the network header starts, and what it is.
//
//     if (const auto l2 = parse_link(LinkType::Ethernet, bytes); l2 && l2->ethertype == ETH_P_IP)
//         show_ipv4(bytes.subspan(l2->network));
//
// Read are Ethernet (VLAN tags and 802.2 SNAP included), raw IP, Linux cooked v1 and v2, BSD and
// OpenBSD loopback, and PPP (with and without HDLC framing). Nothing here allocates or throws; any
// bytes are safe.
//
// Sources: https://www.tcpdump.org/linktypes.html; eth_type_trans() of Linux for what is no
// Ethernet II; RFC 1661 and 1662 for PPP.

/// Which way a packet went, where the capture says.
enum class Direction : uint8_t { Unknown, In, Out };

struct L2Info {
    uint32_t network = 0;    ///< offset of the network header, VLAN tags skipped; may be the end
    uint16_t ethertype = 0;  ///< what is there: ETH_P_*, in host order; 0 where nobody says
    uint8_t vlan_count = 0;  ///< how many tags were skipped
    std::array<uint16_t, 2> vlan_tci = {};  ///< the first two of them, outermost first, host order
    Direction direction = Direction::Unknown;
    uint32_t ifindex = 0;  ///< of the capturing machine (cooked v2 only)
};

/// Nothing for a link type that is not read here and for bytes that end before the header does.
std::optional<L2Info> parse_link(LinkType type, ByteView bytes);

/// A packet in two pieces, so that changing its link-layer header copies nothing: `head()`, then
/// `rest`, which points into the packet that it was made from.
struct FrameView {
    std::array<uint8_t, 20> head_bytes = {};
    uint8_t head_size = 0;
    ByteView rest = {};

    ByteView head() const { return ByteView(head_bytes).first(head_size); }
    size_t size() const { return head_size + rest.size(); }
    Bytes to_bytes() const;
};

/// Whether packets of this type can be given to programs that expect Ethernet frames (XDP, tc).
bool has_ethernet_view(LinkType type);

/// The packet as an Ethernet frame. Ethernet itself stays what it is. Every other type has its
/// header replaced by an Ethernet one: the ethertype that parse_link() finds (VLAN tags, if any,
/// follow), a zero destination, and as source the sender's address where a cooked header has one of
/// six bytes, else zero. Nothing where the packet's protocol has no ethertype.
std::optional<FrameView> ethernet_view(LinkType type, ByteView packet);

/// The inverse, for writing a frame that a program may have changed back to a capture of `type`.
/// The header of `original`, the packet that the frame was made from (empty for a new one), is
/// kept, with its protocol set to the frame's. The MAC addresses are lost, as such a capture has
/// none. Fails where `type` cannot say what the frame holds, e.g. ARP or a VLAN tag in raw IP.
Result<FrameView> original_view(LinkType type, ByteView frame, ByteView original);

}  // namespace skep::packet
