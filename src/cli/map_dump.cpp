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

MapPrinter printer_of(const engine::Object& object, const object::MapSpec& map) {
    return MapPrinter({.name = map.name,
                       .type = map.type,
                       .key_size = map.key_size,
                       .value_size = map.value_size,
                       .max_entries = map.max_entries,
                       .btf = object.spec().btf.get(),
                       .key_type = map.key_type_id,
                       .value_type = map.value_type_id});
}

}  // namespace

std::string map_text(const engine::Object& object, size_t index) {
    const object::MapSpec& map = object.spec().maps[index];
    if (!object.maps()[index]) return fmt::format("{}: not created\n", printable(map.name));
    return printer_of(object, map).text(read_elements(*object.maps()[index]));
}

void map_json(const engine::Object& object, size_t index, JsonWriter& json) {
    if (!object.maps()[index])
        json.null();
    else
        printer_of(object, object.spec().maps[index])
            .json(read_elements(*object.maps()[index]), json);
}

}  // namespace skep::cli
