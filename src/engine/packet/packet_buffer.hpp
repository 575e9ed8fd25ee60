// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "packet/address.hpp"

struct xdp_md;     // linux/bpf.h, whose names clash with libpcap's
struct __sk_buff;  //

namespace skep::maps {
class Map;
}

namespace skep::engine {

struct Event;

// One packet as programs and their helpers have it: what the kernel keeps in an xdp_buff or an
// sk_buff. Keep one and start it again for each packet; it allocates only to grow.
//
//     PacketBuffer packet;
//     if (!packet.start_skb(frame, {.ifindex = 2})) ...        // too short for an Ethernet header
//     packet.attach(event);                                    // ctx, data, data_end, packet
//     Outcome outcome = prog.run(execution, event);
//     Bytes changed = packet.frame();
//
// The bytes are linear, always: no fragments, so what helpers do to make packets linear succeeds at
// once. An xdp packet lies in a page as in the kernel's test run (256 bytes of headroom, 320 at the
// end taken); a longer one gets as many pages as it needs. An skb has no such limits.
//
// The context that programs see is the UAPI struct itself, and its fields are the only copy of what
// they hold: what a program stores is there at once, and what helpers change they change in it.
// Values that stand in network order in the kernel (protocol, vlan_proto) do so here.
//
// Header positions are relative to where the packet began when it was started, so they stay right
// as room is made in front. One thread at a time.

/// What the interface says about a packet that a program of type xdp gets.
struct XdpInfo {
    uint32_t ifindex = 1;
    uint32_t rx_queue = 0;
    uint32_t egress_ifindex = 0;
    ByteView metadata = {};  ///< a multiple of 4 bytes, at most 252
};

/// The socket that an skb belongs to, as far as programs can ask.
struct SocketInfo {
    uint64_t cookie = 0;
    uint32_t uid = 65534;
    uint32_t family = 0;  ///< AF_INET, AF_INET6 or 0
    std::array<uint8_t, 16> local_address = {};
    std::array<uint8_t, 16> remote_address = {};
    uint16_t local_port = 0;   ///< host order
    uint16_t remote_port = 0;  ///< host order
};

/// What the kernel knows of an skb besides its bytes.
struct SkbInfo {
    /// Programs see it from the network header on (cgroup_skb), not from the Ethernet header.
    bool from_network = false;
    /// Take an outer VLAN tag out of the bytes, as the receive path does before tc and sockets.
    bool untag = true;
    bool at_ingress = false;  ///< of tc
    bool sum_known = false;   ///< CHECKSUM_COMPLETE: the device has added up the packet
    uint32_t ifindex = 1;
    uint32_t ingress_ifindex = 0;
    uint32_t mark = 0;
    uint32_t priority = 0;
    uint32_t queue_mapping = 0;
    std::array<uint32_t, 5> cb = {};
    uint64_t tstamp = 0;
    uint64_t hwtstamp = 0;
    uint32_t wire_len = 0;  ///< 0: the packet's own length
    uint32_t gso_segs = 0;
    uint32_t gso_size = 0;
    /// PACKET_HOST...; else by the destination address, which is the host's if it is `device`.
    std::optional<uint8_t> type = {};
    packet::MacAddress device = {};
    std::optional<SocketInfo> socket = {};
};

/// Where a program has sent the packet. Whether it goes there is up to the verdict.
struct Redirect {
    enum class Kind : uint8_t { Interface, Peer, Neighbour, Map };
    Kind kind = Kind::Interface;
    uint32_t ifindex = 0;  ///< 0: another kind of target, or several
    bool ingress = false;  ///< into the interface as if received there
    maps::Map* map = nullptr;
    uint32_t key = 0;
    bool broadcast = false;        ///< to all entries of the map
    bool exclude_ingress = false;  ///< but to the interface that it came from
};

/// A copy that the program has sent off (clone_redirect).
struct PacketClone {
    uint32_t ifindex = 0;
    bool ingress = false;
    Bytes frame = {};
};

class PacketBuffer {
  public:
    enum class Kind : uint8_t { Xdp, Skb };
    enum class Summed : uint8_t { None, Unnecessary, Complete };

    static constexpr uint32_t kHeadroom = 256;  ///< XDP_PACKET_HEADROOM
    static constexpr uint32_t kEthernetHeader = 14;
    static constexpr uint32_t kVlanHeader = 4;

    /// `frame` begins with an Ethernet header. False where it is too short for that (and, of a
    /// tagged skb, for the tag): no driver hands such a packet on.
    bool start_xdp(ByteView frame, const XdpInfo& info);
    bool start_skb(ByteView frame, const SkbInfo& info);

