// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <emmintrin.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "maps/hash_elements.hpp"
#include "maps/hash_keys.hpp"
#include "maps/memory.hpp"

namespace skep::maps {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kPlainTags = false;
#else
inline constexpr bool kPlainTags = true;
#endif

// The index of a hash table: which elements there are, by the hash of their keys.
//
// A bucket is one cache line: twelve slots, each an element number, and a tag of eight hash bits
// for each slot, all compared at once. A lookup that hits touches two lines: the bucket and the
// element. What does not fit its bucket goes to the next one that has room; `passed` counts the
// elements that had to go past a bucket, so that a lookup knows whether to look further, and no
// tombstones are needed. Buckets are so many that they are at most three quarters full; they never
// move.
//
//     | 12 tags | passed | 12 slots: element + 1, or 0 |
//
// Readers take no lock. A writer publishes an element by its slot (release) before its tag, and
// takes away the tag before the slot; replacing an element is one store to the slot. Elements are
// recycled at once, so a reader that has compared a key must make sure that it was this slot's key:
// settle(). Writers hold the lock of the stripe that the hash selects; since writers of different
// stripes may want the same empty slot of one bucket, a slot is claimed by compare-and-swap.
template <typename Policy>
class HashTable {
  public:
    using Key = typename Policy::Key;
    static constexpr uint32_t kNone = HashElements::kNone;

    static Result<HashTable> create(Policy policy, uint32_t max_entries, uint32_t value_size,
                                    bool lru, uint64_t seed) {
        HashTable table(policy, seed);
        const uint32_t buckets = std::bit_ceil(max_entries / kFill + 1);
        table.mask_ = buckets - 1;
        table.memory_ = SKEP_TRY(Reserved::create(uint64_t{buckets} * sizeof(Bucket)));
        // A table is touched all over by few elements already: huge pages only while they are small
        // change.
        if (buckets <= kHugeBuckets) table.memory_.prefer_huge_pages();
        table.buckets_ = reinterpret_cast<Bucket*>(table.memory_.data());
        table.elements_ = SKEP_TRY(HashElements::create(
            max_entries, policy.stored_size() + value_size, lru, std::min(buckets, kStripes)));
        table.bodies_ = table.elements_.body(0);
        table.element_size_ = table.elements_.element_size();
        return table;
    }

    HashElements& elements() { return elements_; }
    const HashElements& elements() const { return elements_; }
    uint8_t* value(uint32_t element) const { return body(element) + policy_.stored_size(); }
    const uint8_t* key(uint32_t element) const { return body(element); }

    Key load(const void* key) const { return policy_.load(key); }
    uint32_t hash(Key key) const {
        const uint64_t wide = policy_.hash(key, seed_);
        return static_cast<uint32_t>(wide ^ wide >> 32);
    }

    /// Where an element is in the index.
    struct Place {
        uint32_t bucket = 0, slot = 0;
        uint32_t element = kNone;
        explicit operator bool() const { return element != kNone; }
    };

    Place find(Key key, uint32_t hash) const {
        for (uint32_t passed = 0; passed <= mask_; ++passed) {
            const uint32_t at = (hash + passed) & mask_;
            const Bucket& bucket = bucket_at(at);
            for (uint32_t left = bucket.match(tag_of(hash)); left; left &= left - 1) {
                const auto slot = static_cast<uint32_t>(std::countr_zero(left));
                const uint32_t element = settle(bucket.slots[slot], key);
                if (element != kNone) [[likely]]
                    return {at, slot, element};
            }
            if (bucket.passed.load(std::memory_order_acquire) == 0) [[likely]]
                break;
        }
        return {};
    }

