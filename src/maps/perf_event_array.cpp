// SPDX-License-Identifier: Apache-2.0
#include "maps/perf_event_array.hpp"

#include <linux/bpf.h>

#include <algorithm>

#include "maps/index_keys.hpp"

namespace skep::maps {

Result<std::unique_ptr<Map>> PerfEventArray::create(const MapDef& def) {
    return std::unique_ptr<Map>(new PerfEventArray(def));
}

PerfEventArray::PerfEventArray(const MapDef& def)
    : Map(def), queue_count_(std::min(def.max_entries, possible_cpus())) {
    queues_ = std::make_unique<std::atomic<Ring*>[]>(queue_count_);
}

PerfEventArray::~PerfEventArray() {
    for (uint32_t cpu = 0; cpu < queue_count_; ++cpu) delete queues_[cpu].load();
}

/// Null where memory is short.
Ring* PerfEventArray::queue(uint32_t cpu) {
    Ring* ring = queues_[cpu].load(std::memory_order_acquire);
    if (ring) [[likely]]
        return ring;
    const std::lock_guard lock(mutex_);
    ring = queues_[cpu].load(std::memory_order_acquire);
    if (ring) return ring;
    Result<Ring> made = Ring::create(kQueueSize);
    if (!made) return nullptr;
    ring = new Ring(std::move(*made));
    queues_[cpu].store(ring, std::memory_order_release);
    return ring;
}

int PerfEventArray::output(uint32_t cpu, std::span<const uint8_t> bytes, uint64_t flags,
                           std::span<const uint8_t> more) {
    if (flags & ~uint64_t{BPF_F_INDEX_MASK | BPF_F_CTXLEN_MASK}) return -EINVAL;
    uint64_t index = flags & BPF_F_INDEX_MASK;
    if (index == BPF_F_CURRENT_CPU) index = cpu;
    if (index >= def_.max_entries) return -E2BIG;
    if (index >= queue_count_) return -ENOENT;
    if (index != cpu) return -EOPNOTSUPP;  // the event of another CPU
    Ring* ring = queue(cpu);
    uint8_t* record = ring ? ring->reserve(bytes.size() + more.size()) : nullptr;
    if (!record) return -ENOSPC;
    std::ranges::copy(more, std::ranges::copy(bytes, record).out);
    ring->commit(record, BPF_RB_NO_WAKEUP, false);
    if (wake_) wake_();
    return 0;
}

size_t PerfEventArray::consume(FunctionRef<bool(uint32_t, std::span<const uint8_t>)> record) {
    size_t count = 0;
    bool stop = false;
    for (uint32_t cpu = 0; cpu < queue_count_ && !stop; ++cpu) {
        Ring* ring = queues_[cpu].load(std::memory_order_acquire);
        if (!ring) continue;
        count += ring->consume(
            [&](std::span<const uint8_t> bytes) { return stop = record(cpu, bytes); });
    }
    return count;
}

uint64_t PerfEventArray::lost() const {
    uint64_t sum = 0;
    for (uint32_t cpu = 0; cpu < queue_count_; ++cpu)
        if (const Ring* ring = queues_[cpu].load(std::memory_order_acquire)) sum += ring->lost();
    return sum;
}

int PerfEventArray::erase(const void* key) {
    return index_of(key) >= def_.max_entries ? -E2BIG : -ENOENT;
}

int PerfEventArray::read_out(const void*, void*, uint64_t) {
    return -kEnotsupp;
}

int PerfEventArray::write_in(const void* key, const void*, uint64_t flags) {
    if (flags != BPF_ANY) return -EINVAL;
    return index_of(key) >= def_.max_entries ? -E2BIG : -EBADF;
}

int PerfEventArray::next(const void* key, void* next) {
    return next_index(key, next, def_.max_entries);
}

}  // namespace skep::maps
