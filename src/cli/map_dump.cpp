// SPDX-License-Identifier: Apache-2.0
#include "cli/map_dump.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/map_print.hpp"

namespace skep::cli {

namespace {

std::vector<MapElement> read_elements(maps::Map& map) {
    std::vector<MapElement> elements;
    MapElement element = {Bytes(map.def().key_size), Bytes(map.user_value_size())};
    if (element.key.empty()) {  // queue, stack; a bloom filter says no
        while (map.user_lookup_and_delete(nullptr, element.value.data()) == 0)
            elements.push_back(element);
        return elements;
    }
    Bytes next(element.key.size());
    const void* from = nullptr;
    while (map.next_key(from, next.data()) == 0) {
        element.key = next;
        from = element.key.data();
        if (map.user_lookup(element.key.data(), element.value.data()) == 0)
            elements.push_back(element);
    }
    return elements;
}

std::vector<MapElement> read_elements(Map& map) {
    std::vector<MapElement> elements;
    if (map.info().key_size == 0) {
        MapElement element{{}, Bytes(map.value_bytes())};
        const bool pops = map.info().type == MapType::Queue || map.info().type == MapType::Stack;
        while (pops && map.take({}, element.value).value_or(false)) elements.push_back(element);
        return elements;
    }
    if (auto all = map.elements())
        for (Element& one : *all) elements.push_back({std::move(one.key), std::move(one.value)});
    return elements;
}

MapPrinter printer_of(const object::MapSpec& map, const btf::Btf* btf) {
    return MapPrinter({.name = map.name,
                       .type = map.type,
                       .key_size = map.key_size,
                       .value_size = map.value_size,
                       .max_entries = map.max_entries,
                       .btf = btf,
                       .key_type = map.key_type_id,
                       .value_type = map.value_type_id});
}

std::string not_created(const object::MapSpec& map) {
    return fmt::format("{}: not created\n", printable(map.name));
}

}  // namespace

std::string map_text(const engine::Object& object, size_t index) {
    const object::MapSpec& map = object.spec().maps[index];
    if (!object.maps()[index]) return not_created(map);
    return printer_of(map, object.spec().btf.get()).text(read_elements(*object.maps()[index]));
}

void map_json(const engine::Object& object, size_t index, JsonWriter& json) {
    if (!object.maps()[index])
        json.null();
    else
        printer_of(object.spec().maps[index], object.spec().btf.get())
            .json(read_elements(*object.maps()[index]), json);
}

std::string map_text(const object::MapSpec& spec, const btf::Btf* btf, const Object& object) {
    auto map = object.map(spec.name);
    return map ? printer_of(spec, btf).text(read_elements(*map)) : not_created(spec);
}

void map_json(const object::MapSpec& spec, const btf::Btf* btf, const Object& object,
              JsonWriter& json) {
    if (auto map = object.map(spec.name))
        printer_of(spec, btf).json(read_elements(*map), json);
    else
        json.null();
}

}  // namespace skep::cli
