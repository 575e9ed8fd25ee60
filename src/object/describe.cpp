// SPDX-License-Identifier: Apache-2.0
#include "object/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "btf/declare.hpp"

namespace skep::object {

std::vector<std::string> flag_names(uint32_t flags) {
    std::vector<std::string> names;
    const auto take = [&](uint32_t bit, const char* name) {
        if ((flags >> bit & 1) == 0) return;
        names.emplace_back(name);
        flags &= ~(1u << bit);
    };
#define MAP_FLAG(bit, name) take(bit, name);
#include "object/map_flags.def"
#undef MAP_FLAG
    if (flags != 0) names.push_back(fmt::format("0x{:x}", flags));
    return names;
}

std::string_view to_string(MapSpec::Origin origin) {
    switch (origin) {
        case MapSpec::Origin::Declared: return "declared";
        case MapSpec::Origin::Data: return "data";
        case MapSpec::Origin::Rodata: return "rodata";
        case MapSpec::Origin::Bss: return "bss";
        case MapSpec::Origin::Kconfig: return "kconfig";
        case MapSpec::Origin::StructOps: return "struct_ops";
    }
    return "unknown";
}

std::string_view to_string(Extern::Kind kind) {
    switch (kind) {
        case Extern::Kind::Kconfig: return "kconfig";
        case Extern::Kind::KsymVar: return "variable";
        case Extern::Kind::KsymFunc: return "function";
    }
    return "unknown";
}

std::string variable_at(const ObjectSpec& object, const MapSpec& map, int64_t offset) {
    if (!object.btf || map.value_type_id == 0) return {};
    const btf::Type section = object.btf->type(map.value_type_id);
    if (section.kind() != btf::Kind::Datasec) return {};
    for (const btf::SectionVar variable : section.variables()) {
        const int64_t inside = offset - variable.offset;
        if (inside < 0 || inside >= variable.size) continue;
        const std::string name = printable(object.btf->type(variable.type).name());
        return inside == 0 ? name : fmt::format("{}+{}", name, inside);
    }
    return {};
}

std::string describe(const ObjectSpec& object, const Reference& reference) {
    switch (reference.kind) {
        case Reference::Kind::Map:
            return fmt::format("map {}", printable(object.maps[reference.index].name));
        case Reference::Kind::MapValue: {
            const MapSpec& map = object.maps[reference.index];
            const std::string variable = variable_at(object, map, reference.addend);
            std::string text = fmt::format("{}+{}", printable(map.name), reference.addend);
            if (!variable.empty()) text += fmt::format(" ({})", variable);
            return text;
        }
        case Reference::Kind::KsymVar:
            return fmt::format("kernel address {}",
                               printable(object.externs[reference.index].name));
        case Reference::Kind::KsymFunc:
            return fmt::format("kernel function {}",
                               printable(object.externs[reference.index].name));
    }
    return {};
}

const Subprog* subprog_at(const ProgSpec& prog, uint32_t insn) {
    const auto found = std::ranges::lower_bound(prog.subprogs, insn, {}, &Subprog::insn);
    return found == prog.subprogs.end() || found->insn != insn ? nullptr : &*found;
}

std::string signature(const ObjectSpec& object, const Subprog& subprog) {
    if (!object.btf || subprog.btf_type_id == 0) return printable(subprog.name);
    const btf::Type func = object.btf->type(subprog.btf_type_id);
    return btf::c_declaration(*object.btf, func.ref(), func.name());
}

std::string c_type_of(const ObjectSpec& object, const Extern& external) {
    if (external.type_id == 0) return {};
    const btf::Type type = object.btf->type(external.type_id);
    if (type.kind() == btf::Kind::Func)
        return btf::c_declaration(*object.btf, type.ref(), type.name());
    return btf::c_type(*object.btf, external.type_id);
}

std::vector<std::pair<btf::Kind, uint32_t>> count_types(const btf::Btf& btf) {
    std::array<uint32_t, btf::kKindCount> counts{};
    for (uint32_t id = 1; id < btf.type_count(); id++) counts[size_t(btf.type(id).kind())]++;
    std::vector<std::pair<btf::Kind, uint32_t>> occurring;
    for (size_t kind = 1; kind < counts.size(); kind++)
        if (counts[kind] != 0) occurring.emplace_back(btf::Kind(kind), counts[kind]);
    return occurring;
}

}  // namespace skep::object
