// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/result.hpp"
#include "platform/types.hpp"

// A map in the kernel, as user space sees it. It holds a descriptor of its own, so it outlives the
// object that made it.
//
//     kernel::Map counts = SKEP_TRY(object.map("counts"));
//     for (const auto& [key, value] : SKEP_TRY(counts.entries())) ...
//     SKEP_TRY(counts.update(bytes_of(key), bytes_of(value)));
//
// What is true of maps::Map's user side is true here: a value of a per-CPU map is possible_cpus()
// copies, each padded to 8 bytes; map-in-maps and prog arrays take descriptors and show ids. Sizes
// are checked here, as the kernel trusts the caller's buffers. Errors name the map and carry errno.
//
// Thread-safety: that of bpf(2); any number of threads may use one Map.

namespace skep::kernel {

struct MapInfo {
    uint32_t id = 0;
    std::string name = {};
    MapType type = MapType::Unspec;
    uint32_t key_size = 0;
    uint32_t value_size = 0;
    uint32_t max_entries = 0;
    uint32_t flags = 0;
    uint64_t extra = 0;
    uint32_t btf_id = 0;  ///< 0: its types are not known
    uint32_t btf_key_type_id = 0;
    uint32_t btf_value_type_id = 0;
};

/// How many copies a per-CPU value has.
uint32_t possible_cpus();
bool is_percpu(MapType type);

struct MapEntry {
    Bytes key;
    Bytes value;
};

class Map {
  public:
    static Result<Map> from_fd(UniqueFd fd);
    static Result<Map> open_pinned(const std::string& path);
    static Result<Map> open_id(uint32_t id);

    int fd() const { return fd_.get(); }
    const MapInfo& info() const { return info_; }
    /// Bytes of a value in user space: all CPUs' copies of a per-CPU map.
    size_t user_value_size() const { return user_value_size_; }

    /// Nothing where there is no such key. Types without keys (queue, stack) take an empty one, and
    /// show what pop would give.
    Result<std::optional<Bytes>> lookup(ByteView key, uint64_t flags = 0) const;
    /// What a program sees of one element while all others change stays whole; `flags` are
    /// BPF_ANY, BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK.
    Result<void> update(ByteView key, ByteView value, uint64_t flags = BPF_ANY) const;
    /// False where there was no such key.
    Result<bool> erase(ByteView key) const;
    /// Hash kinds, queue and stack. Nothing where there is none.
    Result<std::optional<Bytes>> lookup_and_delete(ByteView key, uint64_t flags = 0) const;
    /// The key after this one; without one, or where it has gone meanwhile, the first.
    Result<std::optional<Bytes>> next_key(std::optional<ByteView> key) const;

    // Many at once: by batch commands where the type has them (Linux 5.6), else one by one.

    /// All elements. While others write, an element may be missing or come twice, as with next_key.
    Result<std::vector<MapEntry>> entries() const;
    /// Returns how many were written; all, or an error that says at which one it stopped.
    Result<size_t> update_batch(const std::vector<MapEntry>& entries,
                                uint64_t flags = BPF_ANY) const;
    /// How many there were to delete.
    Result<size_t> erase_batch(const std::vector<Bytes>& keys) const;
    /// All elements, taken out of the map (hash kinds; others: EOPNOTSUPP or EINVAL).
    Result<std::vector<MapEntry>> take_all() const;

    /// A map or program as the value of a map-in-map or prog array.
    Result<void> update_fd(ByteView key, int fd, uint64_t flags = BPF_ANY) const;

    /// No more writes by user space, for good.
    Result<void> freeze() const;
    bool frozen() const;
    Result<void> pin(const std::string& path) const;

    /// A second handle of the same map.
    Result<Map> dup() const;

  private:
    Map(UniqueFd fd, MapInfo info);

    Error error(std::string_view what, int error_number) const;
    Error named(Error error) const;
    Result<std::optional<Bytes>> found(Result<bool> there, Bytes bytes) const;
    Result<void> check_key(ByteView key) const;
    Result<void> check_value(ByteView value) const;
    Result<std::optional<std::vector<MapEntry>>> read_batch(bool take) const;

    UniqueFd fd_;
    MapInfo info_;
    size_t user_value_size_ = 0;
};

}  // namespace skep::kernel
