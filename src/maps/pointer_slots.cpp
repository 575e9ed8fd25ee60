// SPDX-License-Identifier: Apache-2.0
#include "maps/pointer_slots.hpp"

#include <cerrno>

#include "maps/rcu.hpp"

namespace skep::maps {

Result<PointerSlots> PointerSlots::create(uint32_t count) {
    PointerSlots slots;
    slots.memory_ = SKEP_TRY(Reserved::create(uint64_t{count} * sizeof(void*)));
    slots.count_ = count;
    return slots;
}

int PointerSlots::set(uint32_t index, std::shared_ptr<void> object, uint32_t id) {
    if (index >= count_) return -E2BIG;
    std::shared_ptr<void> old;
    {
        const std::lock_guard lock(*mutex_);
        if (index >= owners_.size()) owners_.resize(index + 1);
        pointers()[index].store(object.get(), std::memory_order_release);
        old = std::exchange(owners_[index], Owner{std::move(object), id}).object;
    }
    rcu::retire(std::move(old));
    return 0;
}

int PointerSlots::clear(uint32_t index) {
    if (index >= count_) return -E2BIG;
    if (!at(index)) return -ENOENT;
    return set(index, nullptr, 0);
}

std::optional<uint32_t> PointerSlots::id(uint32_t index) const {
    const std::lock_guard lock(*mutex_);
    if (index >= owners_.size() || !owners_[index].object) return std::nullopt;
    return owners_[index].id;
}

std::shared_ptr<void> PointerSlots::owner(uint32_t index) const {
    const std::lock_guard lock(*mutex_);
    return index < owners_.size() ? owners_[index].object : nullptr;
}

}  // namespace skep::maps
