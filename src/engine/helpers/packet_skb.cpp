// SPDX-License-Identifier: Apache-2.0
// skb_ops.hpp as helpers: arguments cut to their types, and what the interpreter remembers of the
// packet's place forgotten where the packet may have moved.
#include "engine/helpers/packet.hpp"
#include "engine/packet/skb_ops.hpp"

namespace skep::engine {

namespace {

using platform::HelperId;

uint64_t result_of(int64_t result) {
    return static_cast<uint64_t>(result);
}

/// Runs `change`, which may move the packet.
template <typename Change>
uint64_t changed(Execution& x, Change change) {
    PacketBuffer* skb = packet_of(x);
    if (!skb) return 0;
    const int result = change(*skb);
    x.memory().forget();
    return result_of(result);
}

uint64_t load_bytes(Execution& x, uint64_t, uint64_t offset, uint64_t to, uint64_t size, uint64_t) {
    const PacketBuffer* skb = packet_of(x);
    if (!skb) return 0;
    return result_of(skb_load_bytes(*skb, static_cast<uint32_t>(offset),
                                    reinterpret_cast<void*>(to), static_cast<uint32_t>(size)));
}

uint64_t load_bytes_relative(Execution& x, uint64_t, uint64_t offset, uint64_t to, uint64_t size,
                             uint64_t start) {
    const PacketBuffer* skb = packet_of(x);
    if (!skb) return 0;
    return result_of(
        skb_load_bytes_relative(*skb, static_cast<uint32_t>(offset), reinterpret_cast<void*>(to),
                                static_cast<uint32_t>(size), static_cast<uint32_t>(start)));
}

uint64_t store_bytes(Execution& x, uint64_t, uint64_t offset, uint64_t from, uint64_t size,
                     uint64_t flags) {
    PacketBuffer* skb = packet_of(x);
    if (!skb) return 0;
    return result_of(skb_store_bytes(*skb, static_cast<uint32_t>(offset),
                                     reinterpret_cast<const void*>(from),
                                     static_cast<uint32_t>(size), flags));
}

uint64_t l3_csum_replace(Execution& x, uint64_t, uint64_t offset, uint64_t from, uint64_t to,
                         uint64_t flags) {
    PacketBuffer* skb = packet_of(x);
    if (!skb) return 0;
    return result_of(skb_l3_csum_replace(*skb, static_cast<uint32_t>(offset), from, to, flags));
}

uint64_t l4_csum_replace(Execution& x, uint64_t, uint64_t offset, uint64_t from, uint64_t to,
                         uint64_t flags) {
    PacketBuffer* skb = packet_of(x);
    if (!skb) return 0;
    return result_of(skb_l4_csum_replace(*skb, static_cast<uint32_t>(offset), from, to, flags));
}

uint64_t csum_update(Execution& x, uint64_t, uint64_t csum, uint64_t, uint64_t, uint64_t) {
    PacketBuffer* skb = packet_of(x);
    return skb ? result_of(skb_csum_update(*skb, static_cast<uint32_t>(csum))) : 0;
}

uint64_t csum_level(Execution& x, uint64_t, uint64_t level, uint64_t, uint64_t, uint64_t) {
    PacketBuffer* skb = packet_of(x);
    return skb ? result_of(skb_csum_level(*skb, level)) : 0;
}

uint64_t pull_data(Execution& x, uint64_t, uint64_t size, uint64_t, uint64_t, uint64_t) {
    PacketBuffer* skb = packet_of(x);
    return skb ? result_of(skb_pull_data(*skb, static_cast<uint32_t>(size))) : 0;
}

uint64_t change_head(Execution& x, uint64_t, uint64_t room, uint64_t flags, uint64_t, uint64_t) {
    return changed(x, [&](PacketBuffer& skb) {
        return skb_change_head(skb, static_cast<uint32_t>(room), flags);
    });
}

uint64_t change_tail(Execution& x, uint64_t, uint64_t size, uint64_t flags, uint64_t, uint64_t) {
    return changed(x, [&](PacketBuffer& skb) {
        return skb_change_tail(skb, static_cast<uint32_t>(size), flags);
    });
}

uint64_t change_proto(Execution& x, uint64_t, uint64_t proto, uint64_t flags, uint64_t, uint64_t) {
    return changed(x, [&](PacketBuffer& skb) {
        return skb_change_proto(skb, static_cast<uint16_t>(proto), flags);
    });
}

uint64_t change_type(Execution& x, uint64_t, uint64_t type, uint64_t, uint64_t, uint64_t) {
    PacketBuffer* skb = packet_of(x);
    return skb ? result_of(skb_change_type(*skb, static_cast<uint32_t>(type))) : 0;
}

uint64_t adjust_room(Execution& x, uint64_t, uint64_t diff, uint64_t mode, uint64_t flags,
                     uint64_t) {
    return changed(x, [&](PacketBuffer& skb) {
        return skb_adjust_room(skb, static_cast<int32_t>(diff), static_cast<uint32_t>(mode), flags);
    });
}

uint64_t vlan_push(Execution& x, uint64_t, uint64_t proto, uint64_t tci, uint64_t, uint64_t) {
    return changed(x, [&](PacketBuffer& skb) {
        return skb_vlan_push(skb, static_cast<uint16_t>(proto), static_cast<uint16_t>(tci));
    });
}

uint64_t vlan_pop(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return changed(x, [](PacketBuffer& skb) { return skb_vlan_pop(skb); });
}

uint64_t get_hash_recalc(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    PacketBuffer* skb = packet_of(x);
    return skb ? skb_get_hash(*skb) : 0;
}

uint64_t set_hash(Execution& x, uint64_t, uint64_t hash, uint64_t, uint64_t, uint64_t) {
    if (PacketBuffer* skb = packet_of(x)) skb_set_hash(*skb, static_cast<uint32_t>(hash));
    return 0;
}

uint64_t set_hash_invalid(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    if (PacketBuffer* skb = packet_of(x)) skb_clear_hash(*skb);
    return 0;
}

uint64_t ecn_set_ce(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    PacketBuffer* skb = packet_of(x);
    return skb ? result_of(skb_ecn_set_ce(*skb)) : 0;
}

constexpr HelperRow kRows[] = {
    {HelperId::skb_load_bytes, load_bytes},
    {HelperId::skb_load_bytes_relative, load_bytes_relative},
    {HelperId::skb_store_bytes, store_bytes},
    {HelperId::l3_csum_replace, l3_csum_replace},
    {HelperId::l4_csum_replace, l4_csum_replace},
    {HelperId::csum_update, csum_update},
    {HelperId::csum_level, csum_level},
    {HelperId::skb_pull_data, pull_data},
    {HelperId::skb_change_head, change_head},
    {HelperId::skb_change_tail, change_tail},
    {HelperId::skb_change_proto, change_proto},
    {HelperId::skb_change_type, change_type},
    {HelperId::skb_adjust_room, adjust_room},
    {HelperId::skb_vlan_push, vlan_push},
    {HelperId::skb_vlan_pop, vlan_pop},
    {HelperId::get_hash_recalc, get_hash_recalc},
    {HelperId::set_hash, set_hash},
    {HelperId::set_hash_invalid, set_hash_invalid},
    {HelperId::skb_ecn_set_ce, ecn_set_ce},
};

}  // namespace

std::span<const HelperRow> skb_helpers() {
    return kRows;
}

}  // namespace skep::engine
