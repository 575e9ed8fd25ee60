// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "object/source.hpp"

// BTF-defined maps. The section .maps has no content to speak of; each variable's *type* is the
// definition, spelled with the macros of bpf_helpers.h:
//
//     __uint(max_entries, 64)       int (*max_entries)[64];            PTR -> ARRAY of 64
//     __type(key, struct k)         struct k *key;                     PTR -> the type
//     __array(values, struct in)    struct in *values[];               ARRAY of 0 -> PTR -> STRUCT
//     __ulong(map_extra, 1UL << 40) enum { unique = 1UL << 40 } map_extra;
//
// Members and their rules: parse_btf_map_def() of libbpf 1.8.

namespace skep::object {

namespace {

constexpr std::array<std::string_view, 11> kAttributes = {
    "type",       "max_entries", "map_flags", "numa_node", "key_size", "key",
    "value_size", "value",       "values",    "pinning",   "map_extra"};

constexpr uint32_t kPinByName = 1;  // LIBBPF_PIN_BY_NAME

bool is_map_in_map(MapType type) {
    return type == MapType::ArrayOfMaps || type == MapType::HashOfMaps;
}

/// The kernel wants ring buffers to be a power of two of pages; libbpf rounds up what is not.
uint32_t ringbuf_size(uint32_t bytes) {
    constexpr uint32_t kPage = 4096;
    if (bytes == 0 || bytes > UINT32_MAX / 2) return bytes;
    return std::bit_ceil(std::max(bytes, kPage));
}

/// Reads one definition. Errors speak of the attribute; the caller adds the map's name.
class DefinitionReader {
  public:
    DefinitionReader(const btf::Btf& btf, MapSpec& map, bool is_inner)
        : btf_(btf), map_(map), is_inner_(is_inner) {}

    Result<void> read(const btf::Type& definition) {
        for (uint32_t i = 0; i < definition.count(); i++) {
            const btf::Member member = definition.member(i);
            const bool last = i + 1 == definition.count();
            if (auto ok = read_attribute(member, last); !ok)
                return std::unexpected(
                    std::move(ok.error()).in(fmt::format("'{}'", printable(member.name))));
        }
        if (map_.type == MapType::Unspec) return malformed("the definition has no 'type'");
        if (map_.type == MapType::Ringbuf || map_.type == MapType::UserRingbuf)
            map_.max_entries = ringbuf_size(map_.max_entries);
        return {};
    }

  private:
    Result<void> read_attribute(const btf::Member& member, bool last) {
        const std::string_view name = member.name;
        if (name == "type") return read_type(member);
        if (name == "max_entries") return read_number(member, map_.max_entries);
        if (name == "map_flags") return read_number(member, map_.flags);
        if (name == "numa_node") return read_number(member, map_.numa_node);
        if (name == "map_extra") return read_long(member, map_.extra);
        if (name == "pinning") return read_pinning(member);
        if (name == "key_size") return read_size(SKEP_TRY(number(member)), map_.key_size);
        if (name == "value_size") return read_size(SKEP_TRY(number(member)), map_.value_size);
        if (name == "key") return read_value_type(member, map_.key_size, map_.key_type_id);
        if (name == "value") return read_value_type(member, map_.value_size, map_.value_type_id);
        if (name == "values") return read_values(member, last);
        std::string hint;
        if (const auto close = closest(name, kAttributes))
            hint = fmt::format("did you mean '{}'?", *close);
        return std::unexpected(
            Error{ErrorCode::Malformed, "no such attribute of a map", std::move(hint), 0});
    }

    /// What __uint(name, N) says.
    Result<uint32_t> number(const btf::Member& member) const {
        const btf::Type pointer = btf_.resolve(member.type);
        const btf::Type array = btf_.type(pointer.ref());
        if (pointer.kind() != btf::Kind::Ptr || array.kind() != btf::Kind::Array)
            return malformed("expected __uint(), found a {}", to_string(pointer.kind()));
        return array.array().count;
    }

    Result<void> read_number(const btf::Member& member, uint32_t& out) {
        out = SKEP_TRY(number(member));
        return {};
    }

    /// __ulong(name, N), or __uint().
    Result<void> read_long(const btf::Member& member, uint64_t& out) {
        const btf::Type type = btf_.resolve(member.type);
        if (type.is_enum() && type.count() == 1)
            out = type.enumerator(0).value;
        else
            out = SKEP_TRY(number(member));
        return {};
    }

    Result<void> read_type(const btf::Member& member) {
        const uint32_t value = SKEP_TRY(number(member));
        map_.type = MapType(value);
        if (value == 0 || to_string(map_.type) == "unknown")
            return malformed("map type {} is not known", value);
        return {};
    }

