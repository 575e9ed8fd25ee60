// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/backend.hpp"
#include "runtime/embedded_map.hpp"
#include "runtime/embedded_program.hpp"
#include "runtime/embedded_state.hpp"

namespace skep::runtime {

class EmbeddedObject final : public ObjectBackend {
  public:
    EmbeddedObject(std::shared_ptr<LoadedObject> object,
                   std::vector<std::shared_ptr<ProgramBackend>> programs);

    const object::ObjectSpec& spec() const override { return object_->object->spec(); }
    std::vector<std::shared_ptr<ProgramBackend>> programs() const override { return programs_; }
    const std::vector<std::shared_ptr<MapBackend>>& maps() const override { return maps_; }
    Result<std::unique_ptr<EventsBackend>> events(RecordSink sink) override;

  private:
    std::shared_ptr<LoadedObject> object_;
    std::vector<std::shared_ptr<ProgramBackend>> programs_;
    std::vector<std::shared_ptr<MapBackend>> maps_;
};

class EmbeddedRuntime final : public RuntimeBackend {
  public:
    explicit EmbeddedRuntime(RuntimeOptions options)
        : state_(std::make_shared<EmbeddedState>(std::move(options))) {}

    const std::shared_ptr<EmbeddedState>& state() const { return state_; }

    Place place() const override { return Place::Embedded; }
    const std::string& pin_directory() const override { return state_->options.pin_directory; }
    Result<std::shared_ptr<ObjectBackend>> load(std::span<const uint8_t> elf,
                                                const std::string& name,
                                                const LoadOptions& options) override;
    Result<std::shared_ptr<MapBackend>> create_map(const MapDef& def) override;
    Result<std::shared_ptr<MapBackend>> pinned_map(const std::string& name) override;
    Result<void> enable_stats(bool on) override {
        state_->stats = on;
        return {};
    }

  private:
    Result<std::shared_ptr<EmbeddedMap>> open_pin(const std::string& name);

    std::shared_ptr<EmbeddedState> state_;
};

}  // namespace skep::runtime
