// SPDX-License-Identifier: Apache-2.0
#include "maps/ringbuf.hpp"

#include <linux/bpf.h>

#include <cstring>

namespace skep::maps {

namespace {
constexpr uint64_t kWakeFlags = BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP;
constexpr int64_t kMaxDrained = 128 << 10;  // BPF_MAX_USER_RINGBUF_SAMPLES
}  // namespace

Result<std::unique_ptr<Map>> Ringbuf::create(const MapDef& def) {
    return std::unique_ptr<Map>(new Ringbuf(def, SKEP_TRY(Ring::create(def.max_entries))));
}

int Ringbuf::output(const void* data, uint64_t size, uint64_t flags) {
    if (flags & ~kWakeFlags) return -EINVAL;
    uint8_t* record = ring_.reserve(size);
    if (!record) return -EAGAIN;
    std::memcpy(record, data, size);
    ring_.commit(record, flags, false);
    return 0;
}

Result<std::unique_ptr<Map>> UserRingbuf::create(const MapDef& def) {
    return std::unique_ptr<Map>(new UserRingbuf(def, SKEP_TRY(Ring::create(def.max_entries))));
}

int64_t UserRingbuf::drain(FunctionRef<bool(std::span<const uint8_t>)> sample, uint64_t flags) {
    if (flags & ~kWakeFlags) return -EINVAL;
    if (draining_.exchange(true, std::memory_order_acquire)) return -EBUSY;
    int64_t seen = 0;
    const auto count = static_cast<int64_t>(ring_.consume(
        [&](std::span<const uint8_t> bytes) { return sample(bytes) || ++seen == kMaxDrained; }));
    draining_.store(false, std::memory_order_release);
    return count;
}

}  // namespace skep::maps
