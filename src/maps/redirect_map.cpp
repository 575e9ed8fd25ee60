// SPDX-License-Identifier: Apache-2.0
#include "maps/redirect_map.hpp"

#include <linux/bpf.h>

#include <cstring>

#include "maps/hash_map.hpp"
#include "maps/index_keys.hpp"

namespace skep::maps {

namespace {
constexpr uint32_t kMaxQueue = 16384;  // of a cpumap entry, in packets
constexpr uint32_t kMaxHash = 1 << 27;
}  // namespace

Result<std::unique_ptr<Map>> RedirectMap::create(const MapDef& given) {
    MapDef def = given;
    const bool devices = def.type == MapType::Devmap || def.type == MapType::DevmapHash;
    if (devices) def.flags |= BPF_F_RDONLY_PROG;  // programs see the map's own copy of the value
    const MapDef values{.name = def.name,
                        .type = MapType::Hash,
                        .key_size = 4,
                        .value_size = def.value_size,
                        .max_entries = std::min(def.max_entries, kMaxHash)};
    return std::unique_ptr<Map>(new RedirectMap(def, SKEP_TRY(make_hash_map(values))));
}

const void* RedirectMap::target(uint32_t key) {
    return values_->lookup(&key, 0);
}

void* RedirectMap::lookup(const void* key, uint32_t cpu) {
    if (def_.type == MapType::Cpumap || def_.type == MapType::Xskmap) return nullptr;
    return values_->lookup(key, cpu);
}

/// `empty`: a value that stands for "nothing here".
int RedirectMap::check_value(const void* key, const void* value, bool& empty) const {
    uint32_t words[2] = {};
    std::memcpy(words, value, def_.value_size);
    empty = words[0] == 0 && def_.type != MapType::Xskmap;
    switch (def_.type) {
        case MapType::Devmap: return empty && static_cast<int32_t>(words[1]) > 0 ? -EINVAL : 0;
        case MapType::DevmapHash: return empty ? -EINVAL : 0;
        case MapType::Cpumap:
            if (words[0] > kMaxQueue) return -EOVERFLOW;
            return index_of(key) >= possible_cpus() ? -ENODEV : 0;
        default: return 0;
    }
}

int RedirectMap::update(const void* key, const void* value, uint64_t flags, uint32_t) {
    if (flags > BPF_EXIST) return -EINVAL;
    const bool hash = def_.type == MapType::DevmapHash;
    if (!hash && index_of(key) >= def_.max_entries) return -E2BIG;
    // Slots of an array always exist; an xskmap alone goes by what they hold.
    if (!hash && def_.type != MapType::Xskmap && flags == BPF_NOEXIST) return -EEXIST;
    bool empty = false;
    const int error = check_value(key, value, empty);
    if (error) return error;
    if (empty) {
        values_->erase(key);
        return 0;
    }
    // In the kernel, BPF_EXIST asks nothing of these maps.
    const bool as_given = flags == BPF_NOEXIST || def_.type == MapType::Xskmap;
    return values_->update(key, value, as_given ? flags : uint64_t{BPF_ANY}, 0);
}

int RedirectMap::erase(const void* key) {
    if (def_.type == MapType::DevmapHash) return values_->erase(key);
    if (index_of(key) >= def_.max_entries) return -EINVAL;
    values_->erase(key);
    return 0;
}

std::span<uint8_t> RedirectMap::value_at(const void* address, size_t size) {
    return values_->value_at(address, size);
}

int RedirectMap::read_out(const void* key, void* value, uint64_t) {
    if (def_.type == MapType::Xskmap) return -EOPNOTSUPP;
    return values_->user_lookup(key, value);
}

int RedirectMap::next(const void* key, void* next) {
    if (def_.type == MapType::DevmapHash) return values_->next_key(key, next);
    return next_index(key, next, def_.max_entries);
}

}  // namespace skep::maps
