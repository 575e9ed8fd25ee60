// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.hpp"
#include "object/source.hpp"

// The object's BTF. The compiler does not know where variables will lie: it leaves the sizes of
// data sections and the offsets of global variables at zero, and they are filled in from ELF here
// (libbpf's bpf_object_fixup_btf()); bpftool's static linker has done so already. .kconfig, which
// no ELF section backs, gets the layout that collect_externs() chose.

namespace skep::object {

namespace {

class Fixup {
  public:
    Fixup(const Source& source, const ObjectSpec& spec)
        : source_(source),
          spec_(spec),
          btf_(*source.btf),
          bytes_(btf_.bytes().begin(), btf_.bytes().end()) {}

    /// The BTF's bytes with everything filled in.
    Result<Bytes> run() {
        for (uint32_t id = 1; id < btf_.type_count(); id++) {
            const btf::Type type = btf_.type(id);
            if (type.kind() != btf::Kind::Datasec || type.name() == ".ksyms") continue;
            if (type.name() == ".kconfig")
                fix_kconfig(type);
            else
                SKEP_TRY(fix_data(type));
        }
        return std::move(bytes_);
    }

  private:
    void write(size_t offset, uint32_t value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof(value));
    }

    void write(const btf::Type& section, uint32_t size, std::vector<btf::SectionVar> variables) {
        std::ranges::stable_sort(variables, {}, &btf::SectionVar::offset);
        const size_t record = btf_.record_offset(section);
        write(record + 8, size);
        if (variables.empty()) return;  // memcpy() from nowhere is undefined, even of no bytes
        std::memcpy(bytes_.data() + record + 12, variables.data(),
                    variables.size() * sizeof(btf::SectionVar));
    }

    static std::vector<btf::SectionVar> variables_of(const btf::Type& section) {
        std::vector<btf::SectionVar> variables;
        for (const btf::SectionVar variable : section.variables()) variables.push_back(variable);
        return variables;
    }

    void fix_kconfig(const btf::Type& section) {
        uint32_t size = 0;
        std::vector<btf::SectionVar> variables = variables_of(section);
        for (btf::SectionVar& variable : variables) {
            const auto found = source_.extern_index.find(btf_.type(variable.type).name());
            if (found == source_.extern_index.end()) continue;
            const Extern& external = spec_.externs[found->second];
            variable.offset = external.data_offset;
            size = std::max(size, external.data_offset + external.size);
        }
        write(section, size, std::move(variables));
    }

    Result<void> fix_data(const btf::Type& section) {
        const bool open = section.size() == 0;
        const elf::Section* data = source_.elf.find(section.name());
        if (open && (!data || data->size == 0 || data->size > UINT32_MAX)) return {};
        std::vector<btf::SectionVar> variables = variables_of(section);
        for (btf::SectionVar& variable : variables) {
            const btf::Type var = btf_.type(variable.type);
            if (var.kind() != btf::Kind::Var || var.linkage() != btf::Linkage::Global) continue;
            const elf::Symbol* symbol = source_.find_global(var.name());
            if (!symbol && open)
                return malformed("variable '{}' of section '{}' has no symbol",
                                 printable(var.name()), printable(section.name()));
            if (!symbol) continue;
            // Linked objects too: bpftool 7.1 leaves 0 where an extern came before the definition.
            if (data && symbol->section == data->index) variable.offset = uint32_t(symbol->value);
            // A hidden symbol belongs to the object alone, as a static one does.
            if (symbol->hidden())
                write(btf_.record_offset(var) + 12, uint32_t(btf::Linkage::Static));
        }
        write(section, open ? uint32_t(data->size) : section.size(), std::move(variables));
        return {};
    }

    const Source& source_;
    const ObjectSpec& spec_;
    const btf::Btf& btf_;
    Bytes bytes_;
};

Result<void> check_core_kinds(const btf::Ext& ext) {
    for (const auto& section : ext.relocations)
        for (const btf::CoreRecord& record : section.records)
            if (record.kind >= btf::kCoreKindCount)
                return malformed("section '{}', byte {}: CO-RE relocation kind {} is not known",
                                 printable(section.name), record.offset, record.kind);
    return {};
}

}  // namespace

Result<void> read_types(Source& source, ObjectSpec& spec) {
    const elf::Section* section = source.elf.find(".BTF");
    if (!section || section->data.empty()) return {};
    source.btf = SKEP_TRY(btf::Btf::parse(Bytes(section->data.begin(), section->data.end())));
    SKEP_TRY(collect_externs(source, spec));
    source.btf = SKEP_TRY(btf::Btf::parse(SKEP_TRY(Fixup(source, spec).run())));
    spec.btf = source.btf;
    if (const elf::Section* ext = source.elf.find(".BTF.ext"); ext && !ext->data.empty())
        source.ext = SKEP_TRY(btf::Ext::parse(ext->data, *source.btf));
    return check_core_kinds(source.ext);
}

}  // namespace skep::object
