// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include <algorithm>

#include "base/text.hpp"
#include "object/source.hpp"

// Maps from before BTF: section "maps" is an array of C structs, one for each symbol. All variants
// begin with the same five words; how long they are differs (20 bytes in libbpf before 1.0, 28 in
// the kernel's samples and v4l-utils, 36 in iproute2), and what follows the five means something
// else in each. libbpf's rule: more may follow if it is zero.

namespace skep::object {

namespace {

struct Definition {
    uint32_t type;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t max_entries;
    uint32_t flags;
};
constexpr size_t kRequired = 16;  // flags came later

Result<MapSpec> read_definition(ByteView bytes) {
    if (bytes.size() < kRequired)
        return malformed("the definition has {} bytes, expected at least {}", bytes.size(),
                         kRequired);
    Definition definition{};
    std::memcpy(&definition, bytes.data(), std::min(bytes.size(), sizeof(definition)));
    const ByteView rest = bytes.subspan(std::min(bytes.size(), sizeof(definition)));
    if (std::ranges::any_of(rest, [](uint8_t byte) { return byte != 0; }))
        return std::unexpected(
            Error{ErrorCode::Malformed, "the definition uses fields beyond 'map_flags'",
                  "define the map in section .maps (bpf_helpers.h has the macros)", 0});
    MapSpec map;
    map.type = MapType(definition.type);
    if (definition.type == 0 || to_string(map.type) == "unknown")
        return malformed("map type {} is not known", definition.type);
    map.key_size = definition.key_size;
    map.value_size = definition.value_size;
    map.max_entries = definition.max_entries;
    map.flags = definition.flags;
    SKEP_TRY(check_keys(map));
    return map;
}

/// Key and value types, where BPF_ANNOTATE_KV_PAIR() left them.
void find_types(const btf::Btf& btf, MapSpec& map) {
    const auto pair = btf.find("____btf_map_" + map.name, btf::Kind::Struct);
    if (!pair || pair->count() < 2) return;
    const btf::Member key = pair->member(0), value = pair->member(1);
    if (btf.size_of(key.type) != map.key_size || btf.size_of(value.type) != map.value_size) return;
    map.key_type_id = key.type;
    map.value_type_id = value.type;
}

}  // namespace

Result<void> read_legacy_maps(Source& source, ObjectSpec& spec) {
    std::vector<const elf::Symbol*> symbols;
    for (const elf::Symbol& symbol : source.elf.symbols())
        if (source.role(symbol.section) == Role::LegacyMaps && symbol.type != STT_SECTION &&
            !symbol.name.empty())
            symbols.push_back(&symbol);
    std::ranges::sort(symbols, {},
                      [](const elf::Symbol* s) { return std::pair{s->section, s->value}; });

    for (size_t i = 0; i < symbols.size(); i++) {
        const elf::Symbol& symbol = *symbols[i];
        const elf::Section& section = source.elf.sections()[symbol.section];
        const bool last = i + 1 == symbols.size() || symbols[i + 1]->section != symbol.section;
        const uint64_t end = last ? section.data.size() : symbols[i + 1]->value;
        const auto context = [&] { return fmt::format("map '{}'", printable(symbol.name)); };
        if (symbol.value >= end) return malformed("{}: its definition is empty", context());
        const auto bytes = slice(section.data, symbol.value, end - symbol.value);
        if (!bytes) return malformed("{}: lies outside its section", context());
        auto map = read_definition(*bytes);
        if (!map) return std::unexpected(std::move(map.error()).in(context()));
        map->name = symbol.name;
        if (spec.find_map(map->name)) return malformed("two maps are named '{}'", map->name);
        if (source.btf) find_types(*source.btf, *map);
        source.map_at[{symbol.section, symbol.value}] = uint32_t(spec.maps.size());
        spec.maps.push_back(std::move(*map));
    }
    return {};
}

}  // namespace skep::object
