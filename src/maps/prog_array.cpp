// SPDX-License-Identifier: Apache-2.0
#include "maps/prog_array.hpp"

#include <linux/bpf.h>

#include "maps/index_keys.hpp"

namespace skep::maps {

Result<std::unique_ptr<Map>> ProgArray::create(const MapDef& def) {
    return std::unique_ptr<Map>(
        new ProgArray(def, SKEP_TRY(PointerSlots::create(def.max_entries))));
}

int ProgArray::erase(const void* key) {
    return slots_.clear(index_of(key));
}

int ProgArray::read_out(const void* key, void* value, uint64_t) {
    const auto id = slots_.id(index_of(key));
    if (!id) return -ENOENT;
    std::memcpy(value, &*id, sizeof *id);
    return 0;
}

int ProgArray::write_in(const void* key, const void*, uint64_t flags) {
    if (flags != BPF_ANY) return -EINVAL;
    return index_of(key) >= def_.max_entries ? -E2BIG : -EBADF;
}

int ProgArray::next(const void* key, void* next) {
    return next_index(key, next, def_.max_entries);
}

}  // namespace skep::maps
