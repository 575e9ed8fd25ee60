// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.hpp"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.hpp"
#include "kernel/bpf.hpp"
#include "kernel/pin.hpp"

namespace skep::kernel {

uint32_t possible_cpus() {
    static const int cpus = libbpf_num_possible_cpus();
    return cpus > 0 ? static_cast<uint32_t>(cpus) : 1;
}

bool is_percpu(MapType type) {
    return type == MapType::PercpuHash || type == MapType::PercpuArray ||
           type == MapType::LruPercpuHash || type == MapType::PercpuCgroupStorage;
}

Map::Map(UniqueFd fd, MapInfo info) : fd_(std::move(fd)), info_(std::move(info)) {
    user_value_size_ = is_percpu(info_.type)
                           ? align_up(info_.value_size, 8) * size_t{possible_cpus()}
                           : info_.value_size;
}

Result<Map> Map::from_fd(UniqueFd fd) {
    const bpf_map_info raw = SKEP_TRY(map_info(fd.get()));
    return Map(std::move(fd), {.id = raw.id,
                               .name = raw.name,
                               .type = static_cast<MapType>(raw.type),
                               .key_size = raw.key_size,
                               .value_size = raw.value_size,
                               .max_entries = raw.max_entries,
                               .flags = raw.map_flags,
                               .extra = raw.map_extra,
                               .btf_id = raw.btf_id,
                               .btf_key_type_id = raw.btf_key_type_id,
                               .btf_value_type_id = raw.btf_value_type_id});
}

Result<Map> Map::open_pinned(const std::string& path) {
    return from_fd(SKEP_TRY(open_pinned_as(ObjectKind::Map, path)));
}

Result<Map> Map::open_id(uint32_t id) {
    return from_fd(SKEP_TRY(fd_by_id(ObjectKind::Map, id)));
}

Result<Map> Map::dup() const {
    UniqueFd fd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd) return std::unexpected(error("second handle", errno));
    return Map(std::move(fd), info_);
}

Error Map::error(std::string_view what, int error_number) const {
    return bpf_error(fmt::format("map '{}': {}", printable(info_.name), what), error_number);
}

Error Map::named(Error error) const {
    return std::move(error).in(fmt::format("map '{}'", printable(info_.name)));
}

Result<void> Map::check_key(ByteView key) const {
    if (key.size() == info_.key_size) return {};
    return fail(ErrorCode::Usage, "map '{}': a key has {} bytes, not {}", printable(info_.name),
                info_.key_size, key.size());
}

Result<void> Map::check_value(ByteView value) const {
    if (value.size() == user_value_size_) return {};
    return fail(ErrorCode::Usage, "map '{}': a value has {} bytes{}, not {}", printable(info_.name),
                user_value_size_, is_percpu(info_.type) ? " (a copy for each possible CPU)" : "",
                value.size());
}

Result<std::optional<Bytes>> Map::found(Result<bool> there, Bytes bytes) const {
    if (!there) return std::unexpected(named(std::move(there).error()));
    if (!*there) return std::nullopt;
    return bytes;
}

Result<std::optional<Bytes>> Map::lookup(ByteView key, uint64_t flags) const {
    SKEP_TRY(check_key(key));
    Bytes value(user_value_size_);
    auto there = map_lookup(fd_.get(), key, value, flags);
    return found(std::move(there), std::move(value));
}

Result<void> Map::update(ByteView key, ByteView value, uint64_t flags) const {
    SKEP_TRY(check_key(key));
    SKEP_TRY(check_value(value));
    if (auto done = map_update(fd_.get(), key, value, flags); !done)
        return std::unexpected(named(std::move(done).error()));
    return {};
}

Result<void> Map::update_fd(ByteView key, int fd, uint64_t flags) const {
    return update(key, bytes_of(fd), flags);
}

Result<bool> Map::erase(ByteView key) const {
    SKEP_TRY(check_key(key));
    auto there = map_delete(fd_.get(), key);
    if (!there) return std::unexpected(named(std::move(there).error()));
    return there;
}

Result<std::optional<Bytes>> Map::lookup_and_delete(ByteView key, uint64_t flags) const {
    SKEP_TRY(check_key(key));
    Bytes value(user_value_size_);
    auto there = map_lookup_and_delete(fd_.get(), key, value, flags);
    return found(std::move(there), std::move(value));
}

Result<std::optional<Bytes>> Map::next_key(std::optional<ByteView> key) const {
    if (key) SKEP_TRY(check_key(*key));
    Bytes next(info_.key_size);
    auto there = map_next_key(fd_.get(), key ? key->data() : nullptr, next);
    return found(std::move(there), std::move(next));
}

Result<void> Map::freeze() const {
    if (auto done = map_freeze(fd_.get()); !done)
        return std::unexpected(named(std::move(done).error()));
    return {};
}

bool Map::frozen() const {
    // The one place where the kernel tells.
    const auto text = read_file(fmt::format("/proc/self/fdinfo/{}", fd_.get()));
    if (!text) return false;
    const std::string_view lines(reinterpret_cast<const char*>(text->data()), text->size());
    return lines.find("frozen:\t1") != std::string_view::npos;
}

Result<void> Map::pin(const std::string& path) const {
    return pin_at(fd_.get(), path);
}

}  // namespace skep::kernel
