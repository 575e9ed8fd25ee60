// SPDX-License-Identifier: Apache-2.0
#include "engine/packet/xdp_ops.hpp"

#include <cerrno>
#include <cstring>

namespace skep::engine {

// Metadata lies right before the packet and moves with it.
int xdp_adjust_head(PacketBuffer& xdp, int32_t offset) {
    const int64_t metadata = xdp.data_position() - xdp.meta_position();
    const int64_t data = xdp.data_position() + offset;
    if (data < xdp.xdp_lowest() + metadata) return -EINVAL;
    if (data > xdp.end_position() - PacketBuffer::kEthernetHeader) return -EINVAL;
    const int64_t meta = xdp.meta_position() + offset;
    if (metadata > 0) {
        std::memmove(xdp.at_position(meta), xdp.at_position(xdp.meta_position()),
                     static_cast<size_t>(metadata));
    }
    xdp.set_xdp(data, meta);
    xdp.publish();
    return 0;
}

int xdp_adjust_tail(PacketBuffer& xdp, int32_t offset) {
    const int64_t end = xdp.end_position() + offset;
    if (end > xdp.xdp_highest()) return -EINVAL;
    if (end < xdp.data_position() + PacketBuffer::kEthernetHeader) return -EINVAL;
    xdp.set_size(static_cast<uint32_t>(end - xdp.data_position()));
    xdp.publish();
    return 0;
}

int xdp_adjust_meta(PacketBuffer& xdp, int32_t offset) {
    constexpr int64_t kLongest = 255;  // what skb_shared_info::meta_len can say
    const int64_t meta = xdp.meta_position() + offset;
    const int64_t size = xdp.data_position() - meta;
    if (meta < xdp.xdp_lowest() || size < 0) return -EINVAL;
    if (size % 4 != 0 || size > kLongest) return -EACCES;
    xdp.set_xdp(xdp.data_position(), meta);
    xdp.publish();
    return 0;
}

}  // namespace skep::engine
