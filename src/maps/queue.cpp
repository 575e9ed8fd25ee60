// SPDX-License-Identifier: Apache-2.0
#include "maps/queue.hpp"

#include <linux/bpf.h>

#include <cstring>

namespace skep::maps {

namespace {

class SpinGuard {
  public:
    explicit SpinGuard(uint32_t& word) : word_(word) { spin_lock(&word_); }
    ~SpinGuard() { spin_unlock(&word_); }
    SpinGuard(const SpinGuard&) = delete;
    SpinGuard& operator=(const SpinGuard&) = delete;

  private:
    uint32_t& word_;
};

}  // namespace

Result<std::unique_ptr<Map>> QueueMap::create(const MapDef& def) {
    Reserved memory = SKEP_TRY(Reserved::create(uint64_t{def.max_entries} * def.value_size));
    return std::unique_ptr<Map>(new QueueMap(def, std::move(memory)));
}

int QueueMap::push(const void* value, uint64_t flags) {
    if (flags != BPF_ANY && flags != BPF_EXIST) return -EINVAL;
    const SpinGuard guard(lock_);
    if (head_ - tail_ == def_.max_entries) {
        if (flags != BPF_EXIST) return -E2BIG;
        ++tail_;  // BPF_EXIST: the oldest makes room, in a stack too
    }
    std::memcpy(place(head_++), value, def_.value_size);
    return 0;
}

int QueueMap::get(void* value, bool remove) {
    const SpinGuard guard(lock_);
    if (head_ == tail_) {
        std::memset(value, 0, def_.value_size);
        return -ENOENT;
    }
    const bool queue = def_.type == MapType::Queue;
    std::memcpy(value, place(queue ? tail_ : head_ - 1), def_.value_size);
    if (remove) queue ? ++tail_ : --head_;
    return 0;
}

}  // namespace skep::maps
