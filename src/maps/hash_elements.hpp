// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "maps/memory.hpp"

namespace skep::maps {

// The elements of a hash table and the locks of its writers.
//
// An element is a number; its memory never moves and is never unmapped while the table lives, only
// recycled, so that a reader may look at any element at any time. `generation` tells it whether
// what it looked at was one element all along: odd while the element is being written, two higher
// afterwards.
//
// Writers are divided into stripes by the hash of the key. A stripe has a lock, a list of free
// elements of its own and one spare: an update writes the spare, swaps it in, and keeps the old
// element as the next spare, so that it needs no allocation, cannot fail in a full table, and no
// reader sees a value half replaced.
class HashElements {
  public:
    static constexpr uint32_t kNone = UINT32_MAX;

    struct alignas(64) Stripe {
        std::atomic<uint32_t> locked = 0;
        uint32_t spare = kNone;
        uint32_t free_head = kNone;
        uint32_t fresh = 0, fresh_end = 0;  ///< elements never used so far, taken in runs
        /// How many elements this stripe can give, for those who look for one without its lock.
        std::atomic<uint32_t> available = 0;
    };

    class Lock {
      public:
        explicit Lock(Stripe& stripe);
        ~Lock() { stripe_.locked.store(0, std::memory_order_release); }
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;

      private:
        Stripe& stripe_;
    };

    /// `body`: bytes of an element behind its header. With `lru`, an element has a mark.
    static Result<HashElements> create(uint32_t max_entries, uint32_t body, bool lru,
                                       uint32_t stripes);

    Stripe& stripe(uint32_t hash) const { return stripes_[hash & stripe_mask_]; }

    /// All elements, the spares included.
    uint32_t count() const { return max_entries_ + stripe_mask_ + 1; }
    uint32_t element_size() const { return size_; }
    uint32_t body_offset() const { return body_offset_; }
    uint8_t* body(uint32_t element) const {
        return memory_.data() + uint64_t{size_} * element + body_offset_;
    }

    std::atomic<uint32_t>& generation(uint32_t element) const { return header(element).generation; }
    std::atomic<uint32_t>& hash(uint32_t element) const { return header(element).hash; }
    std::atomic<uint32_t>& mark(uint32_t element) const { return lru_header(element).mark; }

    // Under the stripe's lock.
    uint32_t take(Stripe& stripe);
    void give(Stripe& stripe, uint32_t element);
    /// An element from whichever stripe has one, or kNone. Under no lock.
    uint32_t steal();

    /// Around each writing of an element.
    void begin_write(uint32_t element) const {
        std::atomic<uint32_t>& at = generation(element);
        at.store(at.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    void end_write(uint32_t element) const {
        std::atomic<uint32_t>& at = generation(element);
        at.store(at.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

  private:
    struct Header {
        std::atomic<uint32_t> generation;
        std::atomic<uint32_t> hash;  ///< of a free element without a mark: the next free one
    };
    struct LruHeader {
        Header header;
        std::atomic<uint32_t> mark;  ///< looked up since the hand last passed
        std::atomic<uint32_t> next;  ///< of a free element; its hash must stay readable
    };

    Header& header(uint32_t element) const {
        return *reinterpret_cast<Header*>(memory_.data() + uint64_t{size_} * element);
    }
    LruHeader& lru_header(uint32_t element) const {
        return *reinterpret_cast<LruHeader*>(memory_.data() + uint64_t{size_} * element);
    }
    std::atomic<uint32_t>& next_free(uint32_t element) const {
        return lru_ ? lru_header(element).next : header(element).hash;
    }
    bool take_fresh(Stripe& stripe);
    uint32_t scan_for_free();

    struct Shared {
        std::atomic<uint32_t> fresh = 0;  ///< the first element that no stripe has taken
        /// Whether a stripe may have an element to give. A table that stays full is not searched.
        std::atomic<bool> may_have_free = true;
    };

    Reserved memory_;
    std::unique_ptr<Stripe[]> stripes_;
    std::unique_ptr<Shared> shared_;
    uint32_t max_entries_ = 0, stripe_mask_ = 0;
    uint32_t size_ = 0, body_offset_ = 0;
    uint32_t run_ = 1;  ///< how many fresh elements a stripe takes at once
    bool lru_ = false;
};

}  // namespace skep::maps