    /// The element of `key`, kNone, or kUnsure: then find() knows. Small enough to be inlined, and
    /// right away right for nearly all lookups: looks at the first candidate in the first bucket.
    static constexpr uint32_t kUnsure = kNone - 1;
    uint32_t find_fast(Key key, uint32_t hash) const {
        const Bucket& bucket = bucket_at(hash & mask_);
        const uint32_t candidates = bucket.match(tag_of(hash));
        if (candidates == 0)
            return bucket.passed.load(std::memory_order_acquire) == 0 ? kNone : kUnsure;
        const std::atomic<uint32_t>& slot = bucket.slots[std::countr_zero(candidates)];
        const uint32_t element = slot.load(std::memory_order_acquire) - 1;
        if (element == kNone) return kUnsure;
        if constexpr (Policy::kOneWord) {
            return policy_.equals(body(element), key) ? element : kUnsure;
        } else {
            const std::atomic<uint32_t>& at = elements_.generation(element);
            const uint32_t generation = at.load(std::memory_order_acquire);
            const bool equal = policy_.equals(body(element), key);
            return equal && generation % 2 == 0 && at.load(std::memory_order_acquire) == generation
                       ? element
                       : kUnsure;
        }
    }

    /// The place of an element that is known by its number, not its key: under its stripe's lock.
    Place find_element(uint32_t element, uint32_t hash) const {
        uint32_t at = hash & mask_;
        for (uint32_t probes = 0;; ++probes) {
            const Bucket& bucket = bucket_at(at);
            for (uint32_t slot = 0; slot < kSlots; ++slot)
                if (bucket.slots[slot].load(std::memory_order_relaxed) == element + 1)
                    return {at, slot, element};
            if (bucket.passed.load(std::memory_order_acquire) == 0 || probes == mask_) return {};
            at = (at + 1) & mask_;
        }
    }

    /// The first element at or behind bucket `at`, slot `from`: in the order of the index.
    Place scan(uint32_t at, uint32_t from) const {
        for (; at <= mask_; ++at, from = 0) {
            const Bucket& bucket = bucket_at(at);
            uint32_t left = ~bucket.match(0) & ((1U << kSlots) - 1) & ~((1U << from) - 1);
            for (; left; left &= left - 1) {
                const auto slot = static_cast<uint32_t>(std::countr_zero(left));
                const uint32_t element = bucket.slots[slot].load(std::memory_order_acquire);
                if (element) return {at, slot, element - 1};
            }
        }
        return {};
    }

    /// Copies the key at `place`; false where the element has meanwhile gone from there.
    bool copy_key(const Place& place, void* out) const {
        const uint32_t generation =
            elements_.generation(place.element).load(std::memory_order_acquire);
        policy_.copy_out(key(place.element), out);
        return still(place, generation);
    }

    /// Whether `place` still holds what it held when its element had this generation.
    bool still(const Place& place, uint32_t generation) const {
        const std::atomic<uint32_t>& slot = bucket_at(place.bucket).slots[place.slot];
        return slot.load(std::memory_order_acquire) == place.element + 1 &&
               elements_.generation(place.element).load(std::memory_order_acquire) == generation &&
               generation % 2 == 0;
    }

    // Under the lock of the stripe of `hash`. An element is written (write_key last) before it is
    // inserted.

    void write_key(uint32_t element, Key key, uint32_t hash) {
        elements_.hash(element).store(hash, std::memory_order_relaxed);
        policy_.store(body(element), key);
    }

    void insert(uint32_t element, uint32_t hash) {
        for (;;) {
            uint32_t at = hash & mask_, passed = 0;
            for (; passed <= mask_; ++passed, at = (at + 1) & mask_) {
                if (bucket_at(at).claim(tag_of(hash), element)) return;
                bucket_at(at).passed.fetch_add(1, std::memory_order_relaxed);
            }
            unpass(hash, passed);  // all free slots were claimed under our eyes, by others: again
        }
    }

    void replace(const Place& place, uint32_t element) {
        bucket_at(place.bucket).slots[place.slot].store(element + 1, std::memory_order_release);
    }

    void remove(const Place& place, uint32_t hash) {
        Bucket& bucket = bucket_at(place.bucket);
        bucket.tags[place.slot].store(0, std::memory_order_release);
        bucket.slots[place.slot].store(0, std::memory_order_release);
        unpass(hash, (place.bucket - hash) & mask_);
    }

