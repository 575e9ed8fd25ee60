// SPDX-License-Identifier: Apache-2.0
#include "maps/array.hpp"

#include <linux/bpf.h>

#include "base/bytes.hpp"
#include "maps/index_keys.hpp"

namespace skep::maps {

Result<std::unique_ptr<Map>> ArrayMap::create(const MapDef& def) {
    const bool percpu = def.type == MapType::PercpuArray;
    const uint64_t values = align_up(def.value_size, 8) * def.max_entries;
    const uint64_t cpu_stride = percpu ? align_up(values, kPageSize) : 0;
    Reserved memory = SKEP_TRY(Reserved::create(percpu ? cpu_stride * possible_cpus() : values));
    return std::unique_ptr<Map>(new ArrayMap(def, std::move(memory), cpu_stride));
}

ArrayMap::ArrayMap(const MapDef& def, Reserved memory, size_t cpu_stride)
    : Map(def),
      memory_(std::move(memory)),
      stride_(align_up(def.value_size, 8)),
      cpu_stride_(cpu_stride) {}

ArrayMap::~ArrayMap() {
    if (!layout_.has_owned()) return;
    for (uint32_t cpu = 0; cpu < (percpu() ? possible_cpus() : 1); ++cpu)
        for (uint32_t index = 0; index < def_.max_entries; ++index) release_special(at(index, cpu));
}

int ArrayMap::update(const void* key, const void* value, uint64_t flags, uint32_t cpu) {
    if ((flags & ~uint64_t{BPF_F_LOCK}) > BPF_EXIST) return -EINVAL;
    const uint32_t index = index_of(key);
    if (index >= def_.max_entries) return -E2BIG;
    if (flags & BPF_NOEXIST) return -EEXIST;
    if ((flags & BPF_F_LOCK) && !layout_.has_lock()) return -EINVAL;
    uint8_t* to = at(index, cpu);
    if ((flags & BPF_F_LOCK) && !percpu()) {
        layout_.copy_locked(to, value, to);
    } else {
        layout_.copy(to, value);
    }
    release_special(to);
    return 0;
}

void* ArrayMap::lookup_percpu(const void* key, uint32_t cpu) {
    return percpu() && cpu < possible_cpus() ? lookup(key, cpu) : nullptr;
}

int64_t ArrayMap::for_each(Visit visit, uint64_t flags, uint32_t cpu) {
    if (flags) return -EINVAL;
    int64_t visited = 0;
    for (uint32_t index = 0; index < def_.max_entries; ++index) {
        uint32_t key = index;  // a copy for each call: the program may write to it
        ++visited;
        if (visit(&key, at(index, cpu))) break;
    }
    return visited;
}

std::span<uint8_t> ArrayMap::value_at(const void* address, size_t size) {
    const uint64_t all = percpu() ? cpu_stride_ * possible_cpus() : stride_ * def_.max_entries;
    uint64_t offset = static_cast<const uint8_t*>(address) - memory_.data();
    if (offset >= all) return {};
    if (percpu()) offset %= cpu_stride_;
    const uint64_t index = offset / stride_, inside = offset % stride_;
    if (index >= def_.max_entries || inside > def_.value_size || size > def_.value_size - inside)
        return {};
    return {memory_.data() + (static_cast<const uint8_t*>(address) - memory_.data() - inside),
            def_.value_size};
}

size_t ArrayMap::user_value_size() const {
    return percpu() ? stride_ * possible_cpus() : def_.value_size;
}

int ArrayMap::read_out(const void* key, void* value, uint64_t flags) {
    if (!percpu()) return Map::read_out(key, value, flags);
    const uint32_t index = index_of(key);
    if (index >= def_.max_entries) return -ENOENT;
    auto* out = static_cast<uint8_t*>(value);
    for (uint32_t cpu = 0; cpu < possible_cpus(); ++cpu, out += stride_) {
        copy_words(out, at(index, cpu), stride_);
        layout_.clear_special(out);
    }
    return 0;
}

int ArrayMap::write_in(const void* key, const void* value, uint64_t flags) {
    if (!percpu()) return update(key, value, flags, 0);
    if (flags > BPF_EXIST) return -EINVAL;
    const uint32_t index = index_of(key);
    if (index >= def_.max_entries) return -E2BIG;
    if (flags == BPF_NOEXIST) return -EEXIST;
    const auto* in = static_cast<const uint8_t*>(value);
    for (uint32_t cpu = 0; cpu < possible_cpus(); ++cpu, in += stride_) {
        // The kernel copies the padding too, so that user space reads back what it wrote.
        layout_.copy(at(index, cpu), in);
        copy_words(at(index, cpu) + def_.value_size, in + def_.value_size,
                   stride_ - def_.value_size);
        release_special(at(index, cpu));
    }
    return 0;
}

int ArrayMap::next(const void* key, void* next) {
    return next_index(key, next, def_.max_entries);
}

}  // namespace skep::maps
