// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "maps/map.hpp"
#include "maps/memory.hpp"

namespace skep::maps {

// array and percpu_array: values side by side, each at a multiple of 8 bytes, all of them there
// from the start. `base() + stride() * index` is what lookup() does, for code that inlines it; a
// per-CPU array has one such run of values for each CPU, `cpu_stride()` bytes apart.
class ArrayMap final : public Map {
  public:
    static bool serves(MapType type) {
        return type == MapType::Array || type == MapType::PercpuArray;
    }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);
    ~ArrayMap() override;

    uint8_t* base() const { return memory_.data(); }
    size_t stride() const { return stride_; }
    size_t cpu_stride() const { return cpu_stride_; }  ///< 0 where all CPUs share the values

    /// All values as one range of bytes: global data (.data, .rodata, .bss) is value 0 of an array
    /// with one element. The first CPU's in a per-CPU array.
    std::span<uint8_t> direct_value() const {
        return {base(), stride_ * (def_.max_entries - 1) + def_.value_size};
    }

    void* lookup(const void* key, uint32_t cpu) override {
        uint32_t index;
        __builtin_memcpy(&index, key, sizeof index);
        if (index >= def_.max_entries) [[unlikely]]
            return nullptr;
        return at(index, cpu);
    }
    int update(const void* key, const void* value, uint64_t flags, uint32_t cpu) override;
    int erase(const void*) override { return -EINVAL; }
    void* lookup_percpu(const void* key, uint32_t cpu) override;
    int64_t for_each(Visit visit, uint64_t flags, uint32_t cpu) override;
    std::span<uint8_t> value_at(const void* address, size_t size) override;
    size_t user_value_size() const override;

  protected:
    int read_out(const void* key, void* value, uint64_t flags) override;
    int write_in(const void* key, const void* value, uint64_t flags) override;
    int next(const void* key, void* next) override;

  private:
    ArrayMap(const MapDef& def, Reserved memory, size_t cpu_stride);
    uint8_t* at(uint32_t index, uint32_t cpu) const {
        return memory_.data() + stride_ * index + cpu_stride_ * cpu;
    }
    bool percpu() const { return cpu_stride_ != 0; }

    Reserved memory_;
    size_t stride_;
    size_t cpu_stride_;
};

}  // namespace skep::maps
