// SPDX-License-Identifier: Apache-2.0
#include "maps/hash_elements.hpp"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>

namespace skep::maps {

HashElements::Lock::Lock(Stripe& stripe) : stripe_(stripe) {
    for (uint32_t spins = 0; stripe_.locked.exchange(1, std::memory_order_acquire) != 0;) {
        while (stripe_.locked.load(std::memory_order_relaxed) != 0) {
            if (++spins % 128 == 0) sched_yield();  // the holder may have lost its CPU
            _mm_pause();
        }
    }
}

Result<HashElements> HashElements::create(uint32_t max_entries, uint32_t body, bool lru,
                                          uint32_t stripes) {
    HashElements result;
    result.lru_ = lru;
    result.body_offset_ = lru ? sizeof(LruHeader) : sizeof(Header);
    result.size_ = result.body_offset_ + body;
    result.max_entries_ = max_entries;
    result.stripe_mask_ = stripes - 1;
    result.run_ = std::clamp(max_entries / stripes / 8, 1U, 16U);
    result.stripes_ = std::make_unique<Stripe[]>(stripes);
    result.shared_ = std::make_unique<Shared>();
    // The first elements are used in their order; the spares lie behind the last.
    for (uint32_t i = 0; i < stripes; ++i) result.stripes_[i].spare = max_entries + i;
    result.memory_ = SKEP_TRY(Reserved::create(uint64_t{result.size_} * result.count()));
    result.memory_.prefer_huge_pages();
    return result;
}

bool HashElements::take_fresh(Stripe& stripe) {
    if (shared_->fresh.load(std::memory_order_relaxed) >= max_entries_) return false;
    const uint32_t first = shared_->fresh.fetch_add(run_, std::memory_order_relaxed);
    if (first >= max_entries_) {
        shared_->fresh.store(max_entries_, std::memory_order_relaxed);  // so that it never wraps
        return false;
    }
    stripe.fresh = first;
    stripe.fresh_end = std::min(first + run_, max_entries_);
    stripe.available.store(
        stripe.available.load(std::memory_order_relaxed) + stripe.fresh_end - first,
        std::memory_order_relaxed);
    return true;
}

uint32_t HashElements::take(Stripe& stripe) {
    uint32_t element = stripe.free_head;
    if (element != kNone) {
        stripe.free_head = next_free(element).load(std::memory_order_relaxed);
    } else {
        if (stripe.fresh == stripe.fresh_end && !take_fresh(stripe)) return kNone;
        element = stripe.fresh++;
    }
    stripe.available.store(stripe.available.load(std::memory_order_relaxed) - 1,
                           std::memory_order_relaxed);
    return element;
}

void HashElements::give(Stripe& stripe, uint32_t element) {
    next_free(element).store(stripe.free_head, std::memory_order_relaxed);
    stripe.free_head = element;
    stripe.available.store(stripe.available.load(std::memory_order_relaxed) + 1,
                           std::memory_order_release);
    if (shared_->fresh.load(std::memory_order_relaxed) >= max_entries_)
        shared_->may_have_free.store(true, std::memory_order_release);
}

uint32_t HashElements::steal() {
    if (!shared_->may_have_free.load(std::memory_order_acquire)) return kNone;
    uint32_t element = scan_for_free();
    if (element != kNone) return element;
    // Who gives one after this store says so again; who gave one before it is seen by another look.
    shared_->may_have_free.exchange(false, std::memory_order_acq_rel);
    element = scan_for_free();
    if (element != kNone) shared_->may_have_free.store(true, std::memory_order_release);
    return element;
}

uint32_t HashElements::scan_for_free() {
    for (uint32_t i = 0; i <= stripe_mask_; ++i) {
        if (stripes_[i].available.load(std::memory_order_acquire) == 0) continue;
        const Lock lock(stripes_[i]);
        const uint32_t element = take(stripes_[i]);
        if (element != kNone) return element;
    }
    return kNone;
}

}  // namespace skep::maps
