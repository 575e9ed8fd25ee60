// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "platform/types.hpp"

// Maps of the embedded runtime: the kernel's map types, with its flags, limits and error codes, in
// ordinary memory.
//
//     std::unique_ptr<Map> map = SKEP_TRY(Map::create({.type = MapType::Hash, .key_size = 4,
//                                                      .value_size = 8, .max_entries = 100}));
//     map->update(&key, &value, BPF_ANY);             // 0, or a negative errno as bpf(2) gives it
//     auto* found = map->lookup(&key, cpu);           // points at the live value, or null
//
// Thread-safety: any number of threads may read and write one map at once. Readers take no lock and
// never wait. A value pointer stays readable and writable memory as long as the map lives; after
// the element is deleted, it may come to hold another element's value (as in the kernel's
// preallocated hash). Writers to the *contents* of a value synchronise among themselves (atomics,
// bpf_spin_lock).
//
// Per-CPU maps: a "CPU" is a slot that one executing thread owns at a time (engine/), numbered from
// 0 below possible_cpus(); each has its own copy of each value, 8-byte aligned.

namespace skep::maps {

struct MapDef {
    std::string name;
    MapType type = MapType::Unspec;
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    uint32_t max_entries = 0;
    uint32_t flags = 0;  ///< BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG, ...
    uint64_t extra = 0;  ///< map_extra
};

/// How many per-CPU copies a value has: the machine's possible CPUs.
uint32_t possible_cpus();

class Map {
  public:
    /// Checks the definition by the kernel's rules (map_alloc_check of each type, Linux 6.18) and
    /// makes the map. Errors name the field and what the kernel demands of it.
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    virtual ~Map() = default;
    const MapDef& def() const { return def_; }

    // What programs do (helpers 1, 2, 3, 87, 88, 89, 195): raw pointers of the sizes in def().
    // Negative errno on failure.

    /// The live value, `cpu`'s own copy in a per-CPU map; null where there is none.
    virtual void* lookup(const void* key, uint32_t cpu) = 0;
    virtual int update(const void* key, const void* value, uint64_t flags, uint32_t cpu) = 0;
    virtual int erase(const void* key) = 0;

    /// The value range that contains [address, address + size), if it lies in one live or recycled
    /// value of this map: what the checked interpreter asks about a pointer. Empty otherwise.
    virtual std::span<uint8_t> value_at(const void* address, size_t size) = 0;

    // What user space does (bpf(2) commands): per-CPU values are possible_cpus() copies, each
    // padded to 8 bytes (user_value_size()).

    virtual size_t user_value_size() const { return def_.value_size; }
    virtual int user_lookup(const void* key, void* value, uint64_t flags) = 0;
    virtual int user_update(const void* key, const void* value, uint64_t flags) = 0;
    /// The key after `key` (null: the first) into `next`; -ENOENT after the last. Deleting the
    /// current key during iteration starts over at the first, as in the kernel.
    virtual int next_key(const void* key, void* next) = 0;

  protected:
    explicit Map(MapDef def) : def_(std::move(def)) {}
    MapDef def_;
};

}  // namespace skep::maps
