// SPDX-License-Identifier: Apache-2.0
#include "runtime/embedded_runtime.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.hpp"
#include "object/read.hpp"
#include "runtime/accepted.hpp"
#include "runtime/embedded_events.hpp"
#include "runtime/global_data.hpp"
#include "runtime/map_file.hpp"

namespace skep::runtime {

namespace {

/// $XDG_RUNTIME_DIR/skep, which goes when the user has logged out; where nobody has set that, a
/// directory of the user's own below /tmp.
std::string default_pin_directory() {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    if (runtime && *runtime) return std::string(runtime) + "/skep";
    return fmt::format("/tmp/skep-{}", getuid());
}

}  // namespace

LoadedObject::~LoadedObject() = default;

EmbeddedObject::EmbeddedObject(std::shared_ptr<LoadedObject> object,
                               std::vector<std::shared_ptr<ProgramBackend>> programs)
    : object_(std::move(object)), programs_(std::move(programs)) {
    for (const auto& map : object_->maps) maps_.push_back(map);
}

Result<std::unique_ptr<EventsBackend>> EmbeddedObject::events(RecordSink sink) {
    return std::make_unique<EmbeddedEvents>(object_, std::move(sink));
}

namespace {

// The steps of EmbeddedRuntime::load().
class Loader {
  public:
    Loader(std::shared_ptr<EmbeddedState> state, object::ObjectSpec spec,
           const LoadOptions& options)
        : spec_(std::move(spec)), options_(options), loaded_(std::make_shared<LoadedObject>()) {
        loaded_->state = std::move(state);
        loaded_->wakeup = std::make_shared<Wakeup>();
        ready_.resize(spec_.maps.size());
    }

    /// A map that exists takes the place of the object's own.
    Result<void> reuse(const std::string& name, const std::shared_ptr<EmbeddedMap>& map) {
        const auto found = std::ranges::find(spec_.maps, name, &object::MapSpec::name);
        if (found == spec_.maps.end())
            return fail(ErrorCode::Usage, "object '{}' has no map '{}'", printable(spec_.name),
                        printable(name));
        const maps::MapDef& def = map->map()->def();
        if (def.type != found->type || def.key_size != found->key_size ||
            def.value_size != found->value_size || def.max_entries != found->max_entries)
            return fail(ErrorCode::Usage, "map '{}' of object '{}' has another definition",
                        printable(name), printable(spec_.name));
        ready_[size_t(found - spec_.maps.begin())] = map;
        if (auto owner = map->owner.lock()) loaded_->others.push_back(std::move(owner));
        return {};
    }

    static engine::Jit engine_jit(Jit jit) {
        switch (jit) {
            case Jit::Off: return engine::Jit::Off;
            case Jit::Baseline: return engine::Jit::Baseline;
            case Jit::Optimising: return engine::Jit::Optimising;
            default: return engine::Jit::Auto;
        }
    }

    Result<std::shared_ptr<EmbeddedObject>> load() {
        engine::Object::Options engine_options{.progs = options_.progs,
                                               .maps = {},
                                               .checked = options_.verify == Verify::Checked,
                                               .jit = engine_jit(options_.jit)};
        for (size_t i = 0; i < ready_.size(); i++)
            if (ready_[i]) engine_options.maps.emplace_back(i, ready_[i]->map());
        loaded_->object =
            SKEP_TRY(engine::Object::load(spec_, loaded_->state->env, engine_options));
        take_maps();
        std::vector<std::shared_ptr<ProgramBackend>> programs;
        for (const auto& prog : loaded_->object->progs()) {
            if (options_.verify == Verify::Required)
                SKEP_TRY(accepted(loaded_->object->spec(), *prog));
            programs.push_back(std::make_shared<EmbeddedProgram>(loaded_, prog));
        }
        return std::make_shared<EmbeddedObject>(loaded_, std::move(programs));
    }

    const object::ObjectSpec& spec() const { return spec_; }
    const std::vector<std::shared_ptr<EmbeddedMap>>& maps() const { return loaded_->maps; }

