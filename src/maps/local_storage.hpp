// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "maps/map.hpp"

namespace skep::maps {

// task_storage and its kin (sk, inode, cgrp): a value for each object of a kind, that goes with the
// object. The engine names objects by a number that it does not use again while the value lives;
// user space's key (a pidfd in the kernel) is here that number as an int.
class LocalStorage final : public Map {
  public:
    static bool serves(MapType type) {
        return type == MapType::TaskStorage || type == MapType::SkStorage ||
               type == MapType::InodeStorage || type == MapType::CgrpStorage;
    }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    /// bpf_*_storage_get: the value of `owner`; where it has none and `flags` is
    /// BPF_LOCAL_STORAGE_GET_F_CREATE, a new one that starts as `init` (null: zeros). Null
    /// otherwise.
    void* get(uint64_t owner, const void* init, uint64_t flags);
    /// bpf_*_storage_delete: -ENOENT where there is none.
    int remove(uint64_t owner);
    /// The object `from` goes on under the number `to`, whose object has gone.
    void rename(uint64_t from, uint64_t to);

    void* lookup(const void* key, uint32_t cpu) override;
    int update(const void* key, const void* value, uint64_t flags, uint32_t cpu) override;
    int erase(const void* key) override;
    std::span<uint8_t> value_at(const void* address, size_t size) override;

  protected:
    int next(const void* key, void* next) override;

  private:
    LocalStorage(const MapDef& def, std::unique_ptr<Map> values);
    std::unique_ptr<Map> values_;  ///< a hash from owner to value
};

}  // namespace skep::maps