    /// Makes `event` this packet's; later changes are written through to it.
    void attach(Event& event);

    Kind kind() const { return kind_; }
    uint8_t* data() { return at_position(data_); }
    uint32_t size() const { return static_cast<uint32_t>(end_ - data_); }
    ByteView bytes() const { return {at_position(data_), size()}; }  ///< as the program sees it
    ByteView metadata() const { return {at_position(meta_), static_cast<size_t>(data_ - meta_)}; }
    /// The packet from its Ethernet header on, with the VLAN tag that an skb keeps beside it.
    Bytes frame() const;
    void append_frame(Bytes& out) const;

    /// `size` bytes at `offset`, or null where they do not lie wholly inside.
    uint8_t* at(uint64_t offset, uint64_t size) {
        return offset + size <= this->size() ? data() + offset : nullptr;
    }
    // What dynptrs of packets do: 0 or the kernel's negative errno.
    int load(uint32_t offset, void* to, uint32_t size) const;
    int store(uint32_t offset, const void* from, uint32_t size);

    xdp_md& xdp_ctx() { return *reinterpret_cast<xdp_md*>(ctx_.data()); }
    __sk_buff& skb_ctx() { return *reinterpret_cast<__sk_buff*>(ctx_.data()); }
    const __sk_buff& skb_ctx() const { return *reinterpret_cast<const __sk_buff*>(ctx_.data()); }
    /// Brings fields that are narrower in the kernel than in __sk_buff to what it would have kept.
    void narrow_ctx();

    std::optional<Redirect> redirect = {};
    std::vector<PacketClone> clones = {};

    // --- what skb_ops and xdp_ops are made of ---

    /// What an sk_buff has that programs cannot see directly.
    struct Hidden {
        int64_t mac = 0;      // positions
        int64_t network = 0;  //
        std::optional<int64_t> transport = {};
        uint32_t mac_len = 0;
        bool at_ingress = false;
        bool encapsulation = false;
        bool hash_valid = false;
        Summed summed = Summed::None;
        uint8_t csum_level = 0;
        uint32_t csum = 0;  ///< of Complete: the sum from the network header to the end
        std::optional<SocketInfo> socket = {};
    };
    Hidden& hidden() { return hidden_; }
    const Hidden& hidden() const { return hidden_; }

    int64_t data_position() const { return data_; }
    int64_t end_position() const { return end_; }
    int64_t meta_position() const { return meta_; }
    uint8_t* at_position(int64_t position) { return storage_.data() + (position + origin_); }
    const uint8_t* at_position(int64_t position) const {
        return storage_.data() + (position + origin_);
    }
    int64_t network_offset() const { return hidden_.network - data_; }
    uint32_t mac_header_len() const { return static_cast<uint32_t>(hidden_.network - hidden_.mac); }

    void push(uint32_t count);     ///< room in front, whatever was there; makes it
    void pull(uint32_t count);     ///< gives up bytes in front
    void set_size(uint32_t size);  ///< new bytes at the end are zeros
    void reserve(uint32_t size);   ///< that many bytes from the start can be touched
    void set_xdp(int64_t data, int64_t meta);
    int64_t xdp_lowest() const { return kXdpFrame - int64_t{kHeadroom}; }
    int64_t xdp_highest() const { return xdp_highest_; }
    void publish();  ///< after any of these, once

  private:
    static constexpr int64_t kXdpFrame = 40;      // sizeof(struct xdp_frame)
    static constexpr uint32_t kSharedInfo = 320;  // aligned struct skb_shared_info
    static constexpr uint32_t kPage = 4096;

    void place(ByteView frame, size_t headroom, size_t capacity);
    void parse_link(const SkbInfo& info);
    bool take_tag_out();
    void fill_skb_ctx(const SkbInfo& info);

    Kind kind_ = Kind::Skb;
    Bytes storage_;
    int64_t origin_ = 0;  // the index in storage_ of position 0
    int64_t meta_ = 0, data_ = 0, end_ = 0;
    int64_t lowest_ = 0;   // what has been in use in front of position 0, and is not zero
    int64_t highest_ = 0;  // the end of what is this packet's; beyond may be what others have left
    int64_t xdp_highest_ = 0;
    alignas(8) std::array<uint8_t, 192> ctx_ = {};  // the UAPI struct
    uint32_t queue_mapping_ = 0;                    // the last that was valid
    Hidden hidden_;
    Event* event_ = nullptr;
};

}  // namespace skep::engine
