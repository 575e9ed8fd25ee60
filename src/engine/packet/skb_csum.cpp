// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "engine/packet/skb_ops.hpp"
#include "packet/csum.hpp"

#ifndef BPF_F_IPV6
#define BPF_F_IPV6 (1ULL << 7)  // Linux 6.16
#endif

namespace skep::engine {

using packet::csum_add;
using packet::csum_fold;
using packet::csum_sub;
using Summed = PacketBuffer::Summed;

namespace {

/// The checksum field at `offset`, for reading and writing; null where it is not in the packet.
uint8_t* checksum_field(PacketBuffer& skb, uint32_t offset) {
    if (offset > 0xffff || offset & 1) return nullptr;
    return skb.at(offset, sizeof(uint16_t));
}

uint16_t load16(const uint8_t* at) {
    uint16_t value;
    std::memcpy(&value, at, sizeof(value));
    return value;
}

void store16(uint8_t* at, uint16_t value) {
    std::memcpy(at, &value, sizeof(value));
}

// Bytes that begin at an odd place add to the other half of each 16-bit word.
uint32_t shifted(uint32_t sum, uint32_t offset) {
    return offset & 1 ? std::rotr(sum, 8) : sum;
}

}  // namespace

void skb_sum_without(PacketBuffer& skb, ByteView bytes, uint32_t offset) {
    PacketBuffer::Hidden& hidden = skb.hidden();
    if (hidden.summed != Summed::Complete) return;
    hidden.csum = csum_add(hidden.csum, shifted(~packet::csum_partial(bytes), offset));
}

void skb_sum_with(PacketBuffer& skb, ByteView bytes, uint32_t offset) {
    PacketBuffer::Hidden& hidden = skb.hidden();
    if (hidden.summed != Summed::Complete) return;
    hidden.csum = csum_add(hidden.csum, shifted(packet::csum_partial(bytes), offset));
}

void skb_forget_sum(PacketBuffer& skb) {
    if (skb.hidden().summed == Summed::Complete) skb.hidden().summed = Summed::None;
}

void skb_reset_unnecessary(PacketBuffer& skb) {
    if (skb.hidden().summed != Summed::Unnecessary) return;
    skb.hidden().summed = Summed::None;
    skb.hidden().csum_level = 0;
}

int skb_l3_csum_replace(PacketBuffer& skb, uint32_t offset, uint64_t from, uint64_t to,
                        uint64_t flags) {
    if (flags & ~uint64_t{BPF_F_HDR_FIELD_MASK}) return -EINVAL;
    uint8_t* field = checksum_field(skb, offset);
    if (!field) return -EFAULT;
    const uint16_t old = load16(field);
    switch (flags) {
        case 0:
            if (from != 0) return -EINVAL;
            store16(field, packet::csum_replace_by_diff(old, static_cast<uint32_t>(to)));
            return 0;
        case 2:
            store16(field, packet::csum_replace2(old, static_cast<uint16_t>(from),
                                                 static_cast<uint16_t>(to)));
            return 0;
        case 4:
            store16(field, packet::csum_replace4(old, static_cast<uint32_t>(from),
                                                 static_cast<uint32_t>(to)));
            return 0;
        default: return -EINVAL;
    }
}

namespace {

// inet_proto_csum_replace4(). The change of a pseudo-header is in the checksum alone, not in the
// bytes that the device has added up: the sum of these changes by as much the other way.
void replace_l4(PacketBuffer::Hidden& hidden, uint8_t* field, uint32_t from, uint32_t to,
                bool pseudo) {
    store16(field, packet::csum_replace4(load16(field), from, to));
    if (hidden.summed == Summed::Complete && pseudo) {
        hidden.csum = ~csum_add(csum_sub(~hidden.csum, from), to);
    }
}

}  // namespace

int skb_l4_csum_replace(PacketBuffer& skb, uint32_t offset, uint64_t from, uint64_t to,
                        uint64_t flags) {
    constexpr uint64_t kFlags = BPF_F_MARK_MANGLED_0 | BPF_F_MARK_ENFORCE | BPF_F_PSEUDO_HDR |
                                BPF_F_HDR_FIELD_MASK | BPF_F_IPV6;
    constexpr uint16_t kMangled = 0xffff;  // another way to write 0, which UDP takes for "none"
    if (flags & ~kFlags) return -EINVAL;
    uint8_t* field = checksum_field(skb, offset);
    if (!field) return -EFAULT;
    const bool pseudo = flags & BPF_F_PSEUDO_HDR;
    const bool mangle = flags & BPF_F_MARK_MANGLED_0;
    if (mangle && !(flags & BPF_F_MARK_ENFORCE) && load16(field) == 0) return 0;

    PacketBuffer::Hidden& hidden = skb.hidden();
    switch (flags & BPF_F_HDR_FIELD_MASK) {
        case 0: {
            if (from != 0) return -EINVAL;
            const auto diff = static_cast<uint32_t>(to);
            store16(field, packet::csum_replace_by_diff(load16(field), diff));
            // IPv6 has no header checksum to cancel the change of an address out.
            if (hidden.summed == Summed::Complete && pseudo && !(flags & BPF_F_IPV6)) {
                hidden.csum = ~csum_sub(diff, hidden.csum);
            }
            break;
        }
        case 2:
            replace_l4(hidden, field, static_cast<uint16_t>(from), static_cast<uint16_t>(to),
                       pseudo);
            break;
        case 4:
            replace_l4(hidden, field, static_cast<uint32_t>(from), static_cast<uint32_t>(to),
                       pseudo);
            break;
        default: return -EINVAL;
    }
    if (mangle && load16(field) == 0) store16(field, kMangled);
    return 0;
}

int64_t skb_csum_update(PacketBuffer& skb, uint32_t csum) {
    PacketBuffer::Hidden& hidden = skb.hidden();
    if (hidden.summed != Summed::Complete) return -kNotSupported;
    hidden.csum = csum_add(hidden.csum, csum);
    return hidden.csum;
}

int skb_csum_level(PacketBuffer& skb, uint64_t level) {
    constexpr uint8_t kHighest = 3;  // SKB_MAX_CSUM_LEVEL
    PacketBuffer::Hidden& hidden = skb.hidden();
    switch (level) {
        case BPF_CSUM_LEVEL_INC:
            if (hidden.summed == Summed::Unnecessary) {
                if (hidden.csum_level < kHighest) ++hidden.csum_level;
            } else if (hidden.summed == Summed::None) {
                hidden.summed = Summed::Unnecessary;
                hidden.csum_level = 0;
            }
            return 0;
        case BPF_CSUM_LEVEL_DEC:
            if (hidden.summed != Summed::Unnecessary) return 0;
            if (hidden.csum_level == 0) {
                hidden.summed = Summed::None;
            } else {
                --hidden.csum_level;
            }
            return 0;
        case BPF_CSUM_LEVEL_RESET: skb_reset_unnecessary(skb); return 0;
        case BPF_CSUM_LEVEL_QUERY:
            return hidden.summed == Summed::Unnecessary ? hidden.csum_level : -EACCES;
        default: return -EINVAL;
    }
}

}  // namespace skep::engine
