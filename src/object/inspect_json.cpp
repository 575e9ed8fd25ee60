// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/hex.hpp"
#include "btf/declare.hpp"
#include "btf/print.hpp"
#include "object/describe.hpp"
#include "object/inspect.hpp"
#include "object/inspect_relos.hpp"

namespace skep::object {

namespace {

void put_text_or_null(JsonWriter& json, std::string_view text) {
    if (text.empty())
        json.null();
    else
        json.value(text);
}

void put_optional(JsonWriter& json, const std::optional<uint64_t>& number) {
    if (number)
        json.value(*number);
    else
        json.null();
}

void put_reference(JsonWriter& json, const ObjectSpec& object, const Reference& reference) {
    json.begin_object().key("insn").value(reference.insn);
    switch (reference.kind) {
        case Reference::Kind::Map: json.key("map").value(object.maps[reference.index].name); break;
        case Reference::Kind::MapValue: {
            const MapSpec& map = object.maps[reference.index];
            json.key("map").value(map.name).key("offset").value(reference.addend);
            json.key("variable");
            put_text_or_null(json, variable_at(object, map, reference.addend));
            break;
        }
        default: json.key("extern").value(object.externs[reference.index].name); break;
    }
    json.end_object();
}

void put_relocation(JsonWriter& json, const RelocationView& view, bool with_target) {
    json.begin_object().key("insn").value(view.insn).key("kind").value(view.kind);
    json.key("what").value(view.what).key("local");
    put_optional(json, view.local);
    if (with_target) {
        json.key("target");
        put_optional(json, view.target);
    }
    if (!view.problem.empty()) json.key("problem").value(view.problem);
    json.end_object();
}

void put_program(JsonWriter& json, const ObjectSpec& object, const ProgSpec& prog,
                 const btf::Btf* target) {
    json.begin_object().key("name").value(prog.name).key("section").value(prog.section);
    json.key("type").value(to_string(prog.type)).key("attach_type");
    put_text_or_null(json, prog.attach_type == AttachType::None ? std::string_view()
                                                                : to_string(prog.attach_type));
    json.key("attach_target");
    put_text_or_null(json, prog.attach_target);
    json.key("autoload").value(prog.autoload).key("sleepable").value(prog.sleepable);
    json.key("multi_buffer").value(prog.multi_buffer).key("insns").value(prog.insns.size());

    json.key("functions").begin_array();
    for (const Subprog& subprog : prog.subprogs) {
        json.begin_object().key("name").value(subprog.name).key("insn").value(subprog.insn);
        json.key("global").value(subprog.global);
        json.key("signature").value(signature(object, subprog)).end_object();
    }
    json.end_array().key("references").begin_array();
    for (const Reference& reference : prog.references) put_reference(json, object, reference);
    json.end_array().key("core_relocations").begin_array();
    for (const RelocationView& view : view_relocations(object, prog, target))
        put_relocation(json, view, target != nullptr);
    json.end_array().end_object();
}

/// The name of a map's key or value type; null for none and for global data.
void put_type(JsonWriter& json, const ObjectSpec& object, uint32_t type) {
    if (!object.btf || type == 0 || object.btf->type(type).kind() == btf::Kind::Datasec)
        json.null();
    else
        json.value(btf::c_type(*object.btf, type));
}

void put_initial_value(JsonWriter& json, const ObjectSpec& object, const MapSpec& map) {
    if (map.initial_value.empty())
        json.null();
    else if (object.btf && map.value_type_id != 0)
        print_json(*object.btf, map.value_type_id, map.initial_value, json);
    else
        json.value(to_hex(map.initial_value));
}

void put_slots(JsonWriter& json, const ObjectSpec& object, const MapSpec& map) {
    const bool of_maps = map.type == MapType::ArrayOfMaps || map.type == MapType::HashOfMaps;
    json.begin_array();
    for (const InitialSlot& slot : map.initial_slots) {
        json.begin_object().key("slot").value(slot.slot).key(of_maps ? "map" : "program");
        json.value(of_maps ? object.maps[slot.index].name : object.progs[slot.index].name);
        json.end_object();
    }
    json.end_array();
}

void put_map(JsonWriter& json, const ObjectSpec& object, const MapSpec& map) {
    json.begin_object().key("name").value(map.name).key("type").value(to_string(map.type));
    json.key("key_size").value(map.key_size).key("value_size").value(map.value_size);
    json.key("max_entries").value(map.max_entries).key("flags").begin_array();
    for (const std::string& flag : flag_names(map.flags)) json.value(flag);
    json.end_array().key("numa_node").value(map.numa_node).key("map_extra").value(map.extra);
    json.key("pinned").value(map.pin_by_name).key("autocreate").value(map.autocreate);
    json.key("key_type");
    put_type(json, object, map.key_type_id);
    json.key("value_type");
    put_type(json, object, map.value_type_id);
    json.key("origin").value(to_string(map.origin)).key("section");
    put_text_or_null(json, map.section);
    json.key("initial_value");
    put_initial_value(json, object, map);
    json.key("initial_slots");
    put_slots(json, object, map);
    json.key("inner");
    if (map.inner)
        put_map(json, object, *map.inner);
    else
        json.null();
    json.end_object();
}

void put_types(JsonWriter& json, const ObjectSpec& object) {
    if (!object.btf) {
        json.null();
        return;
    }
    json.begin_object().key("count").value(object.btf->type_count() - 1);
    for (const auto& [kind, count] : count_types(*object.btf)) {
        std::string name(to_string(kind));
        std::ranges::transform(name, name.begin(), [](char c) {
            return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
        });
        json.key(name).value(count);
    }
    json.end_object();
}

}  // namespace

void inspect_json(const ObjectSpec& object, JsonWriter& json, const btf::Btf* target) {
    json.begin_object().key("name").value(object.name).key("license");
    put_text_or_null(json, object.license);
    json.key("gpl_compatible").value(object.gpl_compatible());
    json.key("kernel_version").value(object.kernel_version).key("programs").begin_array();
    for (const ProgSpec& prog : object.progs) put_program(json, object, prog, target);
    json.end_array().key("maps").begin_array();
    for (const MapSpec& map : object.maps) put_map(json, object, map);
    json.end_array().key("externs").begin_array();
    for (const Extern& external : object.externs) {
        json.begin_object().key("name").value(external.name);
        json.key("kind").value(to_string(external.kind)).key("weak").value(external.weak);
        json.key("type");
        put_text_or_null(json, c_type_of(object, external));
        json.end_object();
    }
    json.end_array().key("types");
    put_types(json, object);
    json.end_object();
}

}  // namespace skep::object
