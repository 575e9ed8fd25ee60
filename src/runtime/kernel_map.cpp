// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel_map.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "kernel/pin.hpp"
#include "runtime/kernel_program.hpp"
#include "runtime/map_file.hpp"

namespace skep::runtime {

KernelMap::KernelMap(kernel::Map map, std::string name, std::string pin_directory,
                     std::string pinned_as)
    : map_(std::move(map)),
      info_{.name = std::move(name),
            .type = map_.info().type,
            .id = map_.info().id,
            .key_size = map_.info().key_size,
            .value_size = map_.info().value_size,
            .max_entries = map_.info().max_entries,
            .flags = map_.info().flags,
            .extra = map_.info().extra},
      pin_directory_(std::move(pin_directory)),
      pinned_as_(std::move(pinned_as)) {}

Result<bool> KernelMap::lookup(Map::Key key, std::span<uint8_t> value, uint64_t flags) {
    const std::optional<Bytes> found = SKEP_TRY(map_.lookup(key, flags));
    if (!found) return false;
    std::ranges::copy(*found, value.begin());
    return true;
}

Result<void> KernelMap::update(Map::Key key, Map::Key value, uint64_t flags) {
    return map_.update(key, value, flags);
}

Result<bool> KernelMap::erase(Map::Key key) {
    return map_.erase(key);
}

Result<bool> KernelMap::take(Map::Key key, std::span<uint8_t> value) {
    const std::optional<Bytes> found = SKEP_TRY(map_.lookup_and_delete(key));
    if (!found) return false;
    std::ranges::copy(*found, value.begin());
    return true;
}

Result<bool> KernelMap::next_key(Map::Key key, std::span<uint8_t> next) {
    const std::optional<Bytes> found =
        SKEP_TRY(map_.next_key(key.empty() ? std::nullopt : std::optional<ByteView>(key)));
    if (!found) return false;
    std::ranges::copy(*found, next.begin());
    return true;
}

Result<std::vector<Element>> KernelMap::elements() {
    std::vector<Element> all;
    if (info_.key_size == 0) return all;
    for (kernel::MapEntry& entry : SKEP_TRY(map_.entries()))
        all.push_back({std::move(entry.key), std::move(entry.value)});
    return all;
}

Result<size_t> KernelMap::update_all(std::span<const Element> elements, uint64_t flags) {
    std::vector<kernel::MapEntry> entries;
    for (const Element& one : elements) entries.push_back({one.key, one.value});
    return map_.update_batch(entries, flags);
}

Result<size_t> KernelMap::erase_all(std::span<const Element> elements) {
    std::vector<Bytes> keys;
    for (const Element& one : elements) keys.push_back(one.key);
    return map_.erase_batch(keys);
}

Result<void> KernelMap::set_prog(uint32_t index, const ProgramBackend& prog) {
    const auto* ours = dynamic_cast<const KernelProgram*>(&prog);
    if (!ours)
        return fail(ErrorCode::Usage, "map '{}': program '{}' is in this process",
                    printable(info_.name), printable(prog.spec().name));
    return map_.update_fd({reinterpret_cast<const uint8_t*>(&index), sizeof index},
                          ours->prog().fd());
}

Result<void> KernelMap::set_map(Map::Key key, const MapBackend& inner, uint64_t flags) {
    return map_.update_fd(key, SKEP_TRY(as_kernel(inner))->map().fd(), flags);
}

Result<void> KernelMap::pin(const std::string& name) {
    const std::string path = pin_path(pin_directory_, name);
    SKEP_TRY(map_.pin(path));
    pinned_as_ = path;
    return {};
}

Result<void> KernelMap::unpin() {
    if (pinned_as_.empty())
        return std::unexpected(
            sys_error(fmt::format("map '{}': unpin", printable(info_.name)), ENOENT));
    SKEP_TRY(kernel::unpin(pinned_as_));
    pinned_as_.clear();
    return {};
}

Result<const KernelMap*> as_kernel(const MapBackend& map) {
    if (const auto* ours = dynamic_cast<const KernelMap*>(&map)) return ours;
    return fail(ErrorCode::Usage, "map '{}' is in this process, not in the kernel",
                printable(map.info().name));
}

}  // namespace skep::runtime
