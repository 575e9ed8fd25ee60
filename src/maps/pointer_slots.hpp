// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "maps/memory.hpp"

namespace skep::maps {

// An array of slots that programs read as raw pointers and user space fills with objects that it
// owns a share of: what prog_array and array_of_maps have in common. Under an rcu::ReadGuard what
// at() gives stays alive.
class PointerSlots {
  public:
    static Result<PointerSlots> create(uint32_t count);

    void* at(uint32_t index) const {
        return index < count_ ? pointers()[index].load(std::memory_order_acquire) : nullptr;
    }
    /// -E2BIG beyond the last slot.
    int set(uint32_t index, std::shared_ptr<void> object, uint32_t id);
    /// -E2BIG, -ENOENT.
    int clear(uint32_t index);

    std::optional<uint32_t> id(uint32_t index) const;
    std::shared_ptr<void> owner(uint32_t index) const;

  private:
    struct Owner {
        std::shared_ptr<void> object;
        uint32_t id = 0;
    };
    std::atomic<void*>* pointers() const {
        return reinterpret_cast<std::atomic<void*>*>(memory_.data());
    }

    Reserved memory_;
    uint32_t count_ = 0;
    std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
    std::vector<Owner> owners_;  ///< grows to the highest slot ever set
};

}  // namespace skep::maps
