// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/table.hpp"
#include "btf/btf.hpp"
#include "platform/types.hpp"

// Elements of maps as people and scripts see them: by the C types of their BTF where there is one.
//
//     MapPrinter printer({.name = "counts", .type = MapType::Hash, ...});
//     puts(printer.text(elements).c_str());

namespace skep::cli {

/// What is known of a map.
struct MapShape {
    std::string name = {};
    MapType type = MapType::Unspec;
    uint32_t key_size = 0;
    uint32_t value_size = 0;  ///< of one CPU
    uint32_t max_entries = 0;
    const btf::Btf* btf = nullptr;  ///< null: bytes are shown
    uint32_t key_type = 0;
    uint32_t value_type = 0;
};

struct MapElement {
    Bytes key;    ///< empty where the type has none
    Bytes value;  ///< of all CPUs, each padded to 8 bytes
};

bool is_per_cpu(MapType type);

class MapPrinter {
  public:
    explicit MapPrinter(const MapShape& map);

    /// "counts (hash): 2 of 16 elements" and a table. Zeros of large arrays are counted only.
    std::string text(std::vector<MapElement> elements) const;
    /// [{"key": ..., "value": ...}, ...]; the values of a per-CPU map are lists.
    void json(std::vector<MapElement> elements, JsonWriter& out) const;

    std::string key_text(ByteView key) const;
    /// One line; of a per-CPU map, the sum where it is a number, else each CPU's.
    std::string value_text(const MapElement& element) const;
    void put_key(JsonWriter& out, ByteView key) const;
    void put_value(JsonWriter& out, const MapElement& element) const;

    /// The copies of the value: one, or one a CPU.
    std::vector<ByteView> values(const MapElement& element) const;
    /// In the order of their keys: numbers as such, others byte by byte.
    void sort(std::vector<MapElement>& elements) const;

  private:
    std::vector<std::string> columns() const;
    void put_rows(Table& table, const MapElement& element) const;
    bool is_number(uint32_t type) const;
    bool numeric() const { return is_number(map_.value_type); }
    bool shows_ids() const;
    std::string one_value(ByteView value) const;
    void put_one(JsonWriter& out, ByteView value) const;

    MapShape map_;
    bool per_cpu_;
};

}  // namespace skep::cli
