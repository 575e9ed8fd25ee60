// SPDX-License-Identifier: Apache-2.0
#include "object/event_type.hpp"

#include <fmt/format.h>

#include <set>
#include <string>

namespace skep::object {

namespace {

/// A variable that points to the struct has the tag "event:MAP".
std::optional<uint32_t> tagged(const btf::Btf& btf, std::string_view map) {
    const std::string tag = fmt::format("event:{}", map);
    for (uint32_t id = btf.first_id(); id < btf.type_count(); id++) {
        const btf::Type decl_tag = btf.type(id);
        if (decl_tag.kind() != btf::Kind::DeclTag || decl_tag.name() != tag) continue;
        const btf::Type pointer = btf.resolve(btf.type(decl_tag.ref()).ref());
        if (pointer.kind() == btf::Kind::Ptr) return btf.resolve(pointer.ref()).id();
    }
    return std::nullopt;
}

std::optional<uint32_t> usual(const btf::Btf& btf, std::string_view map, size_t size) {
    const std::string_view singular = map.ends_with('s') ? map.substr(0, map.size() - 1) : map;
    for (const std::string& name : {fmt::format("{}", singular), fmt::format("{}_event", singular),
                                    std::string("event"), std::string("event_t")})
        if (const auto type = btf.find(name, btf::Kind::Struct); type && type->size() == size)
            return type->id();
    return std::nullopt;
}

}  // namespace

std::optional<uint32_t> event_type(const btf::Btf& btf, std::string_view map, size_t record_size) {
    if (const auto type = tagged(btf, map)) return type;
    return usual(btf, map, record_size);
}

std::vector<LostCounter> lost_counters(const ObjectSpec& spec) {
    std::vector<LostCounter> counters;
    if (!spec.btf) return counters;
    const btf::Btf& btf = *spec.btf;
    std::set<uint32_t> tagged;
    for (uint32_t id = btf.first_id(); id < btf.type_count(); id++)
        if (const btf::Type tag = btf.type(id);
            tag.kind() == btf::Kind::DeclTag && tag.name().starts_with("lost:"))
            tagged.insert(tag.ref());
    for (size_t i = 0; i < spec.maps.size() && !tagged.empty(); i++) {
        const MapSpec& map = spec.maps[i];
        if (map.origin == MapSpec::Origin::Declared || map.value_type_id == 0) continue;
        const btf::Type section = btf.type(map.value_type_id);
        if (section.kind() != btf::Kind::Datasec) continue;
        for (const btf::SectionVar variable : section.variables())
            if (variable.size == sizeof(uint64_t) && tagged.contains(variable.type) &&
                variable.offset + sizeof(uint64_t) <= map.value_size)
                counters.push_back({i, variable.offset});
    }
    return counters;
}

}  // namespace skep::object
