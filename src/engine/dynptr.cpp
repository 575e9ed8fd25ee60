// SPDX-License-Identifier: Apache-2.0
#include "engine/dynptr.hpp"

#include <linux/bpf.h>

#include <cerrno>
#include <cstring>

namespace skep::engine {

Dynptr Dynptr::load(uint64_t address) {
    Dynptr dynptr;
    std::memcpy(&dynptr, reinterpret_cast<const void*>(address), sizeof dynptr);
    return dynptr;
}

void Dynptr::store(uint64_t address) const {
    std::memcpy(reinterpret_cast<void*>(address), this, sizeof *this);
}

int Dynptr::check(uint32_t offset, uint32_t length) const {
    return length > size() || offset > size() - length ? -E2BIG : 0;
}

int Dynptr::adjust(uint32_t start, uint32_t end) {
    if (is_null() || start > end) return -EINVAL;
    if (end > size()) return -ERANGE;
    offset_ += start;
    bits_ = (bits_ & ~kMaxSize) | (end - start);
    return 0;
}

uint8_t* Dynptr::memory(Execution& x, uint32_t offset, uint32_t length, bool write, int reg) const {
    const uint64_t at = uint64_t{offset_} + offset;
    if (is_packet()) {
        const Event& event = x.event();
        const auto available = static_cast<uint64_t>(event.data_end - event.data);
        return at <= available && length <= available - at ? event.data + at : nullptr;
    }
    if (length == 0) return reinterpret_cast<uint8_t*>(data_ + at);  // touches nothing
    return x.check_memory(data_ + at, length, write, reg, "what the dynptr points to");
}

int64_t Dynptr::read(Execution& x, uint32_t offset, std::span<uint8_t> to, int reg) const {
    if (is_null()) return -EINVAL;
    if (const int error = check(offset, static_cast<uint32_t>(to.size()))) return error;
    if (to.empty()) return 0;
    const uint8_t* from = memory(x, offset, static_cast<uint32_t>(to.size()), false, reg);
    if (from) {
        std::memmove(to.data(), from, to.size());
        return 0;
    }
    if (is_packet()) std::memset(to.data(), 0, to.size());  // it has shrunk
    return -EFAULT;
}

int64_t Dynptr::write(Execution& x, uint32_t offset, std::span<const uint8_t> from, uint64_t flags,
                      int reg) const {
    if (is_null() || read_only()) return -EINVAL;
    if (const int error = check(offset, static_cast<uint32_t>(from.size()))) return error;
    const uint64_t allowed = type() == Type::Skb ? BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH : 0;
    if (flags & ~allowed) return -EINVAL;
    if (from.empty()) return 0;
    uint8_t* to = memory(x, offset, static_cast<uint32_t>(from.size()), true, reg);
    if (!to) return -EFAULT;
    std::memmove(to, from.data(), from.size());
    return 0;
}

}  // namespace skep::engine
