// SPDX-License-Identifier: Apache-2.0
#include "object/source.hpp"

// What a definition says about keys must suit the map's type. What it leaves open (0), user space
// may set before it creates the map, as it often does with value sizes and max_entries. Rules: the
// map_alloc_check functions of kernel/bpf, Linux 6.12.

namespace skep::object {

namespace {

struct KeySizes {
    uint32_t min, max;
    const char* rule;
};

KeySizes key_sizes(MapType type) {
    switch (type) {
        case MapType::Hash:
        case MapType::PercpuHash:
        case MapType::LruHash:
        case MapType::LruPercpuHash:
        case MapType::HashOfMaps:
        case MapType::Sockhash: return {1, UINT32_MAX, "at least 1"};
        case MapType::LpmTrie: return {5, 260, "5 to 260: a prefix length of 4 bytes and data"};
        case MapType::CgroupStorage:
        case MapType::PercpuCgroupStorage:
            return {8, 16, "8, or 16: struct bpf_cgroup_storage_key"};
        case MapType::Queue:
        case MapType::Stack:
        case MapType::BloomFilter:
        case MapType::Ringbuf:
        case MapType::UserRingbuf:
        case MapType::Arena: return {0, 0, "0: it has no keys"};
        default: return {4, 4, "4"};
    }
}

}  // namespace

Result<void> check_keys(const MapSpec& map) {
    const KeySizes sizes = key_sizes(map.type);
    if (map.key_size != 0 && (map.key_size < sizes.min || map.key_size > sizes.max))
        return malformed("key_size is {}; for a map of type {} it must be {}", map.key_size,
                         to_string(map.type), sizes.rule);
    if (map.inner) {
        if (auto ok = check_keys(*map.inner); !ok)
            return std::unexpected(std::move(ok.error()).in("inner map"));
    }
    return {};
}

}  // namespace skep::object
