// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/event.hpp"
#include "isa/insn.hpp"
#include "maps/map.hpp"

// The memory that a running program may touch, region by region. The checked interpreter asks it
// about each access; helpers ask it about each pointer that they are handed.
//
//     Region* region = memory.find(address, size);      // null: not this program's
//     if (region && (region->writable || !store)) ...
//
// Regions are the stack frames in use, the packet, the context, values of the program's maps,
// records reserved in ring buffers, and what helpers have handed out. Most accesses of one
// instruction are to one region, so the interpreter keeps the last answers (Memory::cached()), one
// slot for a few instructions; forget() empties these when a region shrinks or goes.
// One thread at a time.

namespace skep::engine {

struct Region {
    enum class Kind : uint8_t {
        None,
        Stack,
        Packet,
        Context,
        MapValue,
        RingbufRecord,
        Lent,
        Kernel
    };

    uint64_t begin = 0;
    uint64_t size = 0;
    Kind kind = Kind::None;
    bool writable = false;
    /// Whether a later access may be answered from the cache: not where each has to be asked for
    /// (kernel structs that are filled when read) or judged by its offset (context structs).
    bool cacheable = false;
    const maps::Map* map = nullptr;  ///< of a MapValue

    bool contains(uint64_t address, uint64_t length) const {
        const uint64_t offset = address - begin;
        return offset <= size && length <= size - offset;
    }
};

class Memory {
  public:
    static constexpr size_t kCacheSlots = 64;  // a power of two

    /// The region that wholly contains the access; kind None where there is none.
    Region find(uint64_t address, uint64_t length);

    /// The last region that an instruction of this slot has touched.
    const Region& cached(size_t slot) const { return cache_[slot % kCacheSlots]; }
    void remember(size_t slot, const Region& region);
    /// The region that was remembered last, by whichever instruction.
    const Region& last() const { return cache_[last_slot_]; }
    void forget() {
        if (used_count_ > 0) forget_used();
    }

    // What there is, as the execution goes on.
    void set_event(Event* event) { event_ = event; }
    bool on_stack(uint64_t address, uint64_t length) const {
        return stack().contains(address, length);
    }
    /// `depth`: how many frames are in use beside the first, at any time.
    void set_stack(uint64_t top, const uint32_t* depth) { stack_top_ = top, depth_ = depth; }
    /// Null pointers among them are maps that were not created.
    void set_maps(const std::vector<maps::Map*>* maps) { maps_ = maps; }
    /// An inner map that the program has looked up: as good as one of its own until it ends.
    void add_map(maps::Map* map);
    void forget_added_maps() { added_maps_.clear(); }
    /// The map that a value is a pointer to; null where it is none.
    maps::Map* map_at(uint64_t value) const;

    /// Memory that a helper has handed out: a ring buffer record, a dynptr slice, an iterator's
    /// value. It is the program's until take_back() or until it ends.
    void lend(void* begin, uint64_t size, bool writable, Region::Kind kind = Region::Kind::Lent);
    /// False where there is no such loan.
    bool take_back(const void* begin);
    const std::vector<Region>& loans() const { return loans_; }
    void clear_loans() {
        if (loans_.empty()) return;
        loans_.clear();
        forget();
    }

    /// "stack, 16 bytes below the frame" for messages: what lies at or nearest to the address.
    std::string describe(uint64_t address, uint64_t length);

  private:
    Region stack() const {
        // Never remembered: it shrinks whenever a function returns.
        const uint64_t size = depth_ ? (uint64_t{*depth_} + 1) * isa::kStackSize : 0;
        return {stack_top_ - size, size, Region::Kind::Stack, true, false};
    }
    Region packet() const;
    void forget_used();
    Region find_map_value(uint64_t address, uint64_t length);

    std::array<Region, kCacheSlots> cache_{};
    std::array<uint8_t, kCacheSlots> used_{};  // which slots of the cache hold something
    size_t used_count_ = 0;
    size_t last_slot_ = 0;
    Event* event_ = nullptr;
    uint64_t stack_top_ = 0;
    const uint32_t* depth_ = nullptr;
    const std::vector<maps::Map*>* maps_ = nullptr;
    std::vector<maps::Map*> added_maps_;
    std::vector<Region> loans_;
};

}  // namespace skep::engine
