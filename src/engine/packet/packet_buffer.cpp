// SPDX-License-Identifier: Apache-2.0
#include "engine/packet/packet_buffer.hpp"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/event.hpp"
#include "engine/packet/protocol.hpp"
#include "packet/csum.hpp"

namespace skep::engine {

static_assert(sizeof(xdp_md) <= 192 && sizeof(__sk_buff) == 192);

void PacketBuffer::place(ByteView frame, size_t headroom, size_t capacity) {
    if (storage_.size() < capacity || origin_ != static_cast<int64_t>(headroom)) {
        storage_.assign(capacity, 0);
        origin_ = static_cast<int64_t>(headroom);
    } else if (lowest_ < 0) {
        // What an earlier packet has left in front must not show.
        std::fill(at_position(lowest_), at_position(0), uint8_t{0});
    }
    lowest_ = 0;
    if (!frame.empty()) std::memcpy(at_position(0), frame.data(), frame.size());
    meta_ = data_ = 0;
    end_ = highest_ = static_cast<int64_t>(frame.size());
    redirect.reset();
    clones.clear();
}

bool PacketBuffer::start_xdp(ByteView frame, const XdpInfo& info) {
    if (frame.size() < kEthernetHeader) return false;
    const size_t frame_size = align_up(kHeadroom + frame.size() + kSharedInfo, kPage);
    kind_ = Kind::Xdp;
    place(frame, kHeadroom, frame_size);
    xdp_highest_ = static_cast<int64_t>(frame_size) - kSharedInfo - kHeadroom;
    meta_ = lowest_ = -static_cast<int64_t>(info.metadata.size());
    if (!info.metadata.empty()) {
        std::memcpy(at_position(meta_), info.metadata.data(), info.metadata.size());
    }
    xdp_ctx() = {};
    xdp_ctx().ingress_ifindex = info.ifindex;
    xdp_ctx().rx_queue_index = info.rx_queue;
    xdp_ctx().egress_ifindex = info.egress_ifindex;
    event_ = nullptr;
    return true;
}

bool PacketBuffer::start_skb(ByteView frame, const SkbInfo& info) {
    if (frame.size() < kEthernetHeader) return false;
    kind_ = Kind::Skb;
    place(frame, kHeadroom, kHeadroom + frame.size() + kSharedInfo);
    event_ = nullptr;
    hidden_ = {};
    hidden_.at_ingress = info.at_ingress;
    hidden_.socket = info.socket;
    skb_ctx() = {};
    parse_link(info);
    if (info.untag && is_vlan(static_cast<uint16_t>(skb_ctx().protocol)) && !take_tag_out()) {
        return false;
    }
    // The receive path has been here: both are known to tc, and the sum does not cover the MAC.
    if (info.at_ingress) {
        hidden_.transport = hidden_.network;
        hidden_.mac_len = mac_header_len();
    }
    if (info.sum_known) {
        hidden_.summed = Summed::Complete;
        hidden_.csum = packet::csum_partial(
            {at_position(hidden_.network), static_cast<size_t>(end_ - hidden_.network)});
    }
    if (info.from_network) data_ = meta_ = hidden_.network;
    fill_skb_ctx(info);
    return true;
}

// eth_type_trans().
void PacketBuffer::parse_link(const SkbInfo& info) {
    const uint8_t* frame = at_position(0);
    hidden_.mac = 0;
    hidden_.network = kEthernetHeader;
    skb_ctx().protocol = ethernet_protocol(bytes(), 12);
    if (info.type) {
        skb_ctx().pkt_type = *info.type & 7;
    } else if (std::memcmp(frame, info.device.bytes.data(), ETH_ALEN) == 0) {
        skb_ctx().pkt_type = PACKET_HOST;
    } else if (frame[0] & 1) {
        const bool broadcast =
            std::all_of(frame, frame + ETH_ALEN, [](uint8_t b) { return b == 0xff; });
        skb_ctx().pkt_type = broadcast ? PACKET_BROADCAST : PACKET_MULTICAST;
    } else {
        skb_ctx().pkt_type = PACKET_OTHERHOST;
    }
}

// skb_vlan_untag().
bool PacketBuffer::take_tag_out() {
    uint8_t* frame = at_position(0);
    if (size() < kEthernetHeader + kVlanHeader) return false;
    skb_ctx().vlan_present = 1;
    skb_ctx().vlan_proto = skb_ctx().protocol;
    skb_ctx().vlan_tci = static_cast<uint32_t>(frame[14] << 8 | frame[15]);
    skb_ctx().protocol = ethernet_protocol(bytes(), 16);
    std::memmove(frame + kVlanHeader, frame, size_t{2} * ETH_ALEN);
    data_ = meta_ = hidden_.mac = kVlanHeader;
    hidden_.network = data_ + kEthernetHeader;
    return true;
}

void PacketBuffer::fill_skb_ctx(const SkbInfo& info) {
    __sk_buff& ctx = skb_ctx();
    ctx.mark = info.mark;
    ctx.priority = info.priority;
    ctx.queue_mapping = queue_mapping_ = info.queue_mapping & 0xffff;
    ctx.ifindex = info.ifindex;
    ctx.ingress_ifindex = info.ingress_ifindex;
    std::copy(info.cb.begin(), info.cb.end(), ctx.cb);
    ctx.tstamp = info.tstamp;
    ctx.hwtstamp = info.hwtstamp;
    ctx.wire_len = info.wire_len ? info.wire_len : size();
    ctx.gso_segs = info.gso_segs;
    ctx.gso_size = info.gso_size;
    if (!info.socket) return;
    const SocketInfo& socket = *info.socket;
    ctx.family = socket.family;
    ctx.local_port = socket.local_port;
    ctx.remote_port = uint32_t{__builtin_bswap16(socket.remote_port)} << 16;
    if (socket.family == 2) {
        std::memcpy(&ctx.local_ip4, socket.local_address.data(), 4);
        std::memcpy(&ctx.remote_ip4, socket.remote_address.data(), 4);
    } else if (socket.family == 10) {
        std::memcpy(ctx.local_ip6, socket.local_address.data(), 16);
        std::memcpy(ctx.remote_ip6, socket.remote_address.data(), 16);
    }
}

void PacketBuffer::attach(Event& event) {
    event_ = &event;
    event.packet = this;
    event.ctx = ctx_.data();
    event.ctx_size = kind_ == Kind::Xdp ? sizeof(xdp_md) : sizeof(__sk_buff);
    publish();
}

void PacketBuffer::publish() {
    if (kind_ == Kind::Skb) skb_ctx().len = size();
    if (!event_) return;
    event_->data_meta = at_position(meta_);
    event_->data = at_position(data_);
    event_->data_end = at_position(end_);
}

void PacketBuffer::narrow_ctx() {
    if (kind_ != Kind::Skb) return;
    skb_ctx().tc_classid &= 0xffff;
    skb_ctx().tc_index &= 0xffff;
    // 0xffff is NO_QUEUE_MAPPING: the kernel does not take it, nor what is more.
    if (skb_ctx().queue_mapping >= 0xffff) skb_ctx().queue_mapping = queue_mapping_;
    queue_mapping_ = skb_ctx().queue_mapping;
}

void PacketBuffer::append_frame(Bytes& out) const {
    if (kind_ == Kind::Xdp) return append(out, bytes());
    // Programs of cgroups and sockets see less than the frame, which is still there.
    const int64_t begin = std::min(hidden_.mac, data_);
    const ByteView all(at_position(begin), static_cast<size_t>(end_ - begin));
    if (!skb_ctx().vlan_present || all.size() < 2 * ETH_ALEN) return append(out, all);
    append(out, all.first(2 * ETH_ALEN));
    append(out, static_cast<uint16_t>(skb_ctx().vlan_proto));
    append(out, __builtin_bswap16(static_cast<uint16_t>(skb_ctx().vlan_tci)));
    append(out, all.subspan(2 * ETH_ALEN));
}

Bytes PacketBuffer::frame() const {
    Bytes out;
    append_frame(out);
    return out;
}

// bpf_skb_load_bytes() and bpf_xdp_load_bytes() differ in what they call out of range.
int PacketBuffer::load(uint32_t offset, void* to, uint32_t length) const {
    if (uint64_t{offset} + length > size()) {
        if (kind_ == Kind::Xdp) return offset > 0xffff || length > 0xffff ? -EFAULT : -EINVAL;
        std::memset(to, 0, length);
        return -EFAULT;
    }
    if (kind_ == Kind::Xdp && (offset > 0xffff || length > 0xffff)) return -EFAULT;
    std::memmove(to, at_position(data_ + offset), length);
    return 0;
}

int PacketBuffer::store(uint32_t offset, const void* from, uint32_t length) {
    if (kind_ == Kind::Xdp && (offset > 0xffff || length > 0xffff)) return -EFAULT;
    if (uint64_t{offset} + length > size()) return kind_ == Kind::Xdp ? -EINVAL : -EFAULT;
    std::memmove(at_position(data_ + offset), from, length);
    return 0;
}

void PacketBuffer::push(uint32_t count) {
    data_ -= count;
    meta_ = data_;
    if (data_ + origin_ < 0) {
        const size_t more = align_up(count, kHeadroom);
        storage_.insert(storage_.begin(), more, 0);
        origin_ += static_cast<int64_t>(more);
    }
    lowest_ = std::min(lowest_, data_);
}

void PacketBuffer::pull(uint32_t count) {
    data_ += count;
    meta_ = data_;
}

void PacketBuffer::set_size(uint32_t new_size) {
    const int64_t old_end = end_;
    end_ = data_ + new_size;
    if (end_ <= old_end) return;
    reserve(new_size);
    std::fill(at_position(old_end), at_position(end_), uint8_t{0});
}

void PacketBuffer::reserve(uint32_t size) {
    const int64_t end = data_ + size;
    if (end <= highest_) return;
    const auto needed = static_cast<size_t>(end + origin_);
    if (needed > storage_.size()) storage_.resize(needed);
    std::fill(at_position(highest_), at_position(end), uint8_t{0});
    highest_ = end;
}

void PacketBuffer::set_xdp(int64_t data, int64_t meta) {
    data_ = data;
    meta_ = meta;
    lowest_ = std::min(lowest_, meta_);
}

}  // namespace skep::engine
