// SPDX-License-Identifier: Apache-2.0
#include "maps/map_of_maps.hpp"

#include <linux/bpf.h>

#include <mutex>
#include <string>
#include <unordered_map>

#include "maps/hash_map.hpp"
#include "maps/index_keys.hpp"
#include "maps/pointer_slots.hpp"
#include "maps/rcu.hpp"

namespace skep::maps {

namespace {

class ArrayOfMaps final : public MapOfMaps {
  public:
    ArrayOfMaps(const MapDef& def, PointerSlots slots) : MapOfMaps(def), slots_(std::move(slots)) {}

    int put_map(const void* key, std::shared_ptr<Map> map, uint32_t id, uint64_t) override {
        return slots_.set(index_of(key), std::move(map), id);
    }
    std::shared_ptr<Map> map_at(const void* key) const override {
        return std::static_pointer_cast<Map>(slots_.owner(index_of(key)));
    }

    void* lookup(const void* key, uint32_t) override { return slots_.at(index_of(key)); }
    int erase(const void* key) override { return slots_.clear(index_of(key)); }

  protected:
    int read_out(const void* key, void* value, uint64_t) override {
        const auto id = slots_.id(index_of(key));
        if (!id) return -ENOENT;
        std::memcpy(value, &*id, sizeof *id);
        return 0;
    }
    int check_write(const void* key, uint64_t flags) const override {
        if (flags != BPF_ANY) return -EINVAL;
        return index_of(key) >= def_.max_entries ? -E2BIG : 0;
    }
    int next(const void* key, void* next) override {
        return next_index(key, next, def_.max_entries);
    }

  private:
    PointerSlots slots_;
};

// The index is a hash map from key to Map*; who owns the maps stands beside it. Elements of a hash
// map are recycled at once, so a program that has just found one must be given the time to read the
// pointer in it: writers, all of them in user space, wait for a grace period, as the kernel's do.
class HashOfMaps final : public MapOfMaps {
  public:
    HashOfMaps(const MapDef& def, std::unique_ptr<Map> pointers)
        : MapOfMaps(def), pointers_(std::move(pointers)) {}

    int put_map(const void* key, std::shared_ptr<Map> map, uint32_t id, uint64_t flags) override {
        const std::lock_guard lock(mutex_);
        Map* const raw = map.get();
        const int error = pointers_->update(key, &raw, flags, 0);
        if (error) return error;
        settle(std::exchange(owners_[name(key)], Owner{std::move(map), id}).map);
        return 0;
    }
    std::shared_ptr<Map> map_at(const void* key) const override {
        const std::lock_guard lock(mutex_);
        const auto found = owners_.find(name(key));
        return found == owners_.end() ? nullptr : found->second.map;
    }

    void* lookup(const void* key, uint32_t) override {
        const auto* pointer = static_cast<Map**>(pointers_->lookup(key, 0));
        return pointer ? __atomic_load_n(pointer, __ATOMIC_ACQUIRE) : nullptr;
    }
    int erase(const void* key) override {
        const std::lock_guard lock(mutex_);
        const int error = pointers_->erase(key);
        if (error) return error;
        auto owner = owners_.extract(name(key));
        settle(std::move(owner.mapped().map));
        return 0;
    }

  protected:
    int read_out(const void* key, void* value, uint64_t) override {
        const std::lock_guard lock(mutex_);
        const auto found = owners_.find(name(key));
        if (found == owners_.end()) return -ENOENT;
        std::memcpy(value, &found->second.id, sizeof found->second.id);
        return 0;
    }
    int check_write(const void*, uint64_t) const override { return 0; }
    int next(const void* key, void* next) override { return pointers_->next_key(key, next); }

  private:
    struct Owner {
        std::shared_ptr<Map> map{};
        uint32_t id = 0;
    };
    std::string name(const void* key) const {
        return {static_cast<const char*>(key), def_.key_size};
    }
    static void settle(std::shared_ptr<Map> old) {
        if (!old) return;
        if (!rcu::reading()) rcu::synchronize();
        rcu::retire(std::move(old));
    }

    std::unique_ptr<Map> pointers_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Owner> owners_;
};

std::unexpected<Error> refuse(int error, const MapDef& def, const char* what) {
    return std::unexpected(
        Error{.code = ErrorCode::Malformed,
              .message = fmt::format("map {} ({}): {}", def.name, to_string(def.type), what),
              .hint = {},
              .sys_errno = error});
}

}  // namespace

Result<std::unique_ptr<Map>> MapOfMaps::create(const MapDef& def) {
    if (!def.inner) return refuse(EBADF, def, "the inner map is missing");
    const MapType inner = def.inner->def().type;
    if (serves(inner)) return refuse(EINVAL, def, "the inner map must not hold maps itself");
    if (inner == MapType::ProgArray)
        return refuse(kEnotsupp, def, "the inner map must not be a prog_array");
    if (def.type == MapType::ArrayOfMaps)
        return std::make_unique<ArrayOfMaps>(def, SKEP_TRY(PointerSlots::create(def.max_entries)));
    MapDef pointers = def;
    pointers.type = MapType::Hash;
    pointers.value_size = sizeof(Map*);
    pointers.flags &= ~uint32_t{BPF_F_RDONLY | BPF_F_WRONLY};
    return std::make_unique<HashOfMaps>(def, SKEP_TRY(make_hash_map(pointers)));
}

MapOfMaps::MapOfMaps(const MapDef& def) : Map(def), inner_(def.inner) {}

int MapOfMaps::set_map(const void* key, std::shared_ptr<Map> map, uint32_t id, uint64_t flags) {
    if (!user_may_update()) return -EPERM;
    const int error = check_write(key, flags);
    if (error) return error;
    if (!map || !inner_->fits(*map)) return -EINVAL;
    return put_map(key, std::move(map), id, flags);
}

int MapOfMaps::write_in(const void* key, const void*, uint64_t flags) {
    const int error = check_write(key, flags);
    return error ? error : -EBADF;
}

}  // namespace skep::maps