  private:
    void take_maps() {
        const object::ObjectSpec& spec = loaded_->object->spec();
        for (size_t i = 0; i < spec.maps.size(); i++) {
            const std::shared_ptr<maps::Map>& map = loaded_->object->maps()[i];
            if (!map || ready_[i]) {
                loaded_->maps.push_back(ready_[i]);
                continue;
            }
            const object::MapSpec& of = spec.maps[i];
            loaded_->maps.push_back(std::make_shared<EmbeddedMap>(
                loaded_->state, map, MapTypes{spec.btf, of.key_type_id, of.value_type_id}));
            loaded_->maps.back()->owner = loaded_;
            EmbeddedEvents::connect(*map, loaded_->wakeup);
        }
    }

    object::ObjectSpec spec_;
    const LoadOptions& options_;
    std::shared_ptr<LoadedObject> loaded_;
    std::vector<std::shared_ptr<EmbeddedMap>> ready_;  ///< by index; null: to be made
};

}  // namespace

Result<std::shared_ptr<ObjectBackend>> EmbeddedRuntime::load(std::span<const uint8_t> elf,
                                                             const std::string& name,
                                                             const LoadOptions& options) {
    object::ObjectSpec spec = SKEP_TRY(object::read_object(elf, name));
    SKEP_TRY(set_globals(spec, options));
    SKEP_TRY(set_max_entries(spec, options));
    Loader loader(state_, std::move(spec), options);
    for (const auto& [map_name, map] : options.maps) {
        SKEP_TRY(as_embedded(*map.backend()));
        SKEP_TRY(loader.reuse(map_name, std::dynamic_pointer_cast<EmbeddedMap>(map.backend())));
    }
    // LIBBPF_PIN_BY_NAME: found again, or pinned once it exists.
    std::vector<size_t> to_pin;
    for (size_t i = 0; i < loader.spec().maps.size(); i++) {
        const object::MapSpec& map = loader.spec().maps[i];
        if (!map.pin_by_name) continue;
        if (access(pin_path(pin_directory(), map.name).c_str(), F_OK) == 0)
            SKEP_TRY(loader.reuse(map.name, SKEP_TRY(open_pin(map.name))));
        else
            to_pin.push_back(i);
    }
    auto object = SKEP_TRY(loader.load());
    for (const size_t i : to_pin)
        if (loader.maps()[i]) SKEP_TRY(loader.maps()[i]->pin(loader.spec().maps[i].name));
    return object;
}

Result<std::shared_ptr<MapBackend>> EmbeddedRuntime::create_map(const MapDef& def) {
    maps::MapDef wanted{.name = def.name,
                        .type = def.type,
                        .key_size = def.key_size,
                        .value_size = def.value_size,
                        .max_entries = def.max_entries,
                        .flags = def.flags,
                        .extra = def.extra};
    if (def.inner) wanted.inner = SKEP_TRY(as_embedded(*def.inner->backend()))
    ->map();
    std::shared_ptr<maps::Map> map = SKEP_TRY(maps::Map::create(wanted));
    return std::make_shared<EmbeddedMap>(state_, std::move(map), MapTypes{});
}

Result<std::shared_ptr<EmbeddedMap>> EmbeddedRuntime::open_pin(const std::string& name) {
    auto file = SKEP_TRY(MapFile::open(pin_path(pin_directory(), name)));
    auto contents = SKEP_TRY(file->load());
    auto map =
        std::make_shared<EmbeddedMap>(state_, std::move(contents.map), std::move(contents.types));
    map->keep_in(std::move(file));
    return map;
}

Result<std::shared_ptr<MapBackend>> EmbeddedRuntime::pinned_map(const std::string& name) {
    return SKEP_TRY(open_pin(name));
}

Result<std::shared_ptr<RuntimeBackend>> open_embedded(RuntimeOptions options) {
    if (options.pin_directory.empty()) options.pin_directory = default_pin_directory();
    return std::make_shared<EmbeddedRuntime>(std::move(options));
}

}  // namespace skep::runtime
