// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "maps/map.hpp"
#include "maps/memory.hpp"

namespace skep::maps {

// queue and stack: values without keys in a ring of max_entries places under one short lock.
class QueueMap final : public Map {
  public:
    static bool serves(MapType type) { return type == MapType::Queue || type == MapType::Stack; }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    int push(const void* value, uint64_t flags) override;
    int pop(void* value) override { return get(value, true); }
    int peek(void* value) override { return get(value, false); }

    void* lookup(const void*, uint32_t) override { return nullptr; }
    int update(const void*, const void*, uint64_t, uint32_t) override { return -EINVAL; }
    int erase(const void*) override { return -EINVAL; }
    std::span<uint8_t> value_at(const void*, size_t) override { return {}; }

  protected:
    int read_out(const void*, void* value, uint64_t) override { return peek(value); }
    int write_in(const void*, const void* value, uint64_t flags) override {
        return push(value, flags);
    }
    int take_out(const void*, void* value, uint64_t) override { return pop(value); }
    int next(const void*, void*) override { return -EINVAL; }

  private:
    QueueMap(const MapDef& def, Reserved memory) : Map(def), memory_(std::move(memory)) {}
    int get(void* value, bool remove);
    uint8_t* place(uint64_t number) const {
        return memory_.data() + number % def_.max_entries * def_.value_size;
    }

    Reserved memory_;
    uint32_t lock_ = 0;
    uint64_t head_ = 0, tail_ = 0;  ///< numbers of the next value in and of the oldest one
};

}  // namespace skep::maps
