// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/file.hpp"
#include "btf/btf.hpp"
#include "maps/map.hpp"

// A pinned map of the embedded runtime: a file with its definition, the BTF of its elements, and
// the elements. It is written when the map is pinned, by Map::sync(), and when the last handle
// goes; by a new file that is renamed over the old one, so that whoever is killed in the middle
// leaves the old one whole. NAME.lock beside it is locked by the process that has the map open.
//
//     magic "SKEPMAP1"
//     u32 type, key size, value size, max_entries, flags; u64 map_extra
//     u32 lock offset + 1, timer offset + 1; u32 number of kptr offsets, those
//     u32 frozen, key type id, value type id
//     u32 length, name; u32 length, BTF
//     u32 bytes of a value in all copies; u64 number of elements; key, value, key, value...
//
// Little-endian, nothing padded.

namespace skep::runtime {

/// What BTF says of a map's elements: kept with a pin.
struct MapTypes {
    std::shared_ptr<const btf::Btf> btf = {};
    uint32_t key_type_id = 0;
    uint32_t value_type_id = 0;
};

/// `name` in the directory; itself, where it has a slash.
std::string pin_path(const std::string& directory, const std::string& name);

class MapFile {
  public:
    /// EEXIST where there is one; EBUSY where another process has it open. Makes the directory.
    static Result<std::unique_ptr<MapFile>> create(const std::string& path);
    /// ENOENT, EBUSY.
    static Result<std::unique_ptr<MapFile>> open(const std::string& path);

    const std::string& path() const { return path_; }
    /// Unsupported for types whose contents cannot be read out or mean nothing elsewhere.
    Result<void> save(maps::Map& map, const MapTypes& types) const;

    struct Contents {
        std::shared_ptr<maps::Map> map;
        MapTypes types;
    };
    Result<Contents> load() const { return read(path_); }
    /// What was last written to it; a process that has it open may be ahead.
    static Result<Contents> read(const std::string& path);
    /// A pinned map by its first bytes, whole or not.
    static bool is_one(const std::string& path);
    Result<void> remove();

  private:
    MapFile(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
    static Result<std::unique_ptr<MapFile>> lock(const std::string& path);

    std::string path_;
    UniqueFd lock_;
};

}  // namespace skep::runtime
