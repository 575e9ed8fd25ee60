// SPDX-License-Identifier: Apache-2.0
#include "engine/object_loader.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>

#include "base/text.hpp"
#include "engine/prog_loader.hpp"
#include "engine/special_fields.hpp"
#include "engine/timers.hpp"
#include "maps/array.hpp"
#include "maps/map_of_maps.hpp"
#include "maps/prog_array.hpp"
#include "platform/embedded.hpp"

namespace skep::engine {

namespace {

using object::MapSpec;

std::string at_map(const MapSpec& spec) {
    return fmt::format("map '{}'", printable(spec.name));
}

/// What libbpf makes of sizes that are the machine's to choose (bpf_object__create_map(),
/// adjust_ringbuf_sz()).
uint32_t adjusted_entries(const MapSpec& spec) {
    if (spec.type == MapType::PerfEventArray && spec.max_entries == 0) return maps::possible_cpus();
    if (spec.type == MapType::Ringbuf || spec.type == MapType::UserRingbuf) {
        const auto page = uint32_t(sysconf(_SC_PAGESIZE));
        if (spec.max_entries % page != 0 || !std::has_single_bit(spec.max_entries))
            for (uint64_t size = page; size <= UINT32_MAX; size *= 2)
                if (size >= spec.max_entries) return uint32_t(size);
    }
    return spec.max_entries;
}

}  // namespace

Result<maps::MapDef> ObjectLoader::define(const MapSpec& spec) const {
    maps::MapDef def{.name = spec.name,
                     .type = spec.type,
                     .key_size = spec.key_size,
                     .value_size = spec.value_size,
                     .max_entries = adjusted_entries(spec),
                     .flags = spec.flags,
                     .extra = spec.extra};
    if (object_.spec_.btf && spec.value_type_id)
        find_special_fields(*object_.spec_.btf, spec.value_type_id, def);
    if (spec.inner) def.inner = SKEP_TRY(maps::Map::create(SKEP_TRY(define(*spec.inner))));
    return def;
}

std::shared_ptr<maps::Map> ObjectLoader::given_map(size_t index) const {
    for (const auto& [given, map] : options_.maps)
        if (given == index) return map;
    return nullptr;
}

Result<void> ObjectLoader::create_maps() {
    for (const MapSpec& spec : object_.spec_.maps) {
        object_.maps_.push_back(given_map(object_.maps_.size()));
        object_.map_pointers_.push_back(object_.maps_.back().get());
        if (object_.maps_.back()) continue;
        // What cannot exist here is refused where a program uses it.
        if (!spec.autocreate || !platform::embedded_has_map(spec.type)) continue;
        auto def = define(spec);
        if (!def) return std::unexpected(std::move(def).error().in(at_map(spec)));
        auto map = maps::Map::create(*def);
        if (!map) return std::unexpected(std::move(map).error().in(at_map(spec)));
        object_.maps_.back() = std::move(*map);
        object_.map_pointers_.back() = object_.maps_.back().get();
        // A map lets go of its values when it ends, which may be after its object has.
        object_.maps_.back()->on_release(
            [timers = object_.timers_](maps::Map& owner, uint8_t* value) {
                timers->release(owner, value);
            });
        SKEP_TRY(fill_values(spec, *object_.maps_.back()));
    }
    return {};
}

/// Global data. What programs may only read is frozen, as libbpf does.
Result<void> ObjectLoader::fill_values(const MapSpec& spec, maps::Map& map) const {
    if (!spec.initial_value.empty()) {
        auto* array = map.as<maps::ArrayMap>();
        if (!array || array->direct_value().size() < spec.initial_value.size())
            return malformed("{}: its initial value has {} bytes, and its value {}", at_map(spec),
                             spec.initial_value.size(), spec.value_size);
        std::ranges::copy(spec.initial_value, array->direct_value().begin());
    }
    if (spec.origin == MapSpec::Origin::Rodata || spec.origin == MapSpec::Origin::Kconfig)
        map.freeze();
    return {};
}

bool ObjectLoader::wanted(const object::ProgSpec& spec) const {
    if (options_.progs.empty()) return spec.autoload;
    return std::ranges::find(options_.progs, spec.name) != options_.progs.end();
}

Result<void> ObjectLoader::load_prog(size_t index) {
    if (by_spec_[index]) return {};
    const object::ProgSpec& spec = object_.spec_.progs[index];
    auto prog =
        ProgLoader(object_.spec_, object_.map_pointers_, *object_.timers_, options_).load(spec);
    if (!prog)
        return std::unexpected(
            std::move(prog).error().in(fmt::format("program '{}'", printable(spec.name))));
    by_spec_[index] = *prog;
    object_.progs_.push_back(*prog);
    return {};
}

Result<void> ObjectLoader::load_progs() {
    const auto& specs = object_.spec_.progs;
    by_spec_.resize(specs.size());
    for (const std::string& name : options_.progs)
        if (!object_.spec_.find_prog(name))
            return fail(ErrorCode::Usage, "there is no program '{}'", printable(name));
    for (size_t i = 0; i < specs.size(); i++)
        if (wanted(specs[i])) SKEP_TRY(load_prog(i));
    return {};
}

Result<void> ObjectLoader::fill_slots() {
    for (size_t i = 0; i < object_.maps_.size(); i++) {
        maps::Map* map = object_.map_pointers_[i];
        if (!map) continue;
        for (const object::InitialSlot& slot : object_.spec_.maps[i].initial_slots) {
            auto set = map->as<maps::ProgArray>() ? set_prog(*map, slot) : set_map(*map, slot);
            if (!set)
                return std::unexpected(std::move(set).error().in(at_map(object_.spec_.maps[i])));
        }
    }
    return {};
}

Result<void> ObjectLoader::set_prog(maps::Map& map, const object::InitialSlot& slot) {
    SKEP_TRY(load_prog(slot.index));
    const int error =
        map.as<maps::ProgArray>()->set_prog(slot.slot, by_spec_[slot.index], slot.index + 1);
    if (error) return fail(ErrorCode::Malformed, "slot {} does not exist", slot.slot);
    return {};
}

Result<void> ObjectLoader::set_map(maps::Map& map, const object::InitialSlot& slot) {
    auto* outer = map.as<maps::MapOfMaps>();
    if (!outer) return malformed("it has initial slots, and is neither a prog array nor of maps");
    const auto& inner = object_.maps_[slot.index];
    if (!inner)
        return unsupported("slot {}: map '{}' does not exist here", slot.slot,
                           printable(object_.spec_.maps[slot.index].name));
    const int error = outer->set_map(&slot.slot, inner, slot.index + 1, 0);
    if (error)
        return fail(ErrorCode::Malformed, "slot {}: map '{}' does not fit (error {})", slot.slot,
                    printable(inner->def().name), -error);
    return {};
}

}  // namespace skep::engine