    Result<void> read_pinning(const btf::Member& member) {
        const uint32_t value = SKEP_TRY(number(member));
        if (is_inner_) return malformed("an inner map cannot be pinned");
        if (value > kPinByName) return malformed("{} is no way to pin", value);
        map_.pin_by_name = value == kPinByName;
        return {};
    }

    Result<void> read_size(uint32_t size, uint32_t& out) {
        if (out != 0 && out != size) return malformed("{} bytes, but {} elsewhere", size, out);
        out = size;
        return {};
    }

    Result<void> read_value_type(const btf::Member& member, uint32_t& size, uint32_t& type_id) {
        const btf::Type pointer = btf_.type(member.type);
        if (pointer.kind() != btf::Kind::Ptr)
            return malformed("expected __type(), found a {}", to_string(pointer.kind()));
        const auto bytes = btf_.size_of(pointer.ref());
        if (!bytes) return malformed("its type has no size");
        SKEP_TRY(read_size(*bytes, size));
        type_id = pointer.ref();
        return {};
    }

    Result<void> read_values(const btf::Member& member, bool last) {
        const bool in_map = is_map_in_map(map_.type);
        if (is_inner_) return malformed("an inner map cannot hold maps");
        if (!last) return malformed("must be the last member");
        if (!in_map && map_.type != MapType::ProgArray)
            return malformed("makes sense only for map-in-maps and prog arrays (after 'type')");
        SKEP_TRY(read_size(4, map_.value_size));

        const btf::Type array = btf_.type(member.type);
        if (array.kind() != btf::Kind::Array || array.array().count != 0)
            return malformed("expected __array()");
        const btf::Type pointer = btf_.resolve(array.array().element);
        const btf::Type inner = btf_.resolve(pointer.ref());
        const btf::Kind wanted = in_map ? btf::Kind::Struct : btf::Kind::FuncProto;
        if (pointer.kind() != btf::Kind::Ptr || inner.kind() != wanted)
            return malformed("expected an array of {}", in_map ? "map definitions" : "functions");
        if (!in_map) return {};
        MapSpec inner_map;
        inner_map.name = map_.name + ".inner";
        SKEP_TRY(DefinitionReader(btf_, inner_map, true).read(inner));
        map_.inner = std::make_shared<const MapSpec>(std::move(inner_map));
        return {};
    }

    const btf::Btf& btf_;
    MapSpec& map_;
    bool is_inner_;
};

Result<MapSpec> read_map(const btf::Btf& btf, const btf::Type& var) {
    switch (var.linkage()) {
        case btf::Linkage::Global: break;
        case btf::Linkage::Static: return malformed("it is static; maps must be global");
        default:
            return malformed(
                "it is only declared (extern); link the object that defines it with "
                "'bpftool gen object'");
    }
    const btf::Type definition = btf.resolve(var.ref());
    if (definition.kind() != btf::Kind::Struct)
        return malformed("it is a {}, not a struct", to_string(definition.kind()));
    MapSpec map;
    map.name = var.name();
    SKEP_TRY(DefinitionReader(btf, map, false).read(definition));
    SKEP_TRY(check_keys(map));
    return map;
}

Result<void> check_arenas(const std::vector<MapSpec>& maps) {
    const auto is_arena = [](const MapSpec& map) { return map.type == MapType::Arena; };
    if (std::ranges::count_if(maps, is_arena) > 1)
        return malformed("the object has more than one arena map");
    return {};
}

}  // namespace

Result<void> read_declared_maps(Source& source, ObjectSpec& spec) {
    const elf::Section* section = source.elf.find(".maps");
    if (!section || source.role(section->index) != Role::Maps) return {};
    if (!source.btf)
        return std::unexpected(Error{ErrorCode::Malformed,
                                     "the object has maps in section '.maps' but no BTF",
                                     "compile with -g", 0});
    const btf::Btf& btf = *source.btf;
    const auto datasec = btf.find(".maps", btf::Kind::Datasec);
    if (!datasec) return malformed("BTF does not describe section '.maps'");
    for (const btf::SectionVar variable : datasec->variables()) {
        const btf::Type var = btf.type(variable.type);
        const auto context = [&] { return fmt::format("map '{}'", printable(var.name())); };
        if (var.kind() != btf::Kind::Var) return malformed("{}: not a variable", context());
        auto map = read_map(btf, var);
        if (!map) return std::unexpected(std::move(map.error()).in(context()));
        const auto size = btf.size_of(var.ref());
        if (variable.offset > section->size || *size > section->size - variable.offset)
            return malformed("{}: lies outside section '.maps'", context());
        if (spec.find_map(map->name)) return malformed("two maps are named '{}'", map->name);
        source.map_at[{section->index, variable.offset}] = uint32_t(spec.maps.size());
        spec.maps.push_back(std::move(*map));
    }
    return check_arenas(spec.maps);
}

}  // namespace skep::object
