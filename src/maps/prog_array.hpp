// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "maps/map.hpp"
#include "maps/pointer_slots.hpp"

namespace skep::maps {

// prog_array: what bpf_tail_call jumps through. A slot holds a program of the engine, opaque here:
// read as one raw pointer without a lock, replaced atomically, and kept alive until all programs
// that were running at that time have ended (rcu.hpp).
class ProgArray final : public Map {
  public:
    static bool serves(MapType type) { return type == MapType::ProgArray; }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    /// Null where the slot is empty or `index` is beyond the last. Under an rcu::ReadGuard.
    const void* prog_at(uint32_t index) const { return slots_.at(index); }
    /// Null empties the slot. `id` is what user space then reads. -E2BIG beyond the last slot,
    /// -EPERM where user space may not write.
    int set_prog(uint32_t index, std::shared_ptr<const void> prog, uint32_t id) {
        if (!user_may_update()) return -EPERM;
        return slots_.set(index, std::const_pointer_cast<void>(std::move(prog)), id);
    }

    void* lookup(const void*, uint32_t) override { return nullptr; }
    int update(const void*, const void*, uint64_t, uint32_t) override { return -EINVAL; }
    int erase(const void* key) override;
    std::span<uint8_t> value_at(const void*, size_t) override { return {}; }

  protected:
    int read_out(const void* key, void* value, uint64_t flags) override;
    /// -EBADF: only the engine knows what an id means; it calls set_prog().
    int write_in(const void* key, const void* value, uint64_t flags) override;
    int next(const void* key, void* next) override;

  private:
    ProgArray(const MapDef& def, PointerSlots slots) : Map(def), slots_(std::move(slots)) {}

    PointerSlots slots_;
};

}  // namespace skep::maps
