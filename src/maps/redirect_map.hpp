// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "maps/map.hpp"
#include "maps/memory.hpp"

namespace skep::maps {

// devmap, devmap_hash, cpumap, xskmap: where bpf_redirect_map() can send a packet. Here they are
// values only (an interface, a queue size, a socket, each with what the kernel's UAPI structs say);
// what they mean is the engine's, which asks target().
class RedirectMap final : public Map {
  public:
    static bool serves(MapType type) {
        return type == MapType::Devmap || type == MapType::DevmapHash || type == MapType::Cpumap ||
               type == MapType::Xskmap;
    }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    /// The value for bpf_redirect_map(map, `key`); null where the key has none. Its first four
    /// bytes are the interface, the queue size or the socket's descriptor.
    const void* target(uint32_t key);

    /// Null in a cpumap and an xskmap: there the kernel has pointers that we have not.
    void* lookup(const void* key, uint32_t cpu) override;
    int update(const void* key, const void* value, uint64_t flags, uint32_t cpu) override;
    int erase(const void* key) override;
    std::span<uint8_t> value_at(const void* address, size_t size) override;

  protected:
    int read_out(const void* key, void* value, uint64_t flags) override;
    int next(const void* key, void* next) override;

  private:
    RedirectMap(const MapDef& def, std::unique_ptr<Map> values)
        : Map(def), values_(std::move(values)) {}
    int check_value(const void* key, const void* value, bool& empty) const;

    std::unique_ptr<Map> values_;  ///< a hash from key to value
};

}  // namespace skep::maps
