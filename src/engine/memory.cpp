// SPDX-License-Identifier: Apache-2.0
#include "engine/memory.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace skep::engine {

namespace {

uint64_t address_of(const void* pointer) {
    return reinterpret_cast<uint64_t>(pointer);
}

std::string_view name_of(Region::Kind kind) {
    switch (kind) {
        case Region::Kind::None: return "nothing";
        case Region::Kind::Stack: return "the stack";
        case Region::Kind::Packet: return "the packet";
        case Region::Kind::Context: return "the context";
        case Region::Kind::MapValue: return "a map value";
        case Region::Kind::RingbufRecord: return "a ring buffer record";
        case Region::Kind::Lent: return "memory from a helper";
        case Region::Kind::Kernel: return "a kernel structure";
    }
    return "";
}

/// "in the stack, at offset 8 of 512" or "4 bytes behind the packet, which has 60".
std::string place(const Region& region, std::string_view name, uint64_t address, uint64_t length) {
    if (address < region.begin)
        return fmt::format("{} bytes before {}", region.begin - address, name);
    const uint64_t offset = address - region.begin;
    if (offset >= region.size)
        return offset == region.size
                   ? fmt::format("the end of {}, which has {} bytes", name, region.size)
                   : fmt::format("{} bytes behind {}, which has {} bytes", offset - region.size,
                                 name, region.size);
    if (length > region.size - offset)
        return fmt::format("offset {} of {}, which has only {} bytes", offset, name, region.size);
    return fmt::format("offset {} of {}", offset, name);
}

/// How far the address is from the region; 0 inside.
uint64_t distance(const Region& region, uint64_t address) {
    if (address < region.begin) return region.begin - address;
    const uint64_t offset = address - region.begin;
    return offset < region.size ? 0 : offset - region.size + 1;
}

}  // namespace

Region Memory::find_map_value(uint64_t address, uint64_t length) {
    const auto look = [&](maps::Map* map) -> Region {
        if (!map || map->def().type == MapType::Ringbuf) return {};  // its records are lent
        const auto value = map->value_at(reinterpret_cast<const void*>(address), length);
        if (value.empty() || !map->prog_may_read()) return {};
        return {address_of(value.data()), value.size(), Region::Kind::MapValue,
                map->prog_may_write(),    true,         map};
    };
    if (maps_)
        for (maps::Map* map : *maps_)
            if (const Region region = look(map); region.map) return region;
    for (maps::Map* map : added_maps_)
        if (const Region region = look(map); region.map) return region;
    return {};
}

void Memory::add_map(maps::Map* map) {
    if (!map_at(address_of(map))) added_maps_.push_back(map);
}

maps::Map* Memory::map_at(uint64_t value) const {
    const auto is_it = [&](const maps::Map* map) { return map && address_of(map) == value; };
    if (maps_)
        if (const auto found = std::ranges::find_if(*maps_, is_it); found != maps_->end())
            return *found;
    const auto found = std::ranges::find_if(added_maps_, is_it);
    return found == added_maps_.end() ? nullptr : *found;
}

Region Memory::packet() const {
    return {address_of(event_->data_meta), uint64_t(event_->data_end - event_->data_meta),
            Region::Kind::Packet, event_->packet_writable, true};
}

Region Memory::find(uint64_t address, uint64_t length) {
    if (const Region region = stack(); region.contains(address, length)) return region;
    if (!event_) return {};
    if (const Region region = packet(); region.contains(address, length)) return region;
    for (const Region& loan : loans_)
        if (loan.contains(address, length)) return loan;
    if (const Region region = find_map_value(address, length); region.kind != Region::Kind::None)
        return region;
    if (event_->task && event_->task->kernel_readable(address, length))
        return {address, length, Region::Kind::Kernel};
    return {};
}

void Memory::remember(size_t slot, const Region& region) {
    last_slot_ = slot % kCacheSlots;
    Region& entry = cache_[last_slot_];
    if (entry.kind == Region::Kind::None) used_[used_count_++] = uint8_t(last_slot_);
    entry = region;
}

void Memory::forget_used() {
    for (size_t i = 0; i < used_count_; i++) cache_[used_[i]] = {};
    used_count_ = 0;
}

void Memory::lend(void* begin, uint64_t size, bool writable, Region::Kind kind) {
    loans_.push_back({address_of(begin), size, kind, writable, true});
}

bool Memory::take_back(const void* begin) {
    const auto found = std::ranges::find(loans_, address_of(begin), &Region::begin);
    if (found == loans_.end()) return false;
    loans_.erase(found);
    forget();
    return true;
}

std::string Memory::describe(uint64_t address, uint64_t length) {
    if (address < 4096) return "a null pointer";
    // The neighbourhood of a region is where most bad pointers lie.
    constexpr uint64_t kNear = 4096;
    Region nearest;
    uint64_t best = kNear;
    const auto consider = [&](const Region& region) {
        if (region.size == 0 && region.kind != Region::Kind::Packet) return;
        if (const uint64_t far = distance(region, address); far < best)
            best = far, nearest = region;
    };
    consider(stack());
    if (event_) {
        if (event_->data) consider(packet());
        consider({address_of(event_->ctx), event_->ctx_size, Region::Kind::Context});
    }
    for (const Region& loan : loans_) consider(loan);
    for (uint64_t back = 1; back <= 256 && maps_; back *= 2)
        if (const Region region = find_map_value(address - back, 1);
            region.kind != Region::Kind::None)
            consider(region);
    if (const Region region = find_map_value(address, 1); region.kind != Region::Kind::None)
        consider(region);
    if (nearest.kind == Region::Kind::None)
        return fmt::format("{:#x}, which is no memory of this program", address);
    if (nearest.kind == Region::Kind::MapValue)
        return place(nearest, fmt::format("a value of map '{}'", nearest.map->def().name), address,
                     length);
    return place(nearest, name_of(nearest.kind), address, length);
}

}  // namespace skep::engine
