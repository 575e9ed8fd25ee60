// SPDX-License-Identifier: Apache-2.0
#include "cli/map_print.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "btf/print.hpp"

namespace skep::cli {

namespace {

bool is_array(MapType type) {
    return type == MapType::Array || type == MapType::PercpuArray || type == MapType::ProgArray ||
           type == MapType::ArrayOfMaps;
}

uint64_t to_number(ByteView bytes) {
    uint64_t number = 0;
    std::copy_n(bytes.data(), std::min(bytes.size(), sizeof(number)),
                reinterpret_cast<uint8_t*>(&number));
    return number;
}

bool is_zero(ByteView bytes) {
    return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

}  // namespace

bool is_per_cpu(MapType type) {
    return type == MapType::PercpuHash || type == MapType::PercpuArray ||
           type == MapType::LruPercpuHash || type == MapType::PercpuCgroupStorage;
}

MapPrinter::MapPrinter(const MapShape& map) : map_(map), per_cpu_(is_per_cpu(map.type)) {}

void MapPrinter::json(std::vector<MapElement> elements, JsonWriter& out) const {
    sort(elements);
    out.begin_array();
    for (const MapElement& element : elements) {
        out.begin_object().key("key");
        put_key(out, element.key);
        out.key("value");
        put_value(out, element);
        out.end_object();
    }
    out.end_array();
}

std::string MapPrinter::text(std::vector<MapElement> elements) const {
    sort(elements);
    Table table(columns());
    size_t zeros = 0;
    for (const MapElement& element : elements) {
        if (is_array(map_.type) && elements.size() > 1 && is_zero(element.value))
            zeros++;
        else
            put_rows(table, element);
    }
    std::string out = fmt::format("{} ({}): {} of {} elements{}\n", printable(map_.name),
                                  to_string(map_.type), elements.size(), map_.max_entries,
                                  zeros ? fmt::format(", {} of them zero", zeros) : "");
    return table.empty() ? out : out + table.to_string();
}

void MapPrinter::sort(std::vector<MapElement>& elements) const {
    if (map_.key_size == 0) return;  // a queue has an order of its own
    const bool by_number = is_array(map_.type) || is_number(map_.key_type);
    std::ranges::stable_sort(elements, [&](const MapElement& a, const MapElement& b) {
        return by_number ? to_number(a.key) < to_number(b.key) : a.key < b.key;
    });
}

std::vector<std::string> MapPrinter::columns() const {
    if (!per_cpu_) return {"KEY", numeric() || shows_ids() ? ">VALUE" : "VALUE"};
    if (numeric()) return {"KEY", ">SUM", "BY CPU"};
    return {"KEY", ">CPU", "VALUE"};
}

void MapPrinter::put_rows(Table& table, const MapElement& element) const {
    const std::vector<ByteView> copies = values(element);
    if (!per_cpu_) return table.row({key_text(element.key), one_value(copies.front())});
    uint64_t sum = 0;
    std::string by_cpu;
    for (size_t cpu = 0; cpu < copies.size(); cpu++) {
        if (is_zero(copies[cpu])) continue;
        sum += to_number(copies[cpu]);
        by_cpu += fmt::format("{}{}: {}", by_cpu.empty() ? "" : ", ", cpu, one_value(copies[cpu]));
        if (!numeric())
            table.row({key_text(element.key), fmt::to_string(cpu), one_value(copies[cpu])});
    }
    if (numeric()) table.row({key_text(element.key), fmt::to_string(sum), by_cpu});
}

std::vector<ByteView> MapPrinter::values(const MapElement& element) const {
    if (!per_cpu_) return {element.value};
    std::vector<ByteView> copies;
    const size_t step = align_up(map_.value_size, 8);
    for (size_t at = 0; at + step <= element.value.size(); at += step)
        copies.push_back(ByteView(element.value).subspan(at, map_.value_size));
    return copies;
}

bool MapPrinter::is_number(uint32_t type) const {
    if (!map_.btf || type == 0) return false;
    const btf::Type resolved = map_.btf->resolve(type);
    return resolved.kind() == btf::Kind::Int || resolved.is_enum();
}

/// Values that are ids of maps or programs, and have no type.
bool MapPrinter::shows_ids() const {
    return map_.type == MapType::ProgArray || map_.type == MapType::ArrayOfMaps ||
           map_.type == MapType::HashOfMaps;
}

std::string MapPrinter::key_text(ByteView key) const {
    if (key.empty()) return "-";
    if (map_.btf && map_.key_type != 0) return btf::print_c(*map_.btf, map_.key_type, key);
    if (is_array(map_.type)) return fmt::to_string(load<uint32_t>(key, 0).value_or(0));
    return to_hex(key);
}

std::string MapPrinter::one_value(ByteView value) const {
    if (map_.btf && map_.value_type != 0) return btf::print_c(*map_.btf, map_.value_type, value);
    if (shows_ids()) return fmt::to_string(load<uint32_t>(value, 0).value_or(0));
    return to_hex(value);
}

std::string MapPrinter::value_text(const MapElement& element) const {
    const std::vector<ByteView> copies = values(element);
    if (!per_cpu_) return one_value(element.value);
    uint64_t sum = 0;
    std::string list;
    for (const ByteView copy : copies) {
        sum += to_number(copy);
        list += fmt::format("{}{}", list.empty() ? "" : ", ", one_value(copy));
    }
    return numeric() ? fmt::to_string(sum) : fmt::format("[{}]", list);
}

void MapPrinter::put_key(JsonWriter& out, ByteView key) const {
    if (key.empty())
        out.null();
    else if (map_.btf && map_.key_type != 0)
        btf::print_json(*map_.btf, map_.key_type, key, out);
    else if (is_array(map_.type))
        out.value(load<uint32_t>(key, 0).value_or(0));
    else
        out.value(to_hex(key));
}

void MapPrinter::put_one(JsonWriter& out, ByteView value) const {
    if (map_.btf && map_.value_type != 0)
        btf::print_json(*map_.btf, map_.value_type, value, out);
    else if (shows_ids())
        out.value(load<uint32_t>(value, 0).value_or(0));
    else
        out.value(to_hex(value));
}

void MapPrinter::put_value(JsonWriter& out, const MapElement& element) const {
    if (per_cpu_) out.begin_array();
    for (const ByteView value : values(element)) put_one(out, value);
    if (per_cpu_) out.end_array();
}

}  // namespace skep::cli
