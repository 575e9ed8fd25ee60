// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/map.hpp"
#include "runtime/backend.hpp"

namespace skep::runtime {

// A map in the kernel (kernel/map.hpp) behind the public interface.
class KernelMap final : public MapBackend {
  public:
    /// The kernel keeps 15 characters of a name; `name` is the whole.
    KernelMap(kernel::Map map, std::string name, std::string pin_directory,
              std::string pinned_as = {});

    const kernel::Map& map() const { return map_; }

    const MapInfo& info() const override { return info_; }
    size_t value_bytes() const override { return map_.user_value_size(); }
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
    Result<void> freeze() override { return map_.freeze(); }
    Result<void> pin(const std::string& name) override;
    Result<void> unpin() override;
    Result<void> sync() override { return {}; }

  private:
    kernel::Map map_;
    MapInfo info_;
    std::string pin_directory_;
    std::string pinned_as_;
};

Result<const KernelMap*> as_kernel(const MapBackend& map);

}  // namespace skep::runtime
