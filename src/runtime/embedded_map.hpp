// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include "btf/btf.hpp"
#include "maps/map.hpp"
#include "runtime/backend.hpp"
#include "runtime/embedded_state.hpp"
#include "runtime/map_file.hpp"

namespace skep::runtime {

// A map of the engine (maps/map.hpp) as user space sees it.
class EmbeddedMap final : public MapBackend {
  public:
    EmbeddedMap(std::shared_ptr<EmbeddedState> state, std::shared_ptr<maps::Map> map,
                MapTypes types);
    ~EmbeddedMap() override;

    const std::shared_ptr<maps::Map>& map() const { return map_; }
    const MapTypes& types() const { return types_; }
    /// The object that it was made for; programs in its slots do not keep that alive.
    std::weak_ptr<LoadedObject> owner;

    /// Saves to this file when it goes, as after pin().
    void keep_in(std::unique_ptr<MapFile> file);

    const MapInfo& info() const override { return info_; }
    size_t value_bytes() const override { return map_->user_value_size(); }
    Result<bool> lookup(Map::Key key, std::span<uint8_t> value, uint64_t flags) override;
    Result<void> update(Map::Key key, Map::Key value, uint64_t flags) override;
    Result<bool> erase(Map::Key key) override;
    Result<bool> take(Map::Key key, std::span<uint8_t> value) override;
    Result<bool> next_key(Map::Key key, std::span<uint8_t> next) override;
    Result<std::vector<Element>> elements() override;
    Result<size_t> update_all(std::span<const Element> elements, uint64_t flags) override;
    Result<size_t> erase_all(std::span<const Element> elements) override;
    Result<void> set_prog(uint32_t index, const ProgramBackend& prog) override;
    Result<void> set_map(Map::Key key, const MapBackend& inner, uint64_t flags) override;
    Result<void> freeze() override;
    Result<void> pin(const std::string& name) override;
    Result<void> unpin() override;
    Result<void> sync() override;

  private:
    Error error(std::string_view what, int result) const;

    std::shared_ptr<EmbeddedState> state_;
    std::shared_ptr<maps::Map> map_;
    MapTypes types_;
    MapInfo info_;
    std::mutex mutex_;  ///< of file_
    std::unique_ptr<MapFile> file_;
};

/// The embedded map behind a handle's backend, or an Error that says it is one of the kernel.
Result<const EmbeddedMap*> as_embedded(const MapBackend& map);

}  // namespace skep::runtime
