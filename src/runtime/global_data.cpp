// SPDX-License-Identifier: Apache-2.0
#include "runtime/global_data.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace skep::runtime {

namespace {

struct Variable {
    object::MapSpec* map;
    uint32_t offset;
    uint32_t size;
};

std::optional<Variable> find_variable(object::ObjectSpec& spec, std::string_view name) {
    if (!spec.btf) return std::nullopt;
    for (object::MapSpec& map : spec.maps) {
        using Origin = object::MapSpec::Origin;
        if (map.origin != Origin::Data && map.origin != Origin::Rodata && map.origin != Origin::Bss)
            continue;
        const btf::Type section = spec.btf->type(map.value_type_id);
        if (section.kind() != btf::Kind::Datasec) continue;
        for (uint32_t i = 0; i < section.count(); i++) {
            const btf::SectionVar variable = section.variable(i);
            if (spec.btf->type(variable.type).name() == name)
                return Variable{&map, variable.offset, variable.size};
        }
    }
    return std::nullopt;
}

}  // namespace

Result<void> set_globals(object::ObjectSpec& spec, const LoadOptions& options) {
    for (const auto& [name, bytes] : options.globals) {
        const auto variable = find_variable(spec, name);
        if (!variable)
            return fail(ErrorCode::Usage, "object '{}' has no global variable '{}'",
                        printable(spec.name), printable(name));
        if (bytes.size() != variable->size)
            return fail(ErrorCode::Usage, "global variable '{}' has {} bytes, and its new value {}",
                        printable(name), variable->size, bytes.size());
        Bytes& value = variable->map->initial_value;
        value.resize(std::max<size_t>(value.size(), variable->map->value_size));
        if (variable->offset + bytes.size() > value.size())
            return malformed("global variable '{}' lies outside of its section", printable(name));
        std::ranges::copy(bytes, value.begin() + variable->offset);
    }
    return {};
}

Result<void> set_max_entries(object::ObjectSpec& spec, const LoadOptions& options) {
    for (const auto& [name, entries] : options.max_entries) {
        const auto found = std::ranges::find(spec.maps, name, &object::MapSpec::name);
        if (found == spec.maps.end())
            return fail(ErrorCode::Usage, "object '{}' has no map '{}'", printable(spec.name),
                        printable(name));
        found->max_entries = entries;
    }
    return {};
}

}  // namespace skep::runtime
