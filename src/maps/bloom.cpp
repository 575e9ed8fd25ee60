// SPDX-License-Identifier: Apache-2.0
#include "maps/bloom.hpp"

#include <linux/bpf.h>
#include <sys/random.h>

#include <atomic>
#include <bit>

#include "maps/hash_keys.hpp"

namespace skep::maps {

namespace {

/// entries * functions / ln 2 (taken as 7 / 5) bits make the fewest false positives; a power of
/// two.
uint32_t bit_mask(uint32_t entries, uint32_t functions) {
    const uint64_t product = uint64_t{entries} * functions;
    const uint64_t bits = product / 5 * 7;
    if (product > UINT32_MAX || bits > uint64_t{1} << 31) return UINT32_MAX;
    return static_cast<uint32_t>(std::bit_ceil(std::max<uint64_t>(bits, 64)) - 1);
}

}  // namespace

Result<std::unique_ptr<Map>> BloomFilter::create(const MapDef& def) {
    const auto functions = static_cast<uint32_t>(def.extra ? def.extra : 5);
    const uint32_t mask = bit_mask(def.max_entries, functions);
    Reserved memory = SKEP_TRY(Reserved::create((uint64_t{mask} + 1) / 8));
    return std::unique_ptr<Map>(new BloomFilter(def, std::move(memory), mask, functions));
}

BloomFilter::BloomFilter(const MapDef& def, Reserved memory, uint32_t mask, uint32_t functions)
    : Map(def), memory_(std::move(memory)), mask_(mask), functions_(functions), seed_(0) {
    if (!(def.flags & BPF_F_ZERO_SEED)) (void)!getrandom(&seed_, sizeof seed_, 0);
}

// All functions come from one 64-bit hash: its halves a and b as a + i * b, which filters as well
// as functions of their own.

int BloomFilter::push(const void* value, uint64_t flags) {
    if (flags != BPF_ANY) return -EINVAL;
    const uint64_t hash = hash_bytes(static_cast<const uint8_t*>(value), def_.value_size, seed_);
    auto at = static_cast<uint32_t>(hash);
    const uint32_t step = static_cast<uint32_t>(hash >> 32) | 1;
    for (uint32_t i = 0; i < functions_; ++i, at += step) {
        const uint32_t bit = at & mask_;
        auto& word = reinterpret_cast<std::atomic<uint64_t>*>(memory_.data())[bit / 64];
        const uint64_t wanted = uint64_t{1} << (bit % 64);
        if (!(word.load(std::memory_order_relaxed) & wanted))
            word.fetch_or(wanted, std::memory_order_relaxed);
    }
    return 0;
}

int BloomFilter::peek(void* value) {
    const uint64_t hash = hash_bytes(static_cast<const uint8_t*>(value), def_.value_size, seed_);
    auto at = static_cast<uint32_t>(hash);
    const uint32_t step = static_cast<uint32_t>(hash >> 32) | 1;
    for (uint32_t i = 0; i < functions_; ++i, at += step) {
        const uint32_t bit = at & mask_;
        const auto& word = reinterpret_cast<std::atomic<uint64_t>*>(memory_.data())[bit / 64];
        if (!(word.load(std::memory_order_relaxed) >> (bit % 64) & 1)) return -ENOENT;
    }
    return 0;
}

}  // namespace skep::maps
