// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "maps/function_ref.hpp"
#include "maps/value.hpp"
#include "platform/types.hpp"

// Maps of the embedded runtime: the kernel's map types, with its flags, limits and error codes, in
// ordinary memory.
//
//     std::unique_ptr<Map> map = SKEP_TRY(Map::create({.type = MapType::Hash, .key_size = 4,
//                                                      .value_size = 8, .max_entries = 100}));
//     map->update(&key, &value, BPF_ANY, cpu);        // 0, or a negative errno as helper 2 gives
//     it auto* found = map->lookup(&key, cpu);           // points at the live value, or null
//
// There are two sides. What programs do (lookup, update, erase, push...) works on one CPU's copy
// and trusts its caller as far as the kernel trusts its verifier: `key` and `value` have the sizes
// of def(). What user space does (user_*, next_key, freeze) is bpf(2): permissions, BPF_F_LOCK, all
// per-CPU copies at once. Types with more to offer have a class of their own, that as<T>() yields:
// ArrayMap, ProgArray, MapOfMaps, Ringbuf, UserRingbuf, PerfEventArray, LocalStorage.
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

class Map;

/// The kernel's own ENOTSUPP, which user space sees as "Unknown error 524".
inline constexpr int kEnotsupp = 524;

struct MapDef {
    std::string name{};
    MapType type = MapType::Unspec;
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    uint32_t max_entries = 0;
    uint32_t flags = 0;  ///< BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG, ...
    uint64_t extra = 0;  ///< map_extra

    // Special fields of the value, by its BTF: offsets.
    std::optional<uint32_t> lock_offset{};   ///< struct bpf_spin_lock
    std::optional<uint32_t> timer_offset{};  ///< struct bpf_timer
    std::vector<uint32_t> kptr_offsets{};    ///< __kptr pointers

    std::shared_ptr<const Map> inner{};  ///< of a map of maps: one like those it will hold
};

/// How many per-CPU copies a value has: the machine's possible CPUs.
uint32_t possible_cpus();

class Map {
  public:
    /// Checks the definition by the kernel's rules (map_alloc_check of each type, Linux 6.18) and
    /// makes the map. Errors name the field and what the kernel demands of it; their sys_errno is
    /// what bpf(2) would give.
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    virtual ~Map() = default;
    Map(const Map&) = delete;
    Map& operator=(const Map&) = delete;

    /// As bpf(BPF_OBJ_GET_INFO_BY_FD) would show it (some types adjust max_entries or flags).
    const MapDef& def() const { return def_; }
    const ValueLayout& layout() const { return layout_; }

    /// This map as the class that serves its type; null where another does.
    template <typename T>
    T* as() {
        return T::serves(def_.type) ? static_cast<T*>(this) : nullptr;
    }
    template <typename T>
    const T* as() const {
        return T::serves(def_.type) ? static_cast<const T*>(this) : nullptr;
    }

    /// BPF_F_WRONLY_PROG and BPF_F_RDONLY_PROG: what the verifier, or the checked interpreter in
    /// its place, allows a program to do with values.
    bool prog_may_read() const { return prog_may_read_; }
    bool prog_may_write() const { return prog_may_write_; }

    // What programs do. Negative errno on failure.

    /// Helper 1. The live value, `cpu`'s own copy in a per-CPU map; the inner Map* in a map of
    /// maps; null where there is none.
    virtual void* lookup(const void* key, uint32_t cpu) = 0;
    /// Helper 2. In a per-CPU map, `cpu`'s copy (those of others start as zeros).
    virtual int update(const void* key, const void* value, uint64_t flags, uint32_t cpu) = 0;
    /// Helper 3.
    virtual int erase(const void* key) = 0;
    /// Helper 195: another CPU's copy. Null where the type is not per-CPU or there is no such CPU.
    virtual void* lookup_percpu(const void* key, uint32_t cpu);
    // Helpers 87, 88, 89. pop and peek zero `value` where there is nothing; peek of a bloom filter
    // asks whether `value` may have been pushed.
    virtual int push(const void* value, uint64_t flags);
    virtual int pop(void* value);
    virtual int peek(void* value);
    /// Helper 164 (`flags` must be 0): calls with each key and `cpu`'s value until one call returns
    /// true (stop). Returns how many calls there were, or -EINVAL, -EOPNOTSUPP.
    using Visit = FunctionRef<bool(const void* key, void* value)>;
    virtual int64_t for_each(Visit visit, uint64_t flags, uint32_t cpu);

    /// The value range that contains [address, address + size), if it lies in one live or recycled
    /// value of this map: what the checked interpreter asks about a pointer. Empty otherwise. In a
    /// Ringbuf: the reserved, not yet submitted record.
    virtual std::span<uint8_t> value_at(const void* address, size_t size) = 0;

    // What user space does (bpf(2) commands): per-CPU values are possible_cpus() copies, each
    // padded to 8 bytes; a map of maps, a prog_array shows ids.

    virtual size_t user_value_size() const { return def_.value_size; }
    int user_lookup(const void* key, void* value, uint64_t flags = 0);
    int user_update(const void* key, const void* value, uint64_t flags);
    int user_erase(const void* key);
    /// Queue, stack and the hash kinds; `key` is not looked at where the type has none.
    int user_lookup_and_delete(const void* key, void* value, uint64_t flags = 0);
    /// The key after `key` (null: the first) into `next`; -ENOENT after the last. A `key` that is
    /// not there (deleted during the iteration, say) starts over at the first, as in the kernel.
    /// Without writers a whole iteration shows each key once.
    int next_key(const void* key, void* next);
    /// No more writes by user space, for good. -EPERM where that is already so.
    int freeze();
    bool frozen() const { return frozen_.load(std::memory_order_acquire); }

    /// Calls `release` with each value that is freed or replaced and has a timer or a kernel
    /// pointer (MapDef), so that the engine cancels the one and drops the other; it zeroes these
    /// fields, or they are zeroed after it. Set before programs run. Called by the thread that
    /// frees, which may hold a lock of this map: it must not call back into the map.
    void on_release(std::function<void(Map&, uint8_t* value)> release) {
        release_ = std::move(release);
    }

    /// bpf_map_meta_equal and the types' own rules: whether this map may stand in a map of maps
    /// that was made with `inner`.
    bool fits(const Map& inner) const;

  protected:
    explicit Map(const MapDef& def);

    // The commands of bpf(2) behind their common checks; the defaults are right for types whose
    // lookup() is what user space sees too.
    virtual int read_out(const void* key, void* value, uint64_t flags);
    virtual int write_in(const void* key, const void* value, uint64_t flags);
    virtual int take_out(const void* key, void* value, uint64_t flags);
    virtual int next(const void* key, void* next) = 0;

    /// Whether user space may (still) write.
    bool user_may_update() const { return user_may_write_ && !frozen(); }

    /// Lets go of what the special fields of `value` own, and zeroes them but for the lock.
    void release_special(uint8_t* value);

    MapDef def_;
    ValueLayout layout_;

  private:
    bool prog_may_read_, prog_may_write_;
    bool user_may_read_, user_may_write_;
    std::atomic<bool> frozen_ = false;
    std::function<void(Map&, uint8_t*)> release_;
};

}  // namespace skep::maps
