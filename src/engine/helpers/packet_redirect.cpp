// SPDX-License-Identifier: Apache-2.0
// Sending packets elsewhere. A redirect is a wish that the program's verdict grants: the last one
// counts, and what raised the event decides what it means (hooks/packets). There are no interfaces
// here to look up, so any index is taken for one that exists.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <cstring>

#include "engine/helpers/packet.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/packet/skb_ops.hpp"
#include "maps/redirect_map.hpp"

namespace skep::engine {

namespace {

using platform::HelperId;

#ifndef BPF_F_BROADCAST
constexpr uint64_t BPF_F_BROADCAST = 1 << 3;
constexpr uint64_t BPF_F_EXCLUDE_INGRESS = 1 << 4;
#endif

uint64_t redirect(Execution& x, uint64_t ifindex, uint64_t flags, uint64_t, uint64_t, uint64_t) {
    PacketBuffer* packet = packet_of(x);
    if (!packet) return 0;
    const bool xdp = packet->kind() == PacketBuffer::Kind::Xdp;
    const uint64_t allowed = xdp ? 0 : uint64_t{BPF_F_INGRESS};
    if (flags & ~allowed) return xdp ? uint64_t{XDP_ABORTED} : uint64_t{TC_ACT_SHOT};
    packet->redirect = Redirect{.kind = Redirect::Kind::Interface,
                                .ifindex = static_cast<uint32_t>(ifindex),
                                .ingress = (flags & BPF_F_INGRESS) != 0};
    return xdp ? uint64_t{XDP_REDIRECT} : uint64_t{TC_ACT_REDIRECT};
}

uint64_t redirect_peer(Execution& x, uint64_t ifindex, uint64_t flags, uint64_t, uint64_t,
                       uint64_t) {
    PacketBuffer* packet = packet_of(x);
    if (!packet) return 0;
    if (flags) return TC_ACT_SHOT;
    packet->redirect =
        Redirect{.kind = Redirect::Kind::Peer, .ifindex = static_cast<uint32_t>(ifindex)};
    return TC_ACT_REDIRECT;
}

uint64_t redirect_neigh(Execution& x, uint64_t ifindex, uint64_t, uint64_t params_size,
                        uint64_t flags, uint64_t) {
    constexpr uint32_t kParams = 20;  // sizeof(struct bpf_redir_neigh)
    PacketBuffer* packet = packet_of(x);
    if (!packet) return 0;
    const auto size = static_cast<uint32_t>(params_size);
    if ((size != 0 && size < kParams) || flags) return TC_ACT_SHOT;
    packet->redirect =
        Redirect{.kind = Redirect::Kind::Neighbour, .ifindex = static_cast<uint32_t>(ifindex)};
    return TC_ACT_REDIRECT;
}

uint64_t redirect_map(Execution& x, uint64_t map_pointer, uint64_t key, uint64_t flags, uint64_t,
                      uint64_t) {
    constexpr uint64_t kActions = XDP_ABORTED | XDP_DROP | XDP_PASS | XDP_TX;
    PacketBuffer* packet = packet_of(x);
    if (!packet) return 0;
    auto* map = reinterpret_cast<maps::Map*>(map_pointer)->as<maps::RedirectMap>();
    if (!map) return x.fault(Fault::Kind::BadArgument, "this map is none to redirect by", 1);
    const MapType type = map->def().type;
    const bool devices = type == MapType::Devmap || type == MapType::DevmapHash;
    const uint64_t allowed = devices ? BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS : 0;
    if (flags & ~(kActions | allowed)) return XDP_ABORTED;
    const auto index = static_cast<uint32_t>(key);
    const bool broadcast = (flags & allowed & BPF_F_BROADCAST) != 0;
    const void* target = map->target(index);
    if (!target && !broadcast) {
        packet->redirect.reset();
        return flags & kActions;
    }
    packet->redirect = Redirect{.kind = Redirect::Kind::Map,
                                .map = map,
                                .key = index,
                                .broadcast = broadcast,
                                .exclude_ingress = (flags & allowed & BPF_F_EXCLUDE_INGRESS) != 0};
    if (devices && !broadcast) std::memcpy(&packet->redirect->ifindex, target, sizeof(uint32_t));
    return XDP_REDIRECT;
}

uint64_t clone_redirect(Execution& x, uint64_t, uint64_t ifindex, uint64_t flags, uint64_t,
                        uint64_t) {
    PacketBuffer* skb = packet_of(x);
    if (!skb) return 0;
    if (flags & ~uint64_t{BPF_F_INGRESS}) return errno_result(EINVAL);
    if (skb->skb_ctx().gso_size != 0) return errno_result(EBADMSG);
    if (static_cast<uint32_t>(ifindex) == 0) return errno_result(EINVAL);
    if (skb->hidden().mac >= skb->hidden().network || skb->size() == 0) return errno_result(ERANGE);
    skb->clones.push_back({.ifindex = static_cast<uint32_t>(ifindex),
                           .ingress = (flags & BPF_F_INGRESS) != 0,
                           .frame = skb->frame()});
    return 0;
}

constexpr HelperRow kRows[] = {
    {HelperId::redirect, redirect},
    {HelperId::redirect_peer, redirect_peer},
    {HelperId::redirect_neigh, redirect_neigh},
    {HelperId::redirect_map, redirect_map},
    {HelperId::clone_redirect, clone_redirect},
};

}  // namespace

std::span<const HelperRow> redirect_helpers() {
    return kRows;
}

}  // namespace skep::engine
