// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "maps/map.hpp"

namespace skep::maps {

// array_of_maps and hash_of_maps: lookup() by a program gives the inner Map*, alive until the
// rcu::ReadGuard under which it was looked up has gone. User space reads the id that the caller of
// set_map() gave.
class MapOfMaps : public Map {
  public:
    static bool serves(MapType type) {
        return type == MapType::ArrayOfMaps || type == MapType::HashOfMaps;
    }
    static Result<std::unique_ptr<Map>> create(const MapDef& def);

    /// What user_update() would do with the map's fd: `flags` and errors as there, -EINVAL where
    /// `map` does not fit the template (Map::fits). Not under an rcu::ReadGuard, if it can be
    /// helped: it waits until no program uses the map that was there.
    int set_map(const void* key, std::shared_ptr<Map> map, uint32_t id, uint64_t flags);
    /// The inner map, to be kept; null where there is none.
    virtual std::shared_ptr<Map> map_at(const void* key) const = 0;
    /// What MapDef::inner was: the properties that programs count on.
    const Map& inner() const { return *inner_; }

    int update(const void*, const void*, uint64_t, uint32_t) final { return -EINVAL; }
    std::span<uint8_t> value_at(const void*, size_t) final { return {}; }

  protected:
    explicit MapOfMaps(const MapDef& def);
    /// Behind the common checks of set_map(); `map` fits.
    virtual int put_map(const void* key, std::shared_ptr<Map> map, uint32_t id, uint64_t flags) = 0;
    /// What user_update() refuses before it looks at the descriptor.
    virtual int check_write(const void* key, uint64_t flags) const = 0;
    /// -EBADF: only the caller knows what an id means; set_map() is the way in.
    int write_in(const void* key, const void* value, uint64_t flags) final;

  private:
    std::shared_ptr<const Map> inner_;
};

}  // namespace skep::maps
