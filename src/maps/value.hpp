// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

// What a map's value is made of, as far as copying one cares: bytes, and a few fields that belong
// to the element rather than to its content (struct bpf_spin_lock, bpf_timer, kernel pointers). An
// update leaves them alone and a reader sees zeros in their place, as in the kernel.

namespace skep::maps {

inline constexpr uint32_t kSpinLockSize = 4;
inline constexpr uint32_t kTimerSize = 16;
inline constexpr uint32_t kKptrSize = 8;

/// struct bpf_spin_lock: 0 free, 1 held. bpf_spin_lock() of a program and BPF_F_LOCK of an update
/// use the same word.
void spin_lock(uint32_t* word);
void spin_unlock(uint32_t* word);

/// Copies in units of aligned 8, 4, 2 and 1 bytes, each of them whole: a concurrent reader of such
/// a unit sees the old or the new one. `to` and `from` may have any alignment.
void copy_words_slow(void* to, const void* from, size_t size);
inline void copy_words(void* to, const void* from, size_t size) {
    // Most values are one or two words that lie aligned in the map and anywhere in the program.
    if (size == 8 && reinterpret_cast<uintptr_t>(to) % 8 == 0 &&
        reinterpret_cast<uintptr_t>(from) % 8 == 0) {
        __atomic_store_n(static_cast<uint64_t*>(to),
                         __atomic_load_n(static_cast<const uint64_t*>(from), __ATOMIC_ACQUIRE),
                         __ATOMIC_RELEASE);
        return;
    }
    copy_words_slow(to, from, size);
}

class ValueLayout {
  public:
    ValueLayout() = default;
    ValueLayout(uint32_t size, std::optional<uint32_t> lock, std::optional<uint32_t> timer,
                const std::vector<uint32_t>& kptrs);

    uint32_t size() const { return size_; }
    bool has_lock() const { return lock_.has_value(); }
    bool has_special() const { return !special_.empty(); }
    /// A timer or a kernel pointer: something that must be let go when the element is.
    bool has_owned() const { return owned_; }

    /// All of `from` but the special fields.
    void copy(void* to, const void* from) const {
        if (special_.empty()) [[likely]] {
            copy_words(to, from, size_);
        } else {
            copy_around(to, from);
        }
    }
    /// The same under the lock inside `locked`, which is one of the two values.
    void copy_locked(void* to, const void* from, void* locked) const;
    /// Zeroes the special fields (of a copy that goes to user space, or of a fresh element).
    void clear_special(void* value) const;
    /// Zeroes timers and kernel pointers.
    void clear_owned(void* value) const;
    /// Zeroes all but the special fields.
    void clear_content(void* value) const;

  private:
    void copy_around(void* to, const void* from) const;

    struct Field {
        uint32_t offset = 0;
        uint32_t size = 0;
    };
    uint32_t size_ = 0;
    std::optional<uint32_t> lock_;
    bool owned_ = false;
    std::vector<Field> special_;  ///< in ascending order
};

}  // namespace skep::maps
