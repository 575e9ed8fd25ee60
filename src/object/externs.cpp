// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include <algorithm>
#include <tuple>

#include "base/text.hpp"
#include "object/kconfig.hpp"
#include "object/source.hpp"

// Externs: undefined symbols that BTF explains as __kconfig or __ksym. One that it does not explain
// is nobody's concern until an instruction refers to it (relocations.cpp).

namespace skep::object {

namespace {

constexpr uint32_t kMaxKconfig = 1 << 20;  // bytes; a kernel's whole .config is smaller

bool is_extern(const elf::Symbol& symbol) {
    return symbol.undefined() && !symbol.local() && symbol.type == STT_NOTYPE &&
           !symbol.name.empty();
}

/// The VAR or FUNC that declares the name.
std::optional<btf::Type> declaration_of(const btf::Btf& btf, std::string_view name) {
    for (const uint32_t id : btf.find_all(name)) {
        const btf::Type type = btf.type(id);
        if ((type.kind() == btf::Kind::Var || type.kind() == btf::Kind::Func) &&
            type.linkage() == btf::Linkage::Extern)
            return type;
    }
    return std::nullopt;
}

/// VARs and FUNCs of .kconfig and .ksyms, with the section's name.
std::unordered_map<uint32_t, std::string_view> sections_of_externs(const btf::Btf& btf) {
    std::unordered_map<uint32_t, std::string_view> sections;
    for (uint32_t id = 1; id < btf.type_count(); id++) {
        const btf::Type type = btf.type(id);
        if (type.kind() != btf::Kind::Datasec) continue;
        for (const btf::SectionVar variable : type.variables())
            sections.emplace(variable.type, type.name());
    }
    return sections;
}

Result<Extern> kconfig_extern(const btf::Btf& btf, Extern external, const btf::Type& declaration) {
    if (declaration.kind() == btf::Kind::Func)
        return malformed("extern '{}': a function cannot be __kconfig", printable(external.name));
    external.kind = Extern::Kind::Kconfig;
    external.type_id = declaration.ref();
    external.size = btf.size_of(external.type_id).value_or(0);
    if (external.size == 0 || !kconfig_type(btf, external.type_id))
        return malformed(
            "extern '{}': no type for a __kconfig variable (bool, char, integer, enum "
            "libbpf_tristate, char array)",
            printable(external.name));
    return external;
}

Extern ksym_extern(const btf::Btf& btf, Extern external, const btf::Type& declaration) {
    if (declaration.kind() == btf::Kind::Func) {
        external.kind = Extern::Kind::KsymFunc;
        external.type_id = declaration.id();
    } else {
        external.kind = Extern::Kind::KsymVar;
        external.type_id = btf.resolve(declaration.ref()).id();
    }
    return external;
}

/// Kconfig variables first, in the order in which libbpf lays them out in their map: by alignment
/// (largest first), size, name. Then ksyms by name.
Result<void> sort_and_lay_out(const btf::Btf& btf, std::vector<Extern>& externs) {
    const auto key = [&](const Extern& e) {
        const bool kconfig = e.kind == Extern::Kind::Kconfig;
        return std::tuple(!kconfig, kconfig ? 64 - btf.align_of(e.type_id) : 0, e.size, e.name);
    };
    std::ranges::sort(externs, [&](const Extern& a, const Extern& b) { return key(a) < key(b); });
    uint64_t end = 0;
    for (Extern& external : externs) {
        if (external.kind != Extern::Kind::Kconfig) break;
        external.data_offset = uint32_t(align_up(end, btf.align_of(external.type_id)));
        end = uint64_t{external.data_offset} + external.size;
        if (end > kMaxKconfig) return malformed("the __kconfig variables take {} bytes", end);
    }
    return {};
}

}  // namespace

Result<void> collect_externs(Source& source, ObjectSpec& spec) {
    const btf::Btf& btf = *source.btf;
    const auto sections = sections_of_externs(btf);
    std::unordered_map<std::string, std::string_view> names;
    for (const elf::Symbol& symbol : source.elf.symbols()) {
        if (!is_extern(symbol)) continue;
        const auto declaration = declaration_of(btf, symbol.name);
        if (!declaration) continue;
        const auto section = sections.find(declaration->id());
        if (section == sections.end()) continue;
        if (!names.emplace(symbol.name, symbol.name).second) continue;
        Extern external{.name = std::string(symbol.name),
                        .kind = Extern::Kind::KsymVar,
                        .weak = symbol.bind == STB_WEAK};
        if (section->second == ".kconfig")
            external = SKEP_TRY(kconfig_extern(btf, std::move(external), *declaration));
        else if (section->second == ".ksyms")
            external = ksym_extern(btf, std::move(external), *declaration);
        else
            continue;  // e.g. a map of another object
        spec.externs.push_back(std::move(external));
    }
    SKEP_TRY(sort_and_lay_out(btf, spec.externs));
    for (uint32_t i = 0; i < spec.externs.size(); i++)
        source.extern_index.emplace(names.at(spec.externs[i].name), i);
    return {};
}

}  // namespace skep::object
