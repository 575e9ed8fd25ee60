// SPDX-License-Identifier: Apache-2.0
#include "maps/local_storage.hpp"

#include <linux/bpf.h>

#include <cstring>
#include <vector>

#include "maps/hash_map.hpp"

namespace skep::maps {

namespace {

/// Objects with a value at one time. (The kernel's limit is its memory.)
constexpr uint32_t kMaxObjects = 1 << 20;

uint64_t owner_of(const void* key) {
    int32_t number;
    std::memcpy(&number, key, sizeof number);
    return static_cast<uint64_t>(static_cast<int64_t>(number));
}

}  // namespace

Result<std::unique_ptr<Map>> LocalStorage::create(const MapDef& def) {
    MapDef values = def;
    values.type = MapType::Hash;
    values.key_size = sizeof(uint64_t);
    values.max_entries = kMaxObjects;
    values.flags = 0;
    auto map =
        std::unique_ptr<LocalStorage>(new LocalStorage(def, SKEP_TRY(make_hash_map(values))));
    // The values' owners know this map, not the one behind it.
    map->values_->on_release(
        [self = map.get()](Map&, uint8_t* value) { self->release_special(value); });
    return map;
}

LocalStorage::LocalStorage(const MapDef& def, std::unique_ptr<Map> values)
    : Map(def), values_(std::move(values)) {}

void* LocalStorage::get(uint64_t owner, const void* init, uint64_t flags) {
    if (flags & ~uint64_t{BPF_LOCAL_STORAGE_GET_F_CREATE}) return nullptr;
    void* found = values_->lookup(&owner, 0);
    if (found || !(flags & BPF_LOCAL_STORAGE_GET_F_CREATE)) return found;
    int error;
    if (init) {
        error = values_->update(&owner, init, BPF_NOEXIST, 0);
    } else {
        const std::vector<uint8_t> zeros(def_.value_size);
        error = values_->update(&owner, zeros.data(), BPF_NOEXIST, 0);
    }
    // Another thread may have been faster: then its value is the one.
    return error == 0 || error == -EEXIST ? values_->lookup(&owner, 0) : nullptr;
}

int LocalStorage::remove(uint64_t owner) {
    return values_->erase(&owner);
}

void LocalStorage::rename(uint64_t from, uint64_t to) {
    values_->erase(&to);
    const void* value = values_->lookup(&from, 0);
    if (!value) return;
    values_->update(&to, value, BPF_ANY, 0);
    values_->erase(&from);
}

void* LocalStorage::lookup(const void* key, uint32_t cpu) {
    const uint64_t owner = owner_of(key);
    return values_->lookup(&owner, cpu);
}

int LocalStorage::update(const void* key, const void* value, uint64_t flags, uint32_t cpu) {
    const uint64_t owner = owner_of(key);
    const int error = values_->update(&owner, value, flags, cpu);
    return error == -E2BIG ? -ENOMEM : error;
}

int LocalStorage::erase(const void* key) {
    return remove(owner_of(key));
}

std::span<uint8_t> LocalStorage::value_at(const void* address, size_t size) {
    return values_->value_at(address, size);
}

int LocalStorage::next(const void*, void*) {
    return -kEnotsupp;
}

}  // namespace skep::maps
