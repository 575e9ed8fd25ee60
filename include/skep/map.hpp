// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "skep/result.hpp"
#include "skep/types.hpp"

// A BPF map, in the kernel or in this process, as user space sees it: what bpf(2) does to it.
//
//     skep::Map counts = SKEP_TRY(object.map("counts"));
//     SKEP_TRY(counts.set(uint32_t{7}, uint64_t{1}));
//     std::optional<uint64_t> seven = SKEP_TRY(counts.get<uint64_t>(uint32_t{7}));
//     for (const skep::Element& one : SKEP_TRY(counts.elements())) use(one.key, one.value);
//
// Keys and values are bytes of exactly info().key_size and value_bytes() bytes; the typed forms
// check their sizes against these. In a map with a copy of each value for each CPU, user space sees
// all copies at once, each padded to 8 bytes: value_bytes() is their sum.
//
// A Map is a handle: copies are the same map, which lives as long as any handle, any program that
// uses it, or a pin. Thread-safety: any number of threads may use one map at once. Errors have code
// Failed with the kernel's errno in sys_errno, in the embedded runtime too (EPERM: frozen; E2BIG:
// full; EEXIST, ENOENT: what `flags` asked for is not so); sizes that do not fit are Usage.

namespace skep {

class Program;
namespace runtime {
class MapBackend;
}

struct MapInfo {
    std::string name;
    MapType type{};
    uint32_t id = 0;  ///< the kernel's, or the embedded runtime's
    uint32_t key_size = 0;
    uint32_t value_size = 0;  ///< of one copy
    uint32_t max_entries = 0;
    uint32_t flags = 0;  ///< BPF_F_* of map creation
    uint64_t extra = 0;  ///< map_extra
};

struct Element {
    std::vector<uint8_t> key;    ///< empty where the type has none
    std::vector<uint8_t> value;  ///< value_bytes() bytes
};

class Map {
  public:
    using Key = std::span<const uint8_t>;

    const MapInfo& info() const;
    bool per_cpu() const;
    /// Bytes of a value as this class reads and writes it.
    size_t value_bytes() const;

    /// False where there is no such key. `flags`: BPF_F_LOCK.
    Result<bool> lookup(Key key, std::span<uint8_t> value, uint64_t flags = 0) const;
    /// `flags`: BPF_ANY (0), BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK. With an empty key: push to a
    /// queue, stack or bloom filter.
    Result<void> update(Key key, Key value, uint64_t flags = 0);
    /// False where there is no such key.
    Result<bool> erase(Key key);
    /// Reads and deletes in one step; with an empty key: pop from a queue or stack. False where
    /// there is nothing.
    Result<bool> take(Key key, std::span<uint8_t> value);
    /// The key after `key` (empty: the first) into `next`. False after the last. A `key` that has
    /// gone meanwhile starts over.
    Result<bool> next_key(Key key, std::span<uint8_t> next) const;

    /// All elements, in the map's own order, by batches where the place has them; of a queue or
    /// stack, which only pops, none. While others write, an element may come twice or not at all.
    Result<std::vector<Element>> elements() const;
    /// All elements, one after the other, until `visit` returns false; none is copied twice.
    Result<void> for_each(const std::function<bool(Key key, Key value)>& visit) const;
    /// Many at once; returns how many were done before the first error.
    Result<size_t> update_all(std::span<const Element> elements, uint64_t flags = 0);
    Result<size_t> erase_all(std::span<const Element> elements);

    /// A slot of a prog array: what bpf_tail_call() goes on with. The program is kept alive.
    Result<void> set_prog(uint32_t index, const Program& prog);
    /// An element of a map of maps. The inner map is kept alive; EINVAL where it does not fit.
    Result<void> set_map(Key key, const Map& inner, uint64_t flags = 0);

    /// No more writes by user space, for good.
    Result<void> freeze();

    /// Makes the map outlive this process under `name`, a path on bpffs for the kernel, a file of
    /// Runtime::pin_directory() for the embedded runtime (docs/runtime.md: what that keeps). A name
    /// with a slash is a path in both. EEXIST where it is taken. Runtime::pinned_map() finds it.
    Result<void> pin(const std::string& name);
    Result<void> unpin();
    /// Writes a pinned map's elements to its file now. In the kernel, where the map itself is what
    /// is pinned, there is nothing to do.
    Result<void> sync();

    template <typename V, typename K>
        requires std::is_trivially_copyable_v<K> && std::is_trivially_copyable_v<V>
    Result<std::optional<V>> get(const K& key) const {
        V value;
        if (!SKEP_TRY(lookup(bytes(key), {reinterpret_cast<uint8_t*>(&value), sizeof(V)})))
            return std::nullopt;
        return value;
    }
    template <typename K, typename V>
        requires std::is_trivially_copyable_v<K> && std::is_trivially_copyable_v<V>
    Result<void> set(const K& key, const V& value, uint64_t flags = 0) {
        return update(bytes(key), bytes(value), flags);
    }
    template <typename K>
        requires std::is_trivially_copyable_v<K>
    Result<bool> remove(const K& key) {
        return erase(bytes(key));
    }
    /// Of a per-CPU map with a plain number as its value: all copies added up.
    template <typename K>
        requires std::is_trivially_copyable_v<K>
    Result<std::optional<uint64_t>> sum(const K& key) const {
        return sum_of(bytes(key));
    }

    explicit Map(std::shared_ptr<runtime::MapBackend> backend) : backend_(std::move(backend)) {}
    const std::shared_ptr<runtime::MapBackend>& backend() const { return backend_; }  ///< internal

  private:
    template <typename T>
    static Key bytes(const T& value) {
        return {reinterpret_cast<const uint8_t*>(&value), sizeof(T)};
    }
    Result<std::optional<uint64_t>> sum_of(Key key) const;

    std::shared_ptr<runtime::MapBackend> backend_;
};

}  // namespace skep
