// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "maps/hash_table.hpp"
#include "maps/map.hpp"

namespace skep::maps {

// hash, percpu_hash, lru_hash, lru_percpu_hash. One template for each way to hash and compare keys
// (hash_keys.hpp); the kinds differ in few places:
//
// - An update of a hash or LRU hash puts a new element in place of the old one, as in the kernel:
// who
//   holds a pointer to the old value goes on with that. A per-CPU value is updated in place.
// - Per-CPU values lie apart from the elements, one run for each CPU, so that CPUs share no lines.
// - An LRU map evicts where others answer -E2BIG: a hand goes round over all elements, spares those
//   that a program has looked up since it last came by, and takes the first other one.
template <typename Policy>
class HashMap final : public Map {
  public:
    static Result<std::unique_ptr<Map>> create(const MapDef& def, uint64_t seed);
    ~HashMap() override;

    void* lookup(const void* key, uint32_t cpu) override {
        const auto wanted = table_.load(key);
        const uint32_t element = table_.find_fast(wanted, table_.hash(wanted));
        if (element == Table::kUnsure) [[unlikely]]
            return lookup_slowly(key, cpu);
        if (element == kNone) return nullptr;
        if (lru_) touch(element);
        return value(element, cpu);
    }
    int update(const void* key, const void* value, uint64_t flags, uint32_t cpu) override;
    int erase(const void* key) override;
    void* lookup_percpu(const void* key, uint32_t cpu) override;
    int64_t for_each(Visit visit, uint64_t flags, uint32_t cpu) override;
    std::span<uint8_t> value_at(const void* address, size_t size) override;
    size_t user_value_size() const override;

  protected:
    int read_out(const void* key, void* value, uint64_t flags) override;
    int write_in(const void* key, const void* value, uint64_t flags) override;
    int take_out(const void* key, void* value, uint64_t flags) override;
    int next(const void* key, void* next) override;

  private:
    using Table = HashTable<Policy>;
    using Key = typename Table::Key;
    using Place = typename Table::Place;
    static constexpr uint32_t kNone = Table::kNone;
    static constexpr uint32_t kAllCpus = UINT32_MAX;

    HashMap(const MapDef& def, Table table, Reserved percpu);

    bool percpu() const { return cpu_stride_ != 0; }
    uint8_t* value(uint32_t element, uint32_t cpu) const {
        return values_ + value_stride_ * element + cpu_stride_ * cpu;
    }
    void touch(uint32_t element) const {
        std::atomic<uint32_t>& mark = table_.elements().mark(element);
        // Programs look up the same few elements all the time: write to the line only once.
        if (mark.load(std::memory_order_relaxed) == 0) mark.store(1, std::memory_order_relaxed);
    }

    [[gnu::noinline]] void* lookup_slowly(const void* key, uint32_t cpu);
    int store(const void* key, const void* value, uint64_t flags, uint32_t cpu);
    void overwrite(HashElements::Stripe& stripe, const Place& place, Key key, uint32_t hash,
                   const void* value, uint64_t flags, uint32_t cpu);
    void fill(uint32_t element, Key key, uint32_t hash, const void* value, uint32_t cpu);
    void copy_percpu_in(uint32_t element, const void* value, uint32_t cpu);
    void copy_out(uint32_t element, void* value, uint64_t flags);
    void release(uint32_t element);
    uint32_t evict();

    uint8_t* values_;
    size_t value_stride_;
    size_t cpu_stride_;
    bool lru_;
    Table table_;
    Reserved percpu_;
    std::atomic<uint32_t> hand_ = 0;
};

/// One of the above, by the size of the key.
Result<std::unique_ptr<Map>> make_hash_map(const MapDef& def);

}  // namespace skep::maps
