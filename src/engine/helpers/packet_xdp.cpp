// SPDX-License-Identifier: Apache-2.0
#include "engine/helpers/packet.hpp"
#include "engine/packet/xdp_ops.hpp"

namespace skep::engine {

namespace {

using platform::HelperId;

uint64_t moved(Execution& x, int (*change)(PacketBuffer&, int32_t), uint64_t offset) {
    PacketBuffer* xdp = packet_of(x);
    if (!xdp) return 0;
    const int result = change(*xdp, static_cast<int32_t>(offset));
    x.memory().forget();
    return static_cast<uint64_t>(int64_t{result});
}

uint64_t adjust_head(Execution& x, uint64_t, uint64_t offset, uint64_t, uint64_t, uint64_t) {
    return moved(x, xdp_adjust_head, offset);
}

uint64_t adjust_tail(Execution& x, uint64_t, uint64_t offset, uint64_t, uint64_t, uint64_t) {
    return moved(x, xdp_adjust_tail, offset);
}

uint64_t adjust_meta(Execution& x, uint64_t, uint64_t offset, uint64_t, uint64_t, uint64_t) {
    return moved(x, xdp_adjust_meta, offset);
}

uint64_t load_bytes(Execution& x, uint64_t, uint64_t offset, uint64_t to, uint64_t size, uint64_t) {
    const PacketBuffer* xdp = packet_of(x);
    if (!xdp) return 0;
    return static_cast<uint64_t>(int64_t{xdp->load(
        static_cast<uint32_t>(offset), reinterpret_cast<void*>(to), static_cast<uint32_t>(size))});
}

uint64_t store_bytes(Execution& x, uint64_t, uint64_t offset, uint64_t from, uint64_t size,
                     uint64_t) {
    PacketBuffer* xdp = packet_of(x);
    if (!xdp) return 0;
    return static_cast<uint64_t>(
        int64_t{xdp->store(static_cast<uint32_t>(offset), reinterpret_cast<const void*>(from),
                           static_cast<uint32_t>(size))});
}

uint64_t get_buff_len(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    const PacketBuffer* xdp = packet_of(x);
    return xdp ? xdp->size() : 0;
}

constexpr HelperRow kRows[] = {
    {HelperId::xdp_adjust_head, adjust_head}, {HelperId::xdp_adjust_tail, adjust_tail},
    {HelperId::xdp_adjust_meta, adjust_meta}, {HelperId::xdp_load_bytes, load_bytes},
    {HelperId::xdp_store_bytes, store_bytes}, {HelperId::xdp_get_buff_len, get_buff_len},
};

}  // namespace

std::span<const HelperRow> xdp_helpers() {
    return kRows;
}

}  // namespace skep::engine
