// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elf.h>

#include <string>
#include <vector>

#include "base/bytes.hpp"

// Writes a small relocatable object: what the assembler puts out, what tests damage byte by byte,
// and what debuggers are told of machine code. It checks nothing; Elf::parse() does.
//
//     ElfBuilder builder;
//     uint32_t text = builder.section("xdp", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, code);
//     builder.symbol("prog", text, 0, 16, STB_GLOBAL, STT_FUNC);
//     Bytes object = builder.finish();

namespace skep::elf {

class ElfBuilder {
  public:
    explicit ElfBuilder(uint16_t machine = EM_BPF) : machine_(machine) {
        sections_.push_back({});  // the null section
        symbols_.resize(sizeof(Elf64_Sym));
    }

    /// Returns the section's index. `nobits` is the size of a SHT_NOBITS section.
    uint32_t section(std::string name, uint32_t type, uint64_t flags, Bytes data, uint32_t link = 0,
                     uint32_t info = 0, uint64_t nobits = 0) {
        sections_.push_back({std::move(name), type, flags, std::move(data), link, info, nobits, 0});
        return uint32_t(sections_.size() - 1);
    }

    /// Where the section lies in memory.
    void place(uint32_t section, uint64_t address) { sections_[section].address = address; }

    /// Returns the symbol's index. Local ones come before the global ones, as ELF wants it.
    uint32_t symbol(std::string_view name, uint32_t section, uint64_t value, uint64_t size,
                    int bind, int type, int visibility = STV_DEFAULT) {
        Elf64_Sym symbol{};
        symbol.st_name = add_string(name);
        symbol.st_shndx = uint16_t(section);
        symbol.st_value = value;
        symbol.st_size = size;
        symbol.st_info = uint8_t(ELF64_ST_INFO(bind, type));
        symbol.st_other = uint8_t(visibility);
        append(symbols_, symbol);
        if (bind == STB_LOCAL) locals_ = uint32_t(symbols_.size() / sizeof(Elf64_Sym));
        return uint32_t(symbols_.size() / sizeof(Elf64_Sym) - 1);
    }

    struct Rel {
        uint64_t offset;
        uint32_t symbol;
        uint32_t type = 1;
    };
    uint32_t relocations(std::string name, uint32_t target, const std::vector<Rel>& entries) {
        Bytes data;
        for (const Rel& rel : entries)
            append(data, Elf64_Rel{rel.offset, ELF64_R_INFO(uint64_t{rel.symbol}, rel.type)});
        return section(std::move(name), SHT_REL, 0, std::move(data), 0, target);
    }

    Bytes finish() {
        const uint32_t strtab = uint32_t(sections_.size()) + 1;
        for (Entry& entry : sections_)
            if (entry.type == SHT_REL) entry.link = strtab - 1;
        section(".symtab", SHT_SYMTAB, 0, symbols_, strtab, locals_);
        section(".strtab", SHT_STRTAB, 0, {});
        std::vector<uint32_t> names;
        for (const Entry& entry : sections_) names.push_back(add_string(entry.name));
        sections_[strtab].data = strings_;

        Elf64_Ehdr header{};
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_REL;
        header.e_machine = machine_;
        header.e_version = EV_CURRENT;
        header.e_ehsize = sizeof(Elf64_Ehdr);
        header.e_shentsize = sizeof(Elf64_Shdr);
        header.e_shnum = uint16_t(sections_.size());
        header.e_shstrndx = uint16_t(strtab);

        Bytes body, table;
        for (size_t i = 0; i < sections_.size(); i++) {
            const Entry& entry = sections_[i];
            body.resize(align_up(body.size(), 8));
            Elf64_Shdr raw{};
            raw.sh_name = names[i];
            raw.sh_type = entry.type;
            raw.sh_flags = entry.flags;
            raw.sh_addr = entry.address;
            raw.sh_offset = sizeof(Elf64_Ehdr) + body.size();
            raw.sh_size = entry.type == SHT_NOBITS ? entry.nobits : entry.data.size();
            raw.sh_link = entry.link;
            raw.sh_info = entry.info;
            raw.sh_entsize = entry.type == SHT_SYMTAB ? sizeof(Elf64_Sym)
                             : entry.type == SHT_REL  ? sizeof(Elf64_Rel)
                                                      : 0;
            append(body, entry.data);
            append(table, raw);
        }
        body.resize(align_up(body.size(), 8));
        header.e_shoff = sizeof(Elf64_Ehdr) + body.size();
        Bytes out;
        append(out, header);
        append(out, body);
        append(out, table);
        return out;
    }

  private:
    struct Entry {
        std::string name;
        uint32_t type = SHT_NULL;
        uint64_t flags = 0;
        Bytes data;
        uint32_t link = 0;
        uint32_t info = 0;
        uint64_t nobits = 0;
        uint64_t address = 0;
    };

    uint32_t add_string(std::string_view text) {
        if (text.empty()) return 0;
        const auto offset = uint32_t(strings_.size());
        append(strings_, bytes_of(text));
        strings_.push_back(0);
        return offset;
    }

    uint16_t machine_;
    std::vector<Entry> sections_;
    Bytes symbols_;
    uint32_t locals_ = 1;  // symbols before the first global one; the null symbol is local
    Bytes strings_ = {0};
};

}  // namespace skep::elf
