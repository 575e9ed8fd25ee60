// SPDX-License-Identifier: Apache-2.0
#include "engine/packet/legacy_load.hpp"

#include <linux/filter.h>

#include "engine/event.hpp"
#include "engine/packet/packet_buffer.hpp"

namespace skep::engine {

bool load_legacy(const Event& event, int32_t offset, uint32_t size, uint64_t* out) {
    if (!event.packet || event.packet->kind() != PacketBuffer::Kind::Skb) return false;
    const PacketBuffer& skb = *event.packet;
    int64_t position = skb.data_position() + offset;
    if (offset < SKF_LL_OFF) return false;
    if (offset < SKF_NET_OFF) {
        position = skb.hidden().mac + (offset - SKF_LL_OFF);
    } else if (offset < 0) {
        position = skb.hidden().network + (offset - SKF_NET_OFF);
    }
    if (position + size > skb.end_position()) return false;
    uint64_t value = 0;
    const uint8_t* byte = skb.at_position(position);
    for (uint32_t i = 0; i < size; ++i) value = value << 8 | byte[i];
    *out = value;
    return true;
}

}  // namespace skep::engine
