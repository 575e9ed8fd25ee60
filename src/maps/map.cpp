// SPDX-License-Identifier: Apache-2.0
#include "maps/map.hpp"

#include <linux/bpf.h>

#include <cstring>

#include "base/file.hpp"
#include "base/text.hpp"
#include "maps/array.hpp"
#include "maps/bloom.hpp"
#include "maps/check.hpp"
#include "maps/hash_map.hpp"
#include "maps/local_storage.hpp"
#include "maps/lpm_trie.hpp"
#include "maps/map_of_maps.hpp"
#include "maps/perf_event_array.hpp"
#include "maps/prog_array.hpp"
#include "maps/queue.hpp"
#include "maps/redirect_map.hpp"
#include "maps/ringbuf.hpp"

namespace skep::maps {

namespace {

/// "0-7" and the like: one more than the highest number.
uint32_t read_possible_cpus() {
    const Result<Bytes> text = read_file("/sys/devices/system/cpu/possible");
    if (!text) return 1;
    const std::string_view line = trim({reinterpret_cast<const char*>(text->data()), text->size()});
    const size_t start = line.find_last_of("-,");
    const auto last = parse_uint(start == std::string_view::npos ? line : line.substr(start + 1));
    return last && *last < 65536 ? static_cast<uint32_t>(*last) + 1 : 1;
}

}  // namespace

uint32_t possible_cpus() {
    static const uint32_t count = read_possible_cpus();
    return count;
}

Result<std::unique_ptr<Map>> Map::create(const MapDef& def) {
    SKEP_TRY(check(def));
    switch (def.type) {
        case MapType::Array:
        case MapType::PercpuArray: return ArrayMap::create(def);
        case MapType::Hash:
        case MapType::PercpuHash:
        case MapType::LruHash:
        case MapType::LruPercpuHash: return make_hash_map(def);
        case MapType::ProgArray: return ProgArray::create(def);
        case MapType::ArrayOfMaps:
        case MapType::HashOfMaps: return MapOfMaps::create(def);
        case MapType::Ringbuf: return Ringbuf::create(def);
        case MapType::UserRingbuf: return UserRingbuf::create(def);
        case MapType::PerfEventArray: return PerfEventArray::create(def);
        case MapType::Queue:
        case MapType::Stack: return QueueMap::create(def);
        case MapType::BloomFilter: return BloomFilter::create(def);
        case MapType::LpmTrie: return LpmTrie::create(def);
        case MapType::Devmap:
        case MapType::DevmapHash:
        case MapType::Cpumap:
        case MapType::Xskmap: return RedirectMap::create(def);
        case MapType::TaskStorage:
        case MapType::SkStorage:
        case MapType::InodeStorage:
        case MapType::CgrpStorage: return LocalStorage::create(def);
        default: return unsupported("map {}: no maps of type {}", def.name, to_string(def.type));
    }
}

Map::Map(const MapDef& def)
    : def_(def),
      layout_(def.value_size, def.lock_offset, def.timer_offset, def.kptr_offsets),
      prog_may_read_(!(def.flags & BPF_F_WRONLY_PROG)),
      prog_may_write_(!(def.flags & BPF_F_RDONLY_PROG)),
      user_may_read_(!(def.flags & BPF_F_WRONLY)),
      user_may_write_(!(def.flags & BPF_F_RDONLY)) {
    def_.flags &= ~uint32_t{BPF_F_RDONLY | BPF_F_WRONLY};  // of the descriptor, not of the map
    def_.inner.reset();
}

void* Map::lookup_percpu(const void*, uint32_t) {
    return nullptr;
}
int Map::push(const void*, uint64_t) {
    return -EOPNOTSUPP;
}
int Map::pop(void*) {
    return -EOPNOTSUPP;
}
int Map::peek(void*) {
    return -EOPNOTSUPP;
}
int64_t Map::for_each(Visit, uint64_t, uint32_t) {
    return -EOPNOTSUPP;
}

int Map::user_lookup(const void* key, void* value, uint64_t flags) {
    if (flags & ~uint64_t{BPF_F_LOCK}) return -EINVAL;
    if (!user_may_read_) return -EPERM;
    if ((flags & BPF_F_LOCK) && !layout_.has_lock()) return -EINVAL;
    return read_out(key, value, flags);
}

int Map::user_update(const void* key, const void* value, uint64_t flags) {
    if (!user_may_update()) return -EPERM;
    if ((flags & BPF_F_LOCK) && !layout_.has_lock()) return -EINVAL;
    return write_in(key, value, flags);
}

int Map::user_erase(const void* key) {
    if (!user_may_update()) return -EPERM;
    return erase(key);
}

int Map::user_lookup_and_delete(const void* key, void* value, uint64_t flags) {
    if (flags & ~uint64_t{BPF_F_LOCK}) return -EINVAL;
    if (!user_may_read_ || !user_may_update()) return -EPERM;
    if (flags && (def_.type == MapType::Queue || def_.type == MapType::Stack)) return -EINVAL;
    if ((flags & BPF_F_LOCK) && !layout_.has_lock()) return -EINVAL;
    return take_out(key, value, flags);
}

int Map::next_key(const void* key, void* next) {
    if (!user_may_read_) return -EPERM;
    return this->next(key, next);
}

int Map::freeze() {
    if (layout_.has_special()) return -kEnotsupp;
    if (!user_may_write_) return -EPERM;
    return frozen_.exchange(true, std::memory_order_acq_rel) ? -EPERM : 0;  // not writable
}

bool Map::fits(const Map& inner) const {
    const MapDef& other = inner.def_;
    if (def_.type != other.type || def_.key_size != other.key_size ||
        def_.value_size != other.value_size || def_.flags != other.flags ||
        def_.lock_offset != other.lock_offset || def_.timer_offset != other.timer_offset ||
        def_.kptr_offsets != other.kptr_offsets)
        return false;
    if (def_.type == MapType::Array && !(def_.flags & BPF_F_INNER_MAP))
        return def_.max_entries == other.max_entries;  // programs have inlined the bounds check
    return def_.type != MapType::Xskmap || def_.max_entries == other.max_entries;
}

int Map::read_out(const void* key, void* value, uint64_t flags) {
    void* found = lookup(key, 0);
    if (!found) return -ENOENT;
    if (flags & BPF_F_LOCK) {
        layout_.copy_locked(value, found, found);
    } else {
        layout_.copy(value, found);
    }
    layout_.clear_special(value);
    return 0;
}

int Map::write_in(const void* key, const void* value, uint64_t flags) {
    return update(key, value, flags, 0);
}

int Map::take_out(const void*, void*, uint64_t) {
    return -kEnotsupp;
}

void Map::release_special(uint8_t* value) {
    if (!layout_.has_owned()) [[likely]]
        return;
    if (release_) release_(*this, value);
    layout_.clear_owned(value);
}

}  // namespace skep::maps
