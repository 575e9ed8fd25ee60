// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "maps/map.hpp"
#include "maps/memory.hpp"

namespace skep::maps {

// bloom_filter: push remembers a value, peek says 0 where it may have been pushed and -ENOENT where
// it surely has not. As many bits and hash functions as the kernel takes; map_extra gives the
// number of functions (5 by default).
class BloomFilter final : public Map {
  public:
    static bool serves(MapType type) { return type == MapType::BloomFilter; }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    int push(const void* value, uint64_t flags) override;
    int peek(void* value) override;

    void* lookup(const void*, uint32_t) override { return nullptr; }
    int update(const void*, const void*, uint64_t, uint32_t) override { return -EINVAL; }
    int erase(const void*) override { return -EOPNOTSUPP; }
    std::span<uint8_t> value_at(const void*, size_t) override { return {}; }

  protected:
    int read_out(const void*, void* value, uint64_t) override { return peek(value); }
    int write_in(const void*, const void* value, uint64_t flags) override {
        return push(value, flags);
    }
    int next(const void*, void*) override { return -EOPNOTSUPP; }

  private:
    BloomFilter(const MapDef& def, Reserved memory, uint32_t mask, uint32_t functions);

    Reserved memory_;
    uint32_t mask_;  ///< number of bits, less one
    uint32_t functions_;
    uint64_t seed_;
};

}  // namespace skep::maps
