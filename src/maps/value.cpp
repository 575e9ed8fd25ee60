// SPDX-License-Identifier: Apache-2.0
#include "maps/value.hpp"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>

namespace skep::maps {

namespace {

/// Zeroes in the same units as copy_words().
void zero_words(void* to, size_t size) {
    alignas(8) static constexpr uint8_t kZeros[64] = {};
    auto* bytes = static_cast<uint8_t*>(to);
    for (size_t done = 0; done < size; done += sizeof kZeros)
        copy_words(bytes + done, kZeros, std::min(size - done, sizeof kZeros));
}

template <typename Word>
void copy_word(uint8_t* to, const uint8_t* from) {
    Word word;
    if (reinterpret_cast<uintptr_t>(from) % sizeof(Word) == 0) {
        word = __atomic_load_n(reinterpret_cast<const Word*>(from), __ATOMIC_ACQUIRE);
    } else {
        __builtin_memcpy(&word, from, sizeof word);
    }
    if (reinterpret_cast<uintptr_t>(to) % sizeof(Word) == 0) {
        __atomic_store_n(reinterpret_cast<Word*>(to), word, __ATOMIC_RELEASE);
    } else {
        __builtin_memcpy(to, &word, sizeof word);
    }
}

}  // namespace

void spin_lock(uint32_t* word) {
    for (int spins = 0;; ++spins) {
        if (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE) == 0) return;
        while (__atomic_load_n(word, __ATOMIC_RELAXED) != 0) {
            if (++spins % 128 == 0) sched_yield();  // the holder may have lost its CPU
            _mm_pause();
        }
    }
}

void spin_unlock(uint32_t* word) {
    __atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

void copy_words_slow(void* to, const void* from, size_t size) {
    auto* out = static_cast<uint8_t*>(to);
    const auto* in = static_cast<const uint8_t*>(from);
    size_t done = 0;
    for (; size - done >= 8; done += 8) copy_word<uint64_t>(out + done, in + done);
    if (size - done >= 4) {
        copy_word<uint32_t>(out + done, in + done);
        done += 4;
    }
    if (size - done >= 2) {
        copy_word<uint16_t>(out + done, in + done);
        done += 2;
    }
    if (size - done >= 1) copy_word<uint8_t>(out + done, in + done);
}

ValueLayout::ValueLayout(uint32_t size, std::optional<uint32_t> lock, std::optional<uint32_t> timer,
                         const std::vector<uint32_t>& kptrs)
    : size_(size), lock_(lock), owned_(timer || !kptrs.empty()) {
    if (lock) special_.push_back({*lock, kSpinLockSize});
    if (timer) special_.push_back({*timer, kTimerSize});
    for (const uint32_t offset : kptrs) special_.push_back({offset, kKptrSize});
    std::ranges::sort(special_, {}, &Field::offset);
}

void ValueLayout::copy_around(void* to, const void* from) const {
    auto* out = static_cast<uint8_t*>(to);
    const auto* in = static_cast<const uint8_t*>(from);
    uint32_t done = 0;
    for (const Field& field : special_) {
        copy_words(out + done, in + done, field.offset - done);
        done = field.offset + field.size;
    }
    copy_words(out + done, in + done, size_ - done);
}

void ValueLayout::copy_locked(void* to, const void* from, void* locked) const {
    auto* word = reinterpret_cast<uint32_t*>(static_cast<uint8_t*>(locked) + *lock_);
    spin_lock(word);
    copy(to, from);
    spin_unlock(word);
}

void ValueLayout::clear_special(void* value) const {
    for (const Field& field : special_)
        zero_words(static_cast<uint8_t*>(value) + field.offset, field.size);
}

void ValueLayout::clear_owned(void* value) const {
    for (const Field& field : special_)
        if (field.offset != lock_)
            zero_words(static_cast<uint8_t*>(value) + field.offset, field.size);
}

void ValueLayout::clear_content(void* value) const {
    auto* bytes = static_cast<uint8_t*>(value);
    uint32_t done = 0;
    for (const Field& field : special_) {
        zero_words(bytes + done, field.offset - done);
        done = field.offset + field.size;
    }
    zero_words(bytes + done, size_ - done);
}

}  // namespace skep::maps
