// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "base/table.hpp"
#include "base/text.hpp"
#include "btf/declare.hpp"
#include "btf/print.hpp"
#include "object/describe.hpp"
#include "object/inspect.hpp"
#include "object/inspect_relos.hpp"
#include "object/section_names.hpp"

namespace skep::object {

namespace {

constexpr size_t kMaxValue = 60;  // characters of a variable's value

std::string or_dash(std::string_view text) {
    return text.empty() ? "-" : printable(text);
}

/// A heading and its table, unless that is empty.
void put(std::string& out, const char* heading, const Table& table) {
    if (!table.empty()) out += fmt::format("\n{}\n{}", heading, table.to_string());
}

std::string flags_of(const ProgSpec& prog) {
    std::vector<std::string_view> flags;
    if (prog.sleepable) flags.push_back("sleepable");
    if (prog.multi_buffer) flags.push_back("frags");
    if (!prog.autoload) flags.push_back("not autoloaded");
    return or_dash(fmt::format("{}", fmt::join(flags, ", ")));
}

void put_programs(std::string& out, const ObjectSpec& object) {
    Table table({"NAME", "SECTION", "TYPE", "ATTACH", "TARGET", ">INSNS", ">FUNCTIONS", "FLAGS"});
    std::string remarks;
    for (const ProgSpec& prog : object.progs) {
        table.row(
            {printable(prog.name), printable(prog.section), std::string(to_string(prog.type)),
             prog.attach_type == AttachType::None ? "-" : std::string(to_string(prog.attach_type)),
             or_dash(prog.attach_target), fmt::to_string(prog.insns.size()),
             fmt::to_string(prog.subprogs.size()), flags_of(prog)});
        if (prog.type != ProgType::Unspec) continue;
        remarks += fmt::format("section '{}' says no program type", printable(prog.section));
        if (const auto meant = suggest_section(prog.section))
            remarks += fmt::format("; did you mean '{}'?", *meant);
        remarks += '\n';
    }
    put(out, "PROGRAMS", table);
    out += remarks;
}

/// "8 struct key", or only the size where BTF does not say more.
std::string sized_type(const ObjectSpec& object, uint32_t size, uint32_t type) {
    if (!object.btf || type == 0 || object.btf->type(type).kind() == btf::Kind::Datasec)
        return fmt::to_string(size);
    return fmt::format("{} {}", size, btf::c_type(*object.btf, type));
}

void put_map(Table& table, const ObjectSpec& object, const MapSpec& map) {
    std::vector<std::string> attributes = flag_names(map.flags);
    if (map.pin_by_name) attributes.emplace_back("pinned");
    if (!map.autocreate) attributes.emplace_back("not created");
    if (map.extra != 0) attributes.push_back(fmt::format("extra={}", map.extra));
    if (map.numa_node != 0) attributes.push_back(fmt::format("numa_node={}", map.numa_node));
    const bool of_maps = map.type == MapType::ArrayOfMaps || map.type == MapType::HashOfMaps;
    for (const InitialSlot& slot : map.initial_slots)
        attributes.push_back(fmt::format(
            "[{}]={}", slot.slot,
            printable(of_maps ? object.maps[slot.index].name : object.progs[slot.index].name)));
    table.row({printable(map.name), std::string(to_string(map.type)),
               sized_type(object, map.key_size, map.key_type_id),
               sized_type(object, map.value_size, map.value_type_id),
               fmt::to_string(map.max_entries),
               or_dash(fmt::format("{}", fmt::join(attributes, " ")))});
    if (map.inner) put_map(table, object, *map.inner);
}

void put_maps(std::string& out, const ObjectSpec& object) {
    Table table({"NAME", "TYPE", "KEY", "VALUE", ">ENTRIES", "ATTRIBUTES"});
    for (const MapSpec& map : object.maps) put_map(table, object, map);
    put(out, "MAPS", table);
}

void put_variables(std::string& out, const ObjectSpec& object) {
    Table table({"MAP", ">OFFSET", "VARIABLE", "VALUE"});
    for (const MapSpec& map : object.maps) {
        if (map.value_type_id == 0 || map.origin == MapSpec::Origin::Kconfig) continue;
        const btf::Type section = object.btf->type(map.value_type_id);
        if (section.kind() != btf::Kind::Datasec) continue;
        for (const btf::SectionVar variable : section.variables()) {
            const btf::Type var = object.btf->type(variable.type);
            const auto bytes = slice(map.initial_value, variable.offset, variable.size);
            std::string value = bytes ? btf::print_c(*object.btf, var.ref(), *bytes) : "-";
            if (value.size() > kMaxValue) value.replace(kMaxValue - 3, std::string::npos, "...");
            table.row({printable(map.name), fmt::to_string(variable.offset),
                       btf::c_declaration(*object.btf, var.ref(), var.name()), value});
        }
    }
    put(out, "GLOBAL VARIABLES", table);
}

void put_externs(std::string& out, const ObjectSpec& object) {
    Table table({"NAME", "KIND", "TYPE", "WEAK"});
    for (const Extern& external : object.externs)
        table.row({printable(external.name), std::string(to_string(external.kind)),
                   or_dash(c_type_of(object, external)), external.weak ? "yes" : "-"});
    put(out, "EXTERNS", table);
}

void put_references(std::string& out, const ObjectSpec& object) {
    Table table({"PROGRAM", ">INSN", "REFERS TO"});
    for (const ProgSpec& prog : object.progs)
        for (const Reference& reference : prog.references)
            table.row({printable(prog.name), fmt::to_string(reference.insn),
                       describe(object, reference)});
    put(out, "REFERENCES", table);
}

void put_relocations(std::string& out, const ObjectSpec& object, const btf::Btf* target) {
    std::vector<std::string> columns = {"PROGRAM", ">INSN", "KIND", "WHAT", ">LOCAL"};
    if (target) columns.emplace_back("TARGET");
    Table table(std::move(columns));
    for (const ProgSpec& prog : object.progs)
        for (const RelocationView& view : view_relocations(object, prog, target)) {
            std::vector<std::string> row = {
                printable(prog.name), fmt::to_string(view.insn), std::string(view.kind),
                or_dash(view.what), view.local ? fmt::to_string(*view.local) : view.problem};
            if (target) row.push_back(view.target ? fmt::to_string(*view.target) : view.problem);
            table.row(std::move(row));
        }
    put(out, "CO-RE RELOCATIONS", table);
}

void put_types(std::string& out, const ObjectSpec& object) {
    if (!object.btf) {
        out += "\nno BTF: types are not known\n";
        return;
    }
    std::vector<std::string> parts;
    for (const auto& [kind, count] : count_types(*object.btf))
        parts.push_back(fmt::format("{} {}", count, to_string(kind)));
    out += fmt::format("\nTYPES\n{}: {}\n", object.btf->type_count() - 1, fmt::join(parts, ", "));
}

}  // namespace

std::string inspect_text(const ObjectSpec& object, const btf::Btf* target) {
    std::string out = fmt::format(
        "object {}, license {}", printable(object.name),
        object.license.empty() ? "missing" : fmt::format("\"{}\"", printable(object.license)));
    if (object.kernel_version != 0) out += fmt::format(", version 0x{:x}", object.kernel_version);
    out += '\n';
    put_programs(out, object);
    put_maps(out, object);
    put_variables(out, object);
    put_externs(out, object);
    put_references(out, object);
    put_relocations(out, object, target);
    put_types(out, object);
    return out;
}

}  // namespace skep::object
