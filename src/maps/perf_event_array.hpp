// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>

#include "maps/map.hpp"
#include "maps/ring.hpp"

namespace skep::maps {

// perf_event_array as programs use it with bpf_perf_event_output: one bounded queue of records for
// each CPU, made when something is first written to it. (In the kernel user space must open a perf
// event for each; here all are always open.)
class PerfEventArray final : public Map {
  public:
    static constexpr uint32_t kQueueSize = 1 << 18;  ///< bytes for each CPU: libbpf's 64 pages

    static bool serves(MapType type) { return type == MapType::PerfEventArray; }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);
    ~PerfEventArray() override;

    /// Helper 25: the low 32 bits of `flags` are the index, BPF_F_CURRENT_CPU means `cpu`. What
    /// `flags` says about a context (BPF_F_CTXLEN_MASK) is the engine's: it passes both parts.
    /// -EINVAL, -E2BIG (no such slot), -EOPNOTSUPP (another CPU's), -ENOSPC (full: counted in
    /// lost()).
    int output(uint32_t cpu, std::span<const uint8_t> bytes, uint64_t flags,
               std::span<const uint8_t> more = {});

    /// For one consuming thread: each CPU's records in order; true stops. Returns their number.
    size_t consume(FunctionRef<bool(uint32_t cpu, std::span<const uint8_t>)> record);
    /// Called by producers after each record. Set before producers run.
    void on_wakeup(std::function<void()> wake) { wake_ = std::move(wake); }
    uint64_t lost() const;

    void* lookup(const void*, uint32_t) override { return nullptr; }
    int update(const void*, const void*, uint64_t, uint32_t) override { return -EINVAL; }
    int erase(const void* key) override;
    std::span<uint8_t> value_at(const void*, size_t) override { return {}; }

  protected:
    int read_out(const void* key, void* value, uint64_t flags) override;
    int write_in(const void* key, const void* value, uint64_t flags) override;
    int next(const void* key, void* next) override;

  private:
    explicit PerfEventArray(const MapDef& def);
    Ring* queue(uint32_t cpu);

    std::unique_ptr<std::atomic<Ring*>[]> queues_;
    uint32_t queue_count_ = 0;
    std::mutex mutex_;
    std::function<void()> wake_;
};

}  // namespace skep::maps
