// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

// A bounds-checked reader of the one ELF that BPF compilers write: relocatable, 64-bit,
// little-endian, machine EM_BPF. Anything else is refused with a message that says what it is.
//
//     elf::Elf elf = SKEP_TRY(elf::Elf::parse(bytes));
//     if (const elf::Section* btf = elf.find(".BTF")) use(btf->data);
//     for (const elf::Relocation& r : SKEP_TRY(elf.relocations(section))) ...
//
// Everything is a view into the caller's bytes, which must outlive the Elf. Sections that overlap
// in the file are refused, so all section data together is at most the file and whoever copies it
// stays within that. Immutable; safe to share as const. Layout: the System V ABI, chapter 4.

namespace skep::elf {

struct Section {
    std::string_view name = {};
    uint32_t index = 0;
    uint32_t type = 0;   ///< SHT_*
    uint64_t flags = 0;  ///< SHF_*
    uint64_t size = 0;   ///< of SHT_NOBITS too, where `data` is empty
    uint32_t link = 0;
    uint32_t info = 0;
    ByteView data = {};

    bool executable() const;
};

struct Symbol {
    std::string_view name = {};  ///< of a section symbol: empty
    uint64_t value = 0;          ///< offset in its section
    uint64_t size = 0;
    uint32_t section = 0;  ///< index; 0 where undefined; SHN_ABS, SHN_COMMON as they are
    uint8_t type = 0;      ///< STT_*
    uint8_t bind = 0;      ///< STB_*
    uint8_t visibility = 0;

    bool local() const;
    bool undefined() const { return section == 0; }
    /// Global, but with hidden or internal visibility: linked as global, verified as static.
    bool hidden() const;
};

struct Relocation {
    uint64_t offset = 0;  ///< in the section that it patches
    uint32_t type = 0;    ///< R_BPF_*
    uint32_t symbol = 0;  ///< index into symbols()
};

class Elf {
  public:
    static Result<Elf> parse(ByteView bytes);
    /// No symbols, but of any machine and kind: a kernel or one of its modules, for its .BTF.
    static Result<Elf> parse_sections(ByteView bytes);

    /// By ELF index: [0] is the null section.
    std::span<const Section> sections() const { return sections_; }
    /// The first section of this name, or null.
    const Section* find(std::string_view name) const;

    /// By ELF index: [0] is the null symbol. Empty where the object has no symbol table.
    std::span<const Symbol> symbols() const { return symbols_; }

    /// The entries of a SHT_REL section; each one's symbol exists.
    Result<std::vector<Relocation>> relocations(const Section& section) const;

    /// What a message calls this symbol: its name, or that of the section it stands for.
    std::string describe(const Symbol& symbol) const;

  private:
    std::vector<Section> sections_;
    std::vector<Symbol> symbols_;
};

}  // namespace skep::elf
