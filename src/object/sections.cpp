// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include <algorithm>

#include "base/text.hpp"
#include "object/source.hpp"

// Which section is what. Names decide, as in libbpf's bpf_object__elf_collect(); sections that
// nobody knows are left alone.

namespace skep::object {

namespace {

/// ".data" itself or a custom ".data.name".
bool is_named(std::string_view name, std::string_view base) {
    return name == base || (name.starts_with(base) && name[base.size()] == '.');
}

/// "maps"; and the "lirc_mode2/maps" of v4l-utils' remote control decoders.
bool is_legacy_maps(std::string_view name) {
    return name == "maps" || name.ends_with("/maps");
}

Role role_of(const elf::Section& section) {
    const std::string_view name = section.name;
    if (section.type == SHT_NOBITS) return is_named(name, ".bss") ? Role::Bss : Role::Ignored;
    if (section.type != SHT_PROGBITS || section.data.empty()) return Role::Ignored;
    if (section.executable()) return Role::Code;
    if (name == ".maps") return Role::Maps;
    if (is_legacy_maps(name)) return Role::LegacyMaps;
    if (is_named(name, ".data")) return Role::Data;
    if (is_named(name, ".rodata")) return Role::Rodata;
    if (name == ".addr_space.1") return Role::Arena;
    for (const std::string_view ops :
         {".struct_ops", ".struct_ops.link", "?.struct_ops", "?.struct_ops.link"})
        if (name == ops) return Role::StructOps;
    return Role::Ignored;
}

void read_license(const elf::Section& section, ObjectSpec& spec) {
    const auto* begin = reinterpret_cast<const char*>(section.data.data());
    const std::string_view text(begin, section.data.size());
    spec.license = text.substr(0, text.find('\0'));
}

Result<void> read_version(const elf::Section& section, ObjectSpec& spec) {
    const auto version = load<uint32_t>(section.data, 0);
    if (!version || section.data.size() != sizeof(uint32_t))
        return malformed("section 'version' of {} bytes, expected 4", section.data.size());
    spec.kernel_version = *version;
    return {};
}

}  // namespace

const elf::Symbol* Source::find_global(std::string_view name) const {
    const auto found = symbol_index.find(name);
    return found == symbol_index.end() ? nullptr : &elf.symbols()[found->second];
}

const Function* Source::function_at(uint32_t section, uint64_t insn) const {
    const auto key = std::pair{section, insn};
    const auto found = std::ranges::lower_bound(functions, key, {}, [](const Function& f) {
        return std::pair{f.section, uint64_t{f.start}};
    });
    if (found == functions.end() || found->section != section || found->start != insn)
        return nullptr;
    return &*found;
}

Result<void> classify_sections(Source& source, ObjectSpec& spec) {
    if (source.elf.symbols().empty())
        return malformed("the object has no symbol table (stripped?)");
    for (const elf::Section& section : source.elf.sections()) {
        source.roles.push_back(role_of(section));
        if (section.name == "license") read_license(section, spec);
        if (section.name == "version") SKEP_TRY(read_version(section, spec));
    }
    for (uint32_t i = 1; i < source.elf.symbols().size(); i++) {
        const elf::Symbol& symbol = source.elf.symbols()[i];
        if (!symbol.local() && !symbol.name.empty())
            source.symbol_index.try_emplace(symbol.name, i);
    }
    return {};
}

}  // namespace skep::object
