// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.hpp"
#include "object/source.hpp"

// Maps that nobody declared: a program reaches its global variables through an array map with one
// element for each data section. Likewise .kconfig, and one map for each variable in .struct_ops.

namespace skep::object {

namespace {

// Flags of map creation, include/uapi/linux/bpf.h.
constexpr uint32_t kReadOnlyProg = 1 << 7;  // BPF_F_RDONLY_PROG
constexpr uint32_t kMmapable = 1 << 10;     // BPF_F_MMAPABLE
constexpr uint32_t kLink = 1 << 13;         // BPF_F_LINK

constexpr size_t kMaxName = 15;            // BPF_OBJ_NAME_LEN less the NUL
constexpr uint64_t kMaxValue = INT32_MAX;  // array_map_alloc_check()

bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// libbpf's rule. Of the object's name as much as leaves room for the section's, at least 7
/// characters of which are reserved: 15 characters in all. Custom sections (".data.mine") keep
/// their name, which the kernel gets to see 15 characters of.
std::string map_name(std::string_view object, std::string_view section) {
    if (section.find('.', 1) != std::string_view::npos) return std::string(section);
    const size_t reserved = std::max<size_t>(section.size(), 7);
    std::string name(object.substr(0, kMaxName - reserved));
    std::ranges::replace_if(name, [](char c) { return !is_name_char(c); }, '_');
    return name += section;
}

MapSpec::Origin origin_of(Role role) {
    switch (role) {
        case Role::Rodata: return MapSpec::Origin::Rodata;
        case Role::Bss: return MapSpec::Origin::Bss;
        default: return MapSpec::Origin::Data;
    }
}

/// Only variables that other objects may name are for user space to see.
bool has_visible_variable(const btf::Btf& btf, uint32_t datasec) {
    for (const btf::SectionVar variable : btf.type(datasec).variables()) {
        const btf::Type var = btf.type(variable.type);
        if (var.kind() == btf::Kind::Var && var.linkage() != btf::Linkage::Static) return true;
    }
    return false;
}

void push_data_map(Source& source, ObjectSpec& spec, MapSpec map) {
    map.name = map_name(spec.name, map.section);
    map.type = MapType::Array;
    map.key_size = 4;
    map.max_entries = 1;
    if (map.origin == MapSpec::Origin::Rodata || map.origin == MapSpec::Origin::Kconfig)
        map.flags |= kReadOnlyProg;
    if (source.btf) {
        if (const auto datasec = source.btf->find(map.section, btf::Kind::Datasec)) {
            map.value_type_id = datasec->id();
            if (has_visible_variable(*source.btf, datasec->id())) map.flags |= kMmapable;
        }
    }
    spec.maps.push_back(std::move(map));
}

void make_kconfig_map(Source& source, ObjectSpec& spec) {
    MapSpec map{.origin = MapSpec::Origin::Kconfig, .section = ".kconfig"};
    for (const Extern& external : spec.externs)
        if (external.kind == Extern::Kind::Kconfig)
            map.value_size = std::max(map.value_size, external.data_offset + external.size);
    if (map.value_size != 0) push_data_map(source, spec, std::move(map));
}

Result<void> read_arena_data(const elf::Section& section, Source& source, ObjectSpec& spec) {
    const auto arena = std::ranges::find(spec.maps, MapType::Arena, &MapSpec::type);
    if (arena == spec.maps.end())
        return malformed("section '{}' has variables but the object declares no arena map",
                         section.name);
    source.data_map[section.index] = uint32_t(arena - spec.maps.begin());
    arena->initial_value.assign(section.data.begin(), section.data.end());
    return {};
}

Result<void> read_struct_ops(const elf::Section& section, Source& source, ObjectSpec& spec) {
    const auto datasec =
        source.btf ? source.btf->find(section.name, btf::Kind::Datasec) : std::nullopt;
    if (!datasec) return malformed("BTF does not describe section '{}'", printable(section.name));
    for (const btf::SectionVar variable : datasec->variables()) {
        const btf::Type var = source.btf->type(variable.type);
        const btf::Type type = source.btf->resolve(var.ref());
        const auto value = slice(section.data, variable.offset, type.size());
        if (var.kind() != btf::Kind::Var || type.kind() != btf::Kind::Struct || type.name().empty())
            return malformed("struct_ops '{}' is not of a named struct", printable(var.name()));
        if (!value)
            return malformed("struct_ops '{}' lies outside section '{}'", printable(var.name()),
                             printable(section.name));
        source.map_at[{section.index, variable.offset}] = uint32_t(spec.maps.size());
        MapSpec map{.name = std::string(var.name()),
                    .type = MapType::StructOps,
                    .key_size = 4,
                    .value_size = type.size(),
                    .max_entries = 1,
                    .autocreate = !section.name.starts_with('?'),
                    .value_type_id = type.id(),
                    .origin = MapSpec::Origin::StructOps,
                    .section = std::string(section.name),
                    .initial_value = Bytes(value->begin(), value->end())};
        if (section.name.ends_with(".link")) map.flags = kLink;
        spec.maps.push_back(std::move(map));
    }
    return {};
}

}  // namespace

Result<void> make_data_maps(Source& source, ObjectSpec& spec) {
    for (const elf::Section& section : source.elf.sections()) {
        const Role role = source.role(section.index);
        if (role == Role::Arena) SKEP_TRY(read_arena_data(section, source, spec));
        if (role != Role::Data && role != Role::Rodata && role != Role::Bss) continue;
        if (section.size == 0) continue;
        if (section.size > kMaxValue)
            return malformed("section '{}' of {} bytes is too large for a map",
                             printable(section.name), section.size);
        source.data_map[section.index] = uint32_t(spec.maps.size());
        push_data_map(source, spec,
                      {.value_size = uint32_t(section.size),
                       .origin = origin_of(role),
                       .section = std::string(section.name),
                       .initial_value = Bytes(section.data.begin(), section.data.end())});
    }
    make_kconfig_map(source, spec);
    for (const elf::Section& section : source.elf.sections())
        if (source.role(section.index) == Role::StructOps)
            SKEP_TRY(read_struct_ops(section, source, spec));
    return {};
}

}  // namespace skep::object
