// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <mutex>

#include "base/text.hpp"
#include "kernel/bpf.hpp"
#include "kernel/object.hpp"
#include "object/event_type.hpp"
#include "object/read.hpp"
#include "runtime/backend.hpp"
#include "runtime/global_data.hpp"
#include "runtime/kernel_events.hpp"
#include "runtime/kernel_map.hpp"
#include "runtime/kernel_program.hpp"
#include "runtime/map_file.hpp"

namespace skep::runtime {

namespace {

class KernelObject final : public ObjectBackend {
  public:
    KernelObject(std::shared_ptr<const kernel::Object> object, PrintkSink printk)
        : object_(std::move(object)), printk_(std::move(printk)) {}

    Result<void> take(const std::string& pin_directory) {
        std::map<std::string, kernel::Map> made;
        for (auto& [name, map] : SKEP_TRY(object_->maps())) made.emplace(name, std::move(map));
        for (const object::MapSpec& spec : object_->spec().maps) {
            const auto found = made.find(spec.name);
            maps_.push_back(found == made.end()
                                ? nullptr
                                : std::make_shared<KernelMap>(std::move(found->second), spec.name,
                                                              pin_directory));
        }
        for (kernel::Prog& prog : object_->progs())
            if (const object::ProgSpec* spec = object_->spec().find_prog(prog.name()))
                programs_.push_back(
                    std::make_shared<KernelProgram>(object_, std::move(prog), *spec));
        return {};
    }

    const object::ObjectSpec& spec() const override { return object_->spec(); }
    std::vector<std::shared_ptr<ProgramBackend>> programs() const override { return programs_; }
    const std::vector<std::shared_ptr<MapBackend>>& maps() const override { return maps_; }
    Result<std::unique_ptr<LinkBackend>> attach_struct_ops(const std::string& map) override {
        return attach_struct(*object_, map);
    }
    Result<std::unique_ptr<EventsBackend>> events(RecordSink sink) override {
        std::vector<std::pair<std::string, const KernelMap*>> maps;
        for (const auto& map : maps_)
            if (map) maps.emplace_back(map->info().name, static_cast<const KernelMap*>(map.get()));
        std::vector<LostVariable> lost;
        for (const object::LostCounter& counter : object::lost_counters(spec()))
            if (const auto& map = maps_[counter.map])
                lost.push_back({static_cast<const KernelMap*>(map.get()), counter.offset});
        return open_kernel_events(maps, lost, std::move(sink),
                                  prints(spec()) ? printk_ : PrintkSink());
    }

  private:
    std::shared_ptr<const kernel::Object> object_;
    PrintkSink printk_;
    std::vector<std::shared_ptr<ProgramBackend>> programs_;
    std::vector<std::shared_ptr<MapBackend>> maps_;
};

class KernelRuntime final : public RuntimeBackend {
  public:
    explicit KernelRuntime(RuntimeOptions options)
        : pin_directory_(std::move(options.pin_directory)), printk_(std::move(options.printk)) {}

    Place place() const override { return Place::Kernel; }
    const std::string& pin_directory() const override { return pin_directory_; }

    Result<std::shared_ptr<ObjectBackend>> load(std::span<const uint8_t> elf,
                                                const std::string& name,
                                                const LoadOptions& options) override {
        kernel::LoadOptions chosen{.progs = options.progs, .pin_root = pin_directory_};
        for (const auto& [map, entries] : options.max_entries) chosen.max_entries[map] = entries;
        for (const auto& [own, map] : options.maps)
            chosen.reuse[own] = &SKEP_TRY(as_kernel(*map.backend()))
        ->map();
        auto object =
            std::make_shared<kernel::Object>(SKEP_TRY(kernel::Object::open(elf, name, chosen)));
        // Values of global variables go in by the map that holds them.
        object::ObjectSpec spec = object->spec();
        SKEP_TRY(set_globals(spec, options));
        SKEP_TRY(set_max_entries(spec, options));
        for (size_t i = 0; i < spec.maps.size(); i++)
            if (spec.maps[i].initial_value != object->spec().maps[i].initial_value)
                SKEP_TRY(object->set_initial_value(spec.maps[i].name, spec.maps[i].initial_value));
        SKEP_TRY(object->load());
        auto loaded = std::make_shared<KernelObject>(std::move(object), printk_);
        SKEP_TRY(loaded->take(pin_directory_));
        return loaded;
    }

    Result<std::shared_ptr<MapBackend>> create_map(const MapDef& def) override {
        kernel::MapCreateAttr attr{};
        attr.type = static_cast<uint32_t>(def.type);
        attr.key_size = def.key_size;
        attr.value_size = def.value_size;
        attr.max_entries = def.max_entries;
        attr.flags = def.flags;
        attr.extra = def.extra;
        if (def.inner)
            attr.inner_map_fd =
                static_cast<uint32_t>(SKEP_TRY(as_kernel(*def.inner->backend()))->map().fd());
        def.name.copy(attr.name, sizeof attr.name - 1);
        auto fd = kernel::map_create(attr);
        if (!fd)
            return std::unexpected(
                std::move(fd).error().in(fmt::format("map '{}'", printable(def.name))));
        return std::make_shared<KernelMap>(SKEP_TRY(kernel::Map::from_fd(std::move(*fd))), def.name,
                                           pin_directory_);
    }

    Result<std::shared_ptr<MapBackend>> pinned_map(const std::string& name) override {
        const std::string path = pin_path(pin_directory_, name);
        auto map = SKEP_TRY(kernel::Map::open_pinned(path));
        std::string own_name = map.info().name;
        return std::make_shared<KernelMap>(std::move(map), std::move(own_name), pin_directory_,
                                           path);
    }

    Result<void> enable_stats(bool on) override {
        const std::lock_guard lock(mutex_);
        if (!on)
            stats_.reset();
        else if (!stats_)
            stats_ = SKEP_TRY(kernel::enable_stats());
        return {};
    }

  private:
    std::string pin_directory_;
    PrintkSink printk_;
    std::mutex mutex_;  ///< of stats_
    UniqueFd stats_;
};

}  // namespace

Result<std::shared_ptr<RuntimeBackend>> open_kernel(RuntimeOptions options) {
    // Whether this user may at all; what a hook needs beyond that comes up when it is used.
    if (auto ids = kernel::next_id(kernel::ObjectKind::Prog, 0); !ids)
        return std::unexpected(std::move(ids).error().in("the kernel's BPF"));
    if (options.pin_directory.empty()) options.pin_directory = "/sys/fs/bpf";
    return std::make_shared<KernelRuntime>(std::move(options));
}

}  // namespace skep::runtime
