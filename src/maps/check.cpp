// SPDX-License-Identifier: Apache-2.0
#include "maps/check.hpp"

#include <linux/bpf.h>

#include <bit>

#include "base/bytes.hpp"
#include "maps/memory.hpp"

// The rules are those of Linux 6.18: kernel/bpf/syscall.c (map_create, map_check_btf) and the file
// of each type. tests/kernel/maps_test.cpp asks the running kernel about random definitions.

namespace skep::maps {

namespace {

constexpr uint32_t kAccess = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;
constexpr uint64_t kKmallocMax = 4 << 20;
constexpr uint32_t kPercpuMax = 32 << 10;  // PCPU_MIN_UNIT_SIZE
constexpr uint32_t kHashElement = 48;      // struct htab_elem without key and value
constexpr uint32_t kTrieNode = 24;         // struct lpm_trie_node
constexpr uint32_t kTrieDataMax = 256;
constexpr uint32_t kStorageMax =
    65535 - 48 - 64;                       // U16_MAX - sizeof(struct bpf_local_storage_elem)
constexpr uint32_t kMaxBuckets = 1 << 27;  // beyond, n_buckets * 16 passes 32 bits
constexpr uint32_t kNrCpus = 8192;         // CONFIG_NR_CPUS of distributions

std::unexpected<Error> refuse(int error, const MapDef& def, std::string_view what) {
    return std::unexpected(
        Error{.code = ErrorCode::Malformed,
              .message = fmt::format("map {} ({}): {}", def.name, to_string(def.type), what),
              .hint = {},
              .sys_errno = error});
}

std::string flag_names(uint32_t flags) {
    struct Flag {
        uint32_t bit;
        const char* name;
    };
    static constexpr Flag kFlags[] = {
        {BPF_F_NO_PREALLOC, "BPF_F_NO_PREALLOC"}, {BPF_F_NO_COMMON_LRU, "BPF_F_NO_COMMON_LRU"},
        {BPF_F_NUMA_NODE, "BPF_F_NUMA_NODE"},     {BPF_F_RDONLY, "BPF_F_RDONLY"},
        {BPF_F_WRONLY, "BPF_F_WRONLY"},           {BPF_F_STACK_BUILD_ID, "BPF_F_STACK_BUILD_ID"},
        {BPF_F_ZERO_SEED, "BPF_F_ZERO_SEED"},     {BPF_F_RDONLY_PROG, "BPF_F_RDONLY_PROG"},
        {BPF_F_WRONLY_PROG, "BPF_F_WRONLY_PROG"}, {BPF_F_CLONE, "BPF_F_CLONE"},
        {BPF_F_MMAPABLE, "BPF_F_MMAPABLE"},       {BPF_F_PRESERVE_ELEMS, "BPF_F_PRESERVE_ELEMS"},
        {BPF_F_INNER_MAP, "BPF_F_INNER_MAP"},
    };
    std::string names;
    for (const Flag& flag : kFlags) {
        if (!(flags & flag.bit)) continue;
        if (!names.empty()) names += "|";
        names += flag.name;
        flags &= ~flag.bit;
    }
    if (flags) names += fmt::format("{}{:#x}", names.empty() ? "" : "|", flags);
    return names;
}

Result<void> check_flags(const MapDef& def, uint32_t allowed) {
    if (def.flags & ~allowed)
        return refuse(EINVAL, def,
                      fmt::format("flags must not have {}", flag_names(def.flags & ~allowed)));
    if ((def.flags & BPF_F_RDONLY_PROG) && (def.flags & BPF_F_WRONLY_PROG))
        return refuse(EINVAL, def,
                      "flags must not have both BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG");
    return {};
}

Result<void> need_entries(const MapDef& def) {
    if (def.max_entries == 0) return refuse(EINVAL, def, "max_entries must not be 0");
    return {};
}

Result<void> need_key(const MapDef& def, uint32_t size) {
    if (def.key_size != size)
        return refuse(EINVAL, def, fmt::format("key_size must be {}, not {}", size, def.key_size));
    return {};
}

Result<void> need_value(const MapDef& def) {
    if (def.value_size == 0) return refuse(EINVAL, def, "value_size must not be 0");
    return {};
}

Result<void> need_value(const MapDef& def, uint32_t size) {
    if (def.value_size != size)
        return refuse(EINVAL, def,
                      fmt::format("value_size must be {}, not {}", size, def.value_size));
    return {};
}

Result<void> percpu_value(const MapDef& def) {
    if (align_up(def.value_size, 8) > kPercpuMax)
        return refuse(E2BIG, def,
                      fmt::format("value_size must be at most {} in a per-CPU map", kPercpuMax));
    return {};
}

Result<void> check_array(const MapDef& def) {
    const bool percpu = def.type == MapType::PercpuArray;
    SKEP_TRY(need_entries(def));
    SKEP_TRY(need_key(def, 4));
    SKEP_TRY(need_value(def));
    uint32_t allowed = kAccess;
    if (!percpu) allowed |= BPF_F_NUMA_NODE;
    if (def.type == MapType::Array) allowed |= BPF_F_MMAPABLE | BPF_F_INNER_MAP;
    if (def.type == MapType::PerfEventArray) allowed |= BPF_F_PRESERVE_ELEMS;
    SKEP_TRY(check_flags(def, allowed));
    if (def.value_size > INT32_MAX) return refuse(E2BIG, def, "value_size must be below 2 GiB");
    return percpu ? percpu_value(def) : Result<void>();
}

/// prog_array, perf_event_array, array_of_maps: slots that user space fills with descriptors.
Result<void> check_fd_array(const MapDef& def) {
    SKEP_TRY(need_value(def, 4));
    if (def.flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG))
        return refuse(EINVAL, def, "flags must not have BPF_F_RDONLY_PROG or BPF_F_WRONLY_PROG");
    return check_array(def);
}

Result<void> check_hash(const MapDef& def) {
    const bool percpu = def.type == MapType::PercpuHash || def.type == MapType::LruPercpuHash;
    const bool lru = def.type == MapType::LruHash || def.type == MapType::LruPercpuHash;
    SKEP_TRY(check_flags(def, kAccess | BPF_F_NO_PREALLOC | BPF_F_NO_COMMON_LRU | BPF_F_NUMA_NODE |
                                  BPF_F_ZERO_SEED));
    if (!lru && (def.flags & BPF_F_NO_COMMON_LRU))
        return refuse(EINVAL, def, "flags may have BPF_F_NO_COMMON_LRU in an LRU map only");
    if (lru && (def.flags & BPF_F_NO_PREALLOC))
        return refuse(kEnotsupp, def, "flags must not have BPF_F_NO_PREALLOC in an LRU map");
    if ((def.flags & BPF_F_NUMA_NODE) && (percpu || (def.flags & BPF_F_NO_COMMON_LRU)))
        return refuse(EINVAL, def, "flags must not have BPF_F_NUMA_NODE in a per-CPU map");
    SKEP_TRY(need_entries(def));
    if (def.key_size == 0) return refuse(EINVAL, def, "key_size must not be 0");
    SKEP_TRY(need_value(def));
    if (uint64_t{def.key_size} + def.value_size >= kKmallocMax - kHashElement)
        return refuse(E2BIG, def, "key_size and value_size together must be below 4 MiB");
    if (percpu) SKEP_TRY(percpu_value(def));
    if (def.max_entries > kMaxBuckets)
        return refuse(E2BIG, def, fmt::format("max_entries must be at most {}", kMaxBuckets));
    return {};
}

Result<void> check_lpm_trie(const MapDef& def) {
    SKEP_TRY(need_entries(def));
    if (!(def.flags & BPF_F_NO_PREALLOC))
        return refuse(EINVAL, def, "flags must have BPF_F_NO_PREALLOC");
    SKEP_TRY(check_flags(def, kAccess | BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE));
    if (def.key_size < 5 || def.key_size > 4 + kTrieDataMax)
        return refuse(EINVAL, def,
                      fmt::format("key_size must be from 5 to {} (prefix length and data), not {}",
                                  4 + kTrieDataMax, def.key_size));
    SKEP_TRY(need_value(def));
    if (def.value_size > kKmallocMax - kTrieDataMax - kTrieNode)
        return refuse(EINVAL, def, "value_size must be below 4 MiB");
    return {};
}

Result<void> check_queue(const MapDef& def) {
    SKEP_TRY(need_entries(def));
    SKEP_TRY(need_key(def, 0));
    SKEP_TRY(need_value(def));
    SKEP_TRY(check_flags(def, kAccess | BPF_F_NUMA_NODE));
    if (def.value_size > kKmallocMax) return refuse(E2BIG, def, "value_size must be at most 4 MiB");
    if (def.max_entries >= UINT32_MAX / def.value_size)
        return refuse(E2BIG, def, "max_entries * value_size must be below 4 GiB");
    return {};
}

Result<void> check_bloom(const MapDef& def) {
    if (def.value_size > kKmallocMax) return refuse(E2BIG, def, "value_size must be at most 4 MiB");
    SKEP_TRY(need_key(def, 0));
    SKEP_TRY(need_value(def));
    SKEP_TRY(need_entries(def));
    SKEP_TRY(check_flags(def, kAccess | BPF_F_NUMA_NODE | BPF_F_ZERO_SEED));
    if (def.extra & ~uint64_t{15})
        return refuse(EINVAL, def, "map_extra (the number of hash functions) must be at most 15");
    return {};
}

Result<void> check_ringbuf(const MapDef& def) {
    SKEP_TRY(check_flags(def, BPF_F_NUMA_NODE));
    SKEP_TRY(need_key(def, 0));
    SKEP_TRY(need_value(def, 0));
    if (!std::has_single_bit(def.max_entries) || def.max_entries % kPageSize != 0)
        return refuse(EINVAL, def,
                      fmt::format("max_entries must be a power of two and a multiple of {}, not {}",
                                  kPageSize, def.max_entries));
    return {};
}

Result<void> check_redirect(const MapDef& def) {
    SKEP_TRY(need_entries(def));
    SKEP_TRY(need_key(def, 4));
    if (def.type == MapType::Xskmap) {
        SKEP_TRY(need_value(def, 4));
    } else if (def.value_size != 4 && def.value_size != 8) {
        return refuse(EINVAL, def,
                      fmt::format("value_size must be 4 or 8, not {}", def.value_size));
    }
    const bool cpus = def.type == MapType::Cpumap;
    SKEP_TRY(check_flags(def, BPF_F_NUMA_NODE | (cpus ? 0 : BPF_F_RDONLY | BPF_F_WRONLY)));
    if (cpus && def.max_entries > kNrCpus)
        return refuse(E2BIG, def, fmt::format("max_entries must be at most {}", kNrCpus));
    if (def.type == MapType::DevmapHash && def.max_entries > 1U << 31)
        return refuse(EINVAL, def, "max_entries must be at most 2147483648");
    return {};
}

Result<void> check_storage(const MapDef& def) {
    SKEP_TRY(check_flags(def, BPF_F_NO_PREALLOC | BPF_F_CLONE));
    if (!(def.flags & BPF_F_NO_PREALLOC))
        return refuse(EINVAL, def, "flags must have BPF_F_NO_PREALLOC");
    if (def.max_entries != 0) return refuse(EINVAL, def, "max_entries must be 0");
    SKEP_TRY(need_key(def, 4));
    SKEP_TRY(need_value(def));
    if (def.value_size > kStorageMax)
        return refuse(E2BIG, def, fmt::format("value_size must be at most {}", kStorageMax));
    return {};
}

Result<void> check_type(const MapDef& def) {
    switch (def.type) {
        case MapType::Array:
        case MapType::PercpuArray: return check_array(def);
        case MapType::ProgArray:
        case MapType::PerfEventArray:
        case MapType::ArrayOfMaps: return check_fd_array(def);
        case MapType::HashOfMaps: SKEP_TRY(need_value(def, 4)); return check_hash(def);
        case MapType::Hash:
        case MapType::PercpuHash:
        case MapType::LruHash:
        case MapType::LruPercpuHash: return check_hash(def);
        case MapType::LpmTrie: return check_lpm_trie(def);
        case MapType::Queue:
        case MapType::Stack: return check_queue(def);
        case MapType::BloomFilter: return check_bloom(def);
        case MapType::Ringbuf:
        case MapType::UserRingbuf: return check_ringbuf(def);
        case MapType::Devmap:
        case MapType::DevmapHash:
        case MapType::Cpumap:
        case MapType::Xskmap: return check_redirect(def);
        case MapType::TaskStorage:
        case MapType::SkStorage:
        case MapType::InodeStorage:
        case MapType::CgrpStorage: return check_storage(def);
        default:
            return std::unexpected(
                Error{.code = ErrorCode::Unsupported,
                      .message = fmt::format("map {}: the embedded runtime has no maps of type {}",
                                             def.name, to_string(def.type)),
                      .hint = "run the program in the kernel",
                      .sys_errno = EINVAL});
    }
}

/// Types whose values may have a field: rows of the switch in map_check_btf().
bool may_lock(MapType type) {
    switch (type) {
        case MapType::Hash:
        case MapType::Array:
        case MapType::TaskStorage:
        case MapType::SkStorage:
        case MapType::InodeStorage:
        case MapType::CgrpStorage: return true;
        default: return false;
    }
}

bool may_time(MapType type) {
    return type == MapType::Hash || type == MapType::LruHash || type == MapType::Array;
}

bool may_point(MapType type) {
    return may_lock(type) || type == MapType::LruHash || type == MapType::PercpuHash ||
           type == MapType::LruPercpuHash || type == MapType::PercpuArray;
}

Result<void> check_field(const MapDef& def, const char* what, uint32_t offset, uint32_t size,
                         uint32_t alignment, bool allowed) {
    if (!allowed)
        return refuse(EOPNOTSUPP, def, fmt::format("values of this type may not have {}", what));
    if (def.flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG))
        return refuse(
            EACCES, def,
            fmt::format("flags must not have BPF_F_RDONLY_PROG or BPF_F_WRONLY_PROG where "
                        "values have {}",
                        what));
    if (offset % alignment != 0 || offset > def.value_size || size > def.value_size - offset)
        return refuse(EINVAL, def,
                      fmt::format("{} at offset {} does not lie in the value, aligned to {}", what,
                                  offset, alignment));
    return {};
}

Result<void> check_special(const MapDef& def) {
    if (def.lock_offset)
        SKEP_TRY(check_field(def, "a bpf_spin_lock", *def.lock_offset, kSpinLockSize, 4,
                             may_lock(def.type)));
    if (def.timer_offset)
        SKEP_TRY(
            check_field(def, "a bpf_timer", *def.timer_offset, kTimerSize, 8, may_time(def.type)));
    for (const uint32_t offset : def.kptr_offsets)
        SKEP_TRY(check_field(def, "a kernel pointer", offset, kKptrSize, 8, may_point(def.type)));
    return {};
}

}  // namespace

Result<void> check(const MapDef& def) {
    if (def.type != MapType::BloomFilter && def.extra != 0)
        return refuse(EINVAL, def, "map_extra must be 0");
    if ((def.flags & BPF_F_RDONLY) && (def.flags & BPF_F_WRONLY))
        return refuse(EINVAL, def, "flags must not have both BPF_F_RDONLY and BPF_F_WRONLY");
    SKEP_TRY(check_type(def));
    return check_special(def);
}

}  // namespace skep::maps
