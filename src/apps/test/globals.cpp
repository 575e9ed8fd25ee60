// SPDX-License-Identifier: Apache-2.0
#include "apps/test/globals.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"

namespace skep::test {

namespace {

using object::MapSpec;

Error unknown(const Yaml& name, std::string_view what, const std::vector<std::string_view>& known) {
    const auto meant = closest(name.text, known);
    std::string hint = known.empty() ? fmt::format("the object has no {}s", what)
                                     : fmt::format("it has {}", fmt::join(known, ", "));
    if (meant) hint = fmt::format("did you mean '{}'?", *meant);
    return name.error(fmt::format("the object has no {} {}", what, name.describe()),
                      printable(hint));
}

bool is_data(const MapSpec& map) {
    return map.origin == MapSpec::Origin::Data || map.origin == MapSpec::Origin::Rodata ||
           map.origin == MapSpec::Origin::Bss;
}

}  // namespace

Result<Global> find_global(const object::ObjectSpec& spec, const Yaml& name) {
    std::vector<std::string_view> known;
    for (size_t i = 0; i < spec.maps.size(); i++) {
        const MapSpec& map = spec.maps[i];
        if (!is_data(map) || !spec.btf || map.value_type_id == 0) continue;
        const btf::Type section = spec.btf->resolve(map.value_type_id);
        if (section.kind() != btf::Kind::Datasec) continue;
        for (const btf::SectionVar variable : section.variables()) {
            const btf::Type var = spec.btf->type(variable.type);
            if (var.kind() != btf::Kind::Var) continue;
            const uint32_t size = spec.btf->size_of(var.ref()).value_or(variable.size);
            if (variable.offset > map.value_size || size > map.value_size - variable.offset)
                continue;
            if (name.is_scalar() && var.name() == name.text)
                return Global{i, variable.offset, {spec.btf.get(), var.ref(), size}};
            known.push_back(var.name());
        }
    }
    return std::unexpected(unknown(name, "global variable", known));
}

Result<size_t> find_map(const object::ObjectSpec& spec, const Yaml& name) {
    std::vector<std::string_view> known;
    for (size_t i = 0; i < spec.maps.size(); i++) {
        if (name.is_scalar() && spec.maps[i].name == name.text) return i;
        known.push_back(spec.maps[i].name);
    }
    return std::unexpected(unknown(name, "map", known));
}

}  // namespace skep::test
