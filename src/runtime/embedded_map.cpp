// SPDX-License-Identifier: Apache-2.0
#include "runtime/embedded_map.hpp"

#include "base/text.hpp"
#include "maps/map_of_maps.hpp"
#include "maps/prog_array.hpp"
#include "runtime/embedded_program.hpp"
#include "runtime/map_file.hpp"

namespace skep::runtime {

namespace {

MapInfo info_of(const maps::MapDef& def, uint32_t id) {
    return {.name = def.name,
            .type = def.type,
            .id = id,
            .key_size = def.key_size,
            .value_size = def.value_size,
            .max_entries = def.max_entries,
            .flags = def.flags,
            .extra = def.extra};
}

const void* pointer(Map::Key bytes) {
    return bytes.empty() ? nullptr : bytes.data();
}

}  // namespace

EmbeddedMap::EmbeddedMap(std::shared_ptr<EmbeddedState> state, std::shared_ptr<maps::Map> map,
                         MapTypes types)
    : state_(std::move(state)),
      map_(std::move(map)),
      types_(std::move(types)),
      info_(info_of(map_->def(), state_->new_id())) {}

EmbeddedMap::~EmbeddedMap() {
    // Nobody is left to tell of a disk that is full; the last version that was saved stays.
    if (file_) (void)file_->save(*map_, types_);
}

void EmbeddedMap::keep_in(std::unique_ptr<MapFile> file) {
    const std::lock_guard lock(mutex_);
    file_ = std::move(file);
}

Error EmbeddedMap::error(std::string_view what, int result) const {
    const std::string where = fmt::format("map '{}': {}", printable(info_.name), what);
    if (result == -maps::kEnotsupp)
        return {ErrorCode::Failed,
                fmt::format("{}: maps of type {} do not have this", where, to_string(info_.type)),
                {},
                maps::kEnotsupp};
    return sys_error(where, -result);
}

Result<bool> EmbeddedMap::lookup(Map::Key key, std::span<uint8_t> value, uint64_t flags) {
    const int result = map_->user_lookup(pointer(key), value.data(), flags);
    if (result == -ENOENT) return false;
    if (result) return std::unexpected(error("lookup", result));
    return true;
}

Result<void> EmbeddedMap::update(Map::Key key, Map::Key value, uint64_t flags) {
    if (const int result = map_->user_update(pointer(key), value.data(), flags))
        return std::unexpected(error("update", result));
    return {};
}

Result<bool> EmbeddedMap::erase(Map::Key key) {
    const int result = map_->user_erase(pointer(key));
    if (result == -ENOENT) return false;
    if (result) return std::unexpected(error("delete", result));
    return true;
}

Result<bool> EmbeddedMap::take(Map::Key key, std::span<uint8_t> value) {
    const int result = map_->user_lookup_and_delete(pointer(key), value.data(), 0);
    if (result == -ENOENT) return false;
    if (result) return std::unexpected(error("lookup and delete", result));
    return true;
}

Result<bool> EmbeddedMap::next_key(Map::Key key, std::span<uint8_t> next) {
    const int result = map_->next_key(pointer(key), next.data());
    if (result == -ENOENT) return false;
    if (result) return std::unexpected(error("next key", result));
    return true;
}

Result<std::vector<Element>> EmbeddedMap::elements() {
    std::vector<Element> all;
    if (info_.key_size == 0) return all;
    Element element{std::vector<uint8_t>(info_.key_size), std::vector<uint8_t>(value_bytes())};
    std::vector<uint8_t> next(info_.key_size);
    const void* from = nullptr;
    while (map_->next_key(from, next.data()) == 0) {
        element.key = next;
        from = element.key.data();
        if (map_->user_lookup(from, element.value.data()) == 0) all.push_back(element);
    }
    return all;
}

Result<size_t> EmbeddedMap::update_all(std::span<const Element> elements, uint64_t flags) {
    for (size_t i = 0; i < elements.size(); i++)
        if (auto done = update(elements[i].key, elements[i].value, flags); !done)
            return i ? Result<size_t>(i) : std::unexpected(done.error());
    return elements.size();
}

Result<size_t> EmbeddedMap::erase_all(std::span<const Element> elements) {
    size_t erased = 0;
    for (const Element& one : elements) erased += SKEP_TRY(erase(one.key));
    return erased;
}

Result<void> EmbeddedMap::set_prog(uint32_t index, const ProgramBackend& prog) {
    auto* array = map_->as<maps::ProgArray>();
    if (!array) return std::unexpected(error("set a program", -EINVAL));
    const auto* embedded = dynamic_cast<const EmbeddedProgram*>(&prog);
    if (!embedded)
        return fail(ErrorCode::Usage, "map '{}': program '{}' is in the kernel",
                    printable(info_.name), printable(prog.spec().name));
    // A program keeps its object alive; one of the array's own object must not, or neither goes.
    const bool own = owner.lock() == embedded->object();
    if (const int result =
            array->set_prog(index, own ? embedded->bare_prog() : embedded->prog(), prog.id()))
        return std::unexpected(error("set a program", result));
    return {};
}

Result<void> EmbeddedMap::set_map(Map::Key key, const MapBackend& inner, uint64_t flags) {
    auto* outer = map_->as<maps::MapOfMaps>();
    if (!outer) return std::unexpected(error("set a map", -EINVAL));
    const EmbeddedMap* embedded = SKEP_TRY(as_embedded(inner));
    if (const int result = outer->set_map(key.data(), embedded->map(), embedded->info().id, flags))
        return std::unexpected(error("set a map", result));
    return {};
}

Result<void> EmbeddedMap::freeze() {
    if (const int result = map_->freeze()) return std::unexpected(error("freeze", result));
    return {};
}

Result<void> EmbeddedMap::pin(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (file_)
        return std::unexpected(sys_error(
            fmt::format("map '{}' is pinned already, as {}", printable(info_.name), file_->path()),
            EBUSY));
    auto file = SKEP_TRY(MapFile::create(pin_path(state_->options.pin_directory, name)));
    SKEP_TRY(file->save(*map_, types_));
    file_ = std::move(file);
    return {};
}

Result<void> EmbeddedMap::unpin() {
    const std::lock_guard lock(mutex_);
    if (!file_) return std::unexpected(error("unpin", -ENOENT));
    SKEP_TRY(file_->remove());
    file_.reset();
    return {};
}

Result<void> EmbeddedMap::sync() {
    const std::lock_guard lock(mutex_);
    return file_ ? file_->save(*map_, types_) : Result<void>();
}

Result<const EmbeddedMap*> as_embedded(const MapBackend& map) {
    if (const auto* embedded = dynamic_cast<const EmbeddedMap*>(&map)) return embedded;
    return fail(ErrorCode::Usage, "map '{}' is in the kernel, not in this process",
                printable(map.info().name));
}

}  // namespace skep::runtime
