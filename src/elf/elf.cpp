// SPDX-License-Identifier: Apache-2.0
#include "elf/elf.hpp"

#include <elf.h>

#include <algorithm>

#include "base/text.hpp"

namespace skep::elf {

namespace {

std::string machine_name(uint16_t machine) {
    switch (machine) {
        case EM_X86_64: return "an x86-64";
        case EM_AARCH64: return "an arm64";
        case EM_386: return "an i386";
        case EM_ARM: return "a 32-bit arm";
        case EM_RISCV: return "a RISC-V";
        case EM_S390: return "an s390";
        case EM_PPC64: return "a ppc64";
        default: return fmt::format("a (machine {})", machine);
    }
}

std::unexpected<Error> refused(std::string message, std::string hint) {
    return std::unexpected(Error{ErrorCode::Malformed, std::move(message), std::move(hint), 0});
}

Result<Elf64_Ehdr> read_header(ByteView bytes) {
    if (bytes.size() < SELFMAG || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0)
        return malformed("not an ELF file");
    if (bytes.size() < EI_NIDENT) return malformed("ELF file is truncated");
    if (bytes[EI_CLASS] != ELFCLASS64) return malformed("ELF file is 32-bit; BPF is 64-bit");
    if (bytes[EI_DATA] == ELFDATA2MSB)
        return refused("ELF file is compiled for big-endian", "use clang -target bpfel");
    if (bytes[EI_DATA] != ELFDATA2LSB) return malformed("ELF file has an unknown byte order");

    const auto header = load<Elf64_Ehdr>(bytes, 0);
    if (!header) return malformed("ELF file is truncated");
    if (header->e_shnum == 0) return malformed("ELF file has no sections");
    if (header->e_shentsize != sizeof(Elf64_Shdr))
        return malformed("ELF section headers of {} bytes, expected {}",
                         uint16_t{header->e_shentsize}, sizeof(Elf64_Shdr));
    return *header;
}

Result<void> check_object(const Elf64_Ehdr& header) {
    // gcc and old clang may leave e_machine at EM_NONE, as the format's first years did.
    if (header.e_machine != EM_BPF && header.e_machine != EM_NONE)
        return refused(fmt::format("this is {} object", machine_name(header.e_machine)),
                       "compile with clang -target bpf");
    if (header.e_type != ET_REL)
        return refused("ELF file is an executable or a library, not a relocatable object",
                       "compile with -c and do not link");
    return {};
}

Result<std::vector<Section>> read_sections(ByteView bytes, const Elf64_Ehdr& header) {
    const auto table = slice(bytes, header.e_shoff, header.e_shnum * sizeof(Elf64_Shdr));
    if (!table) return malformed("ELF section headers lie outside the file");

    std::vector<Section> sections;
    sections.reserve(header.e_shnum);
    std::vector<uint32_t> names;
    for (uint32_t i = 0; i < header.e_shnum; i++) {
        const auto raw = *load<Elf64_Shdr>(*table, i * sizeof(Elf64_Shdr));
        Section section{.index = i,
                        .type = raw.sh_type,
                        .flags = raw.sh_flags,
                        .size = raw.sh_size,
                        .link = raw.sh_link,
                        .info = raw.sh_info};
        if (raw.sh_type != SHT_NOBITS && raw.sh_type != SHT_NULL) {
            const auto data = slice(bytes, raw.sh_offset, raw.sh_size);
            if (!data) return malformed("ELF section {} lies outside the file", i);
            section.data = *data;
        }
        sections.push_back(section);
        names.push_back(raw.sh_name);
    }

    if (header.e_shstrndx >= sections.size())
        return malformed("ELF section names are in section {}, which does not exist",
                         header.e_shstrndx);
    const ByteView strings = sections[header.e_shstrndx].data;
    for (uint32_t i = 1; i < sections.size(); i++) {
        const auto name = load_string(strings, names[i]);
        if (!name) return malformed("ELF section {} has no valid name", i);
        sections[i].name = *name;
    }
    return sections;
}

Result<void> check_overlap(std::span<const Section> sections) {
    std::vector<const Section*> by_offset;
    for (const Section& section : sections)
        if (!section.data.empty()) by_offset.push_back(&section);
    std::ranges::sort(by_offset, {}, [](const Section* s) { return s->data.data(); });
    for (size_t i = 1; i < by_offset.size(); i++) {
        const Section& before = *by_offset[i - 1];
        if (before.data.data() + before.data.size() > by_offset[i]->data.data())
            return malformed("ELF sections '{}' and '{}' overlap", printable(before.name),
                             printable(by_offset[i]->name));
    }
    return {};
}

Result<std::vector<Symbol>> read_symbols(std::span<const Section> sections) {
    const Section* table = nullptr;
    for (const Section& section : sections) {
        if (section.type != SHT_SYMTAB) continue;
        if (table) return malformed("ELF file has more than one symbol table");
        table = &section;
    }
    std::vector<Symbol> symbols;
    if (!table) return symbols;
    if (table->link >= sections.size() || sections[table->link].type != SHT_STRTAB)
        return malformed("ELF symbol table has no string table");
    const ByteView strings = sections[table->link].data;

    const size_t count = table->data.size() / sizeof(Elf64_Sym);
    symbols.reserve(count);
    for (size_t i = 0; i < count; i++) {
        const auto raw = *load<Elf64_Sym>(table->data, i * sizeof(Elf64_Sym));
        const auto name = load_string(strings, raw.st_name);
        if (!name) return malformed("ELF symbol {} has no valid name", i);
        if (raw.st_shndx >= sections.size() && raw.st_shndx < SHN_LORESERVE)
            return malformed("ELF symbol '{}' is in section {}, which does not exist",
                             printable(*name), raw.st_shndx);
        symbols.push_back({.name = *name,
                           .value = raw.st_value,
                           .size = raw.st_size,
                           .section = raw.st_shndx,
                           .type = uint8_t(ELF64_ST_TYPE(raw.st_info)),
                           .bind = uint8_t(ELF64_ST_BIND(raw.st_info)),
                           .visibility = uint8_t(ELF64_ST_VISIBILITY(raw.st_other))});
    }
    return symbols;
}

}  // namespace

bool Section::executable() const {
    return type == SHT_PROGBITS && (flags & SHF_EXECINSTR);
}

bool Symbol::local() const {
    return bind == STB_LOCAL;
}

bool Symbol::hidden() const {
    return visibility == STV_HIDDEN || visibility == STV_INTERNAL;
}

Result<Elf> Elf::parse(ByteView bytes) {
    SKEP_TRY(check_object(SKEP_TRY(read_header(bytes))));
    Elf elf = SKEP_TRY(parse_sections(bytes));
    elf.symbols_ = SKEP_TRY(read_symbols(elf.sections_));
    return elf;
}

Result<Elf> Elf::parse_sections(ByteView bytes) {
    const Elf64_Ehdr header = SKEP_TRY(read_header(bytes));
    Elf elf;
    elf.sections_ = SKEP_TRY(read_sections(bytes, header));
    SKEP_TRY(check_overlap(elf.sections_));
    return elf;
}

const Section* Elf::find(std::string_view name) const {
    for (const Section& section : sections_)
        if (section.index != 0 && section.name == name) return &section;
    return nullptr;
}

Result<std::vector<Relocation>> Elf::relocations(const Section& section) const {
    const auto name = [&] { return printable(section.name); };
    if (section.type == SHT_RELA)
        return malformed("section '{}' holds relocations with addends, which BPF does not use",
                         name());
    if (section.type != SHT_REL) return malformed("section '{}' holds no relocations", name());
    if (section.data.size() % sizeof(Elf64_Rel) != 0)
        return malformed("relocation section '{}' of {} bytes is truncated", name(),
                         section.data.size());
    std::vector<Relocation> relocations;
    relocations.reserve(section.data.size() / sizeof(Elf64_Rel));
    for (size_t at = 0; at < section.data.size(); at += sizeof(Elf64_Rel)) {
        const auto raw = *load<Elf64_Rel>(section.data, at);
        const uint32_t symbol = ELF64_R_SYM(raw.r_info);
        if (symbol >= symbols_.size())
            return malformed("relocation {} of section '{}' names symbol {}, which does not exist",
                             at / sizeof(Elf64_Rel), name(), symbol);
        relocations.push_back({raw.r_offset, uint32_t(ELF64_R_TYPE(raw.r_info)), symbol});
    }
    return relocations;
}

std::string Elf::describe(const Symbol& symbol) const {
    if (symbol.name.empty() && symbol.section < sections_.size())
        return printable(sections_[symbol.section].name);
    return printable(symbol.name);
}

}  // namespace skep::elf
