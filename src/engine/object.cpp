// SPDX-License-Identifier: Apache-2.0
#include "engine/object.hpp"

#include <algorithm>

#include "engine/embedded_types.hpp"
#include "engine/object_loader.hpp"
#include "engine/timers.hpp"
#include "object/settle.hpp"
#include "platform/platform.hpp"

namespace skep::engine {

namespace {

std::optional<std::string> kconfig_value(std::string_view name) {
    const auto value = platform::embedded().kconfig_value(name);
    return value ? std::optional<std::string>(*value) : std::nullopt;
}

/// Only what will be loaded is settled: a program for the kernel's hooks may need types that this
/// runtime does not have.
object::ObjectSpec selected(const object::ObjectSpec& spec, const Object::Options& options) {
    object::ObjectSpec copy = spec;
    if (options.progs.empty()) return copy;
    std::vector<bool> needed(spec.progs.size());
    for (size_t i = 0; i < spec.progs.size(); i++)
        needed[i] = std::ranges::find(options.progs, spec.progs[i].name) != options.progs.end();
    for (const object::MapSpec& map : spec.maps)
        if (map.type == MapType::ProgArray)
            for (const object::InitialSlot& slot : map.initial_slots) needed[slot.index] = true;
    for (size_t i = 0; i < spec.progs.size(); i++)
        if (!needed[i]) copy.progs[i].core_relos.clear(), copy.progs[i].references.clear();
    return copy;
}

}  // namespace

Object::~Object() = default;

Result<std::unique_ptr<Object>> Object::load(const object::ObjectSpec& spec, const Env& env,
                                             const Options& options) {
    std::unique_ptr<Object> object(new Object());
    object->spec_ = SKEP_TRY(object::settle(selected(spec, options),
                                            {.btf = &embedded_types(), .kconfig = kconfig_value}));
    object->timers_ = std::make_shared<Timers>(env);
    ObjectLoader loader(*object, options);
    SKEP_TRY(loader.create_maps());
    SKEP_TRY(loader.load_progs());
    SKEP_TRY(loader.fill_slots());
    return object;
}

const Prog* Object::find_prog(std::string_view name) const {
    const auto found = std::ranges::find(progs_, name, &Prog::name);
    return found == progs_.end() ? nullptr : found->get();
}

maps::Map* Object::find_map(std::string_view name) const {
    for (size_t i = 0; i < spec_.maps.size(); i++)
        if (spec_.maps[i].name == name) return map_pointers_[i];
    return nullptr;
}

}  // namespace skep::engine