  private:
    static constexpr uint32_t kSlots = 12;
    static constexpr uint32_t kFill = 9;  // elements for which there is one bucket at least
    static constexpr uint32_t kStripes = 64;
    static constexpr uint32_t kHugeBuckets = 1 << 19;  // 32 MiB

    struct alignas(64) Bucket {
        std::atomic<uint8_t> tags[kSlots];
        std::atomic<uint32_t> passed;
        std::atomic<uint32_t> slots[kSlots];

        /// The slots that have this tag, as bits.
        uint32_t match(uint8_t tag) const {
            if constexpr (kPlainTags) {
                const __m128i line = _mm_load_si128(reinterpret_cast<const __m128i*>(this));
                const __m128i equal = _mm_cmpeq_epi8(line, _mm_set1_epi8(static_cast<char>(tag)));
                return static_cast<uint32_t>(_mm_movemask_epi8(equal)) & ((1U << kSlots) - 1);
            } else {
                uint32_t found = 0;
                for (uint32_t i = 0; i < kSlots; ++i)
                    if (tags[i].load(std::memory_order_acquire) == tag) found |= 1U << i;
                return found;
            }
        }

        bool claim(uint8_t tag, uint32_t element) {
            for (uint32_t left = match(0); left; left &= left - 1) {
                const auto slot = static_cast<uint32_t>(std::countr_zero(left));
                uint32_t empty = 0;
                if (!slots[slot].compare_exchange_strong(
                        empty, element + 1, std::memory_order_acq_rel, std::memory_order_relaxed))
                    continue;
                tags[slot].store(tag, std::memory_order_release);
                return true;
            }
            return false;
        }
    };
    static_assert(sizeof(Bucket) == 64);

    HashTable(Policy policy, uint64_t seed) : policy_(policy), seed_(seed) {}

    /// Never 0, which marks an empty slot. From other bits than the bucket's.
    static uint8_t tag_of(uint32_t hash) {
        const auto tag = static_cast<uint8_t>(hash >> 24);
        return static_cast<uint8_t>(tag + (tag == 0));
    }

    Bucket& bucket_at(uint32_t index) const { return buckets_[index]; }
    uint8_t* body(uint32_t element) const { return bodies_ + uint64_t{element_size_} * element; }

    /// The element in `slot` if its key is `key`, or kNone. An element that was recycled while we
    /// looked says nothing about the slot, so we look again at what the slot holds then.
    uint32_t settle(const std::atomic<uint32_t>& slot, Key key) const {
        uint32_t element = slot.load(std::memory_order_acquire);
        for (;;) {
            if (element == 0) return kNone;
            const uint8_t* stored = body(element - 1);
            if constexpr (Policy::kOneWord) {
                // One word is never torn, and this element has held this key at some time since the
                // lookup began: it was in the slot, or was written since.
                if (policy_.equals(stored, key)) [[likely]]
                    return element - 1;
            }
            const std::atomic<uint32_t>& at = elements_.generation(element - 1);
            const uint32_t generation = at.load(std::memory_order_acquire);
            const bool equal = policy_.equals(stored, key);
            const uint32_t now = slot.load(std::memory_order_acquire);
            if (now == element && generation % 2 == 0 &&
                at.load(std::memory_order_acquire) == generation) [[likely]]
                return equal ? element - 1 : kNone;
            element = now;
        }
    }

    /// Takes back that an element of `hash` went past `count` buckets.
    void unpass(uint32_t hash, uint32_t count) {
        for (uint32_t i = 0; i < count; ++i)
            bucket_at((hash + i) & mask_).passed.fetch_sub(1, std::memory_order_release);
    }

    // What a lookup needs stands together.
    Policy policy_;
    uint64_t seed_;
    Bucket* buckets_ = nullptr;
    uint8_t* bodies_ = nullptr;  ///< of element 0
    uint32_t mask_ = 0;
    uint32_t element_size_ = 0;
    Reserved memory_;
    HashElements elements_;
};

}  // namespace skep::maps
