// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/link.hpp"

#include <elf.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/text.hpp"
#include "engine/jit/line_table.hpp"

namespace skep::engine::jit {

namespace {

constexpr uint64_t kNowhere = UINT64_MAX;

class Linker {
  public:
    explicit Linker(ByteView elf) : elf_(elf) {}

    Result<Linked> link() {
        SKEP_TRY(read_sections());
        SKEP_TRY(place());
        for (const Elf64_Shdr& section : sections_)
            if (section.sh_type == SHT_RELA) SKEP_TRY(relocate(section));
        SKEP_TRY(find_functions());
        SKEP_TRY(find_places());
        return std::move(linked_);
    }

  private:
    template <typename T>
    Result<std::vector<T>> table(uint64_t offset, uint64_t size, const char* what) const {
        if (offset > elf_.size() || size > elf_.size() - offset || size % sizeof(T) != 0)
            return malformed("machine code: {} outside the object", what);
        std::vector<T> entries(size / sizeof(T));
        if (size != 0) std::memcpy(entries.data(), elf_.data() + offset, size);
        return entries;
    }

    Result<void> read_sections() {
        const auto headers =
            SKEP_TRY(table<Elf64_Ehdr>(0, sizeof(Elf64_Ehdr), "the header of the file"));
        const Elf64_Ehdr& header = headers[0];
        if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_REL ||
            header.e_machine != EM_X86_64 || header.e_shentsize != sizeof(Elf64_Shdr))
            return malformed("machine code: no relocatable object for x86-64");
        sections_ = SKEP_TRY(table<Elf64_Shdr>(
            header.e_shoff, uint64_t{header.e_shnum} * sizeof(Elf64_Shdr), "its sections"));
        if (header.e_shstrndx < sections_.size()) {
            const Elf64_Shdr& names = sections_[header.e_shstrndx];
            section_names_ =
                SKEP_TRY(table<char>(names.sh_offset, names.sh_size, "the names of sections"));
            section_names_.push_back('\0');
        }
        for (const Elf64_Shdr& section : sections_) {
            if (section.sh_type != SHT_SYMTAB) continue;
            symbols_ =
                SKEP_TRY(table<Elf64_Sym>(section.sh_offset, section.sh_size, "the symbol table"));
            if (section.sh_link >= sections_.size())
                return malformed("machine code: symbols without names");
            const Elf64_Shdr& names = sections_[section.sh_link];
            names_ = SKEP_TRY(table<char>(names.sh_offset, names.sh_size, "the names of symbols"));
            names_.push_back('\0');
        }
        return {};
    }

    /// Code and constants, one behind the other.
    Result<void> place() {
        places_.assign(sections_.size(), kNowhere);
        for (size_t i = 0; i < sections_.size(); i++) {
            const Elf64_Shdr& section = sections_[i];
            if (!(section.sh_flags & SHF_ALLOC) || section.sh_size == 0) continue;
            if (section.sh_type != SHT_PROGBITS || (section.sh_flags & (SHF_WRITE | SHF_TLS)))
                return unsupported("machine code: a section of variables");
            const auto bytes =
                SKEP_TRY(table<uint8_t>(section.sh_offset, section.sh_size, "a section"));
            const uint64_t alignment = std::max<uint64_t>(section.sh_addralign, 1);
            if (alignment > Code::kAlignment || (alignment & (alignment - 1)) != 0)
                return unsupported("machine code: a section aligned to {}", alignment);
            linked_.bytes.resize((linked_.bytes.size() + alignment - 1) & ~(alignment - 1));
            places_[i] = linked_.bytes.size();
            linked_.bytes.insert(linked_.bytes.end(), bytes.begin(), bytes.end());
        }
        return {};
    }

    Result<uint64_t> address_of(uint64_t index) const {
        if (index >= symbols_.size()) return malformed("machine code: no symbol {}", index);
        const Elf64_Sym& symbol = symbols_[index];
        if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= sections_.size() ||
            places_[symbol.st_shndx] == kNowhere)
            return unsupported("machine code refers to '{}', which is not in it",
                               printable(name_of(symbol)));
        return places_[symbol.st_shndx] + symbol.st_value;
    }

    Result<void> relocate(const Elf64_Shdr& section) {
        if (section.sh_info >= sections_.size() || places_[section.sh_info] == kNowhere) return {};
        const uint64_t begin = places_[section.sh_info];
        const uint64_t size = sections_[section.sh_info].sh_size;
        const auto entries = SKEP_TRY(
            table<Elf64_Rela>(section.sh_offset, section.sh_size, "a table of relocations"));
        for (const Elf64_Rela& entry : entries) {
            const uint64_t type = ELF64_R_TYPE(entry.r_info);
            if (type != R_X86_64_PC32 && type != R_X86_64_PLT32)
                return unsupported("machine code: relocations of type {}", type);
            if (size < 4 || entry.r_offset > size - 4)
                return malformed("machine code: a relocation outside its section");
            const uint64_t at = begin + entry.r_offset;
            const uint64_t target = SKEP_TRY(address_of(ELF64_R_SYM(entry.r_info)));
            const auto distance = int64_t(target + uint64_t(entry.r_addend) - at);
            if (distance != int32_t(distance))
                return unsupported("machine code: a distance of {} bytes", distance);
            const auto value = int32_t(distance);
            std::memcpy(linked_.bytes.data() + at, &value, sizeof value);
        }
        return {};
    }

    Result<void> find_functions() {
        constexpr std::string_view kPrefix = "skep_";
        for (size_t i = 0; i < symbols_.size(); i++) {
            const std::string_view name = name_of(symbols_[i]);
            if (!name.starts_with(kPrefix)) continue;
            NativeCode::Function function{};
            const auto [end, error] = std::from_chars(name.data() + kPrefix.size(),
                                                      name.data() + name.size(), function.insn);
            const uint64_t offset = SKEP_TRY(address_of(i));
            if (error != std::errc{} || end != name.data() + name.size() ||
                offset >= linked_.bytes.size())
                return malformed("machine code: no function '{}'", printable(name));
            function.offset = uint32_t(offset);
            linked_.functions.push_back(function);
        }
        std::ranges::sort(linked_.functions, {}, &NativeCode::Function::insn);
        if (linked_.functions.empty() || linked_.functions[0].insn != 0)
            return malformed("machine code without a beginning");
        return {};
    }

    /// Line N + 1 is instruction N.
    Result<void> find_places() {
        for (size_t i = 0; i < sections_.size(); i++) {
            if (sections_[i].sh_name >= section_names_.size() ||
                std::string_view(section_names_.data() + sections_[i].sh_name) != ".debug_line")
                continue;
            const auto bytes = SKEP_TRY(
                table<uint8_t>(sections_[i].sh_offset, sections_[i].sh_size, "the line table"));
            SKEP_TRY(add_places(SKEP_TRY(line_table(bytes)), i));
        }
        std::ranges::stable_sort(linked_.places, {}, &NativeCode::Place::offset);
        return {};
    }

    Result<void> add_places(const std::vector<LineRow>& rows, size_t section) {
        std::vector<Elf64_Rela> addresses;
        for (const Elf64_Shdr& one : sections_)
            if (one.sh_type == SHT_RELA && one.sh_info == section)
                addresses = SKEP_TRY(
                    table<Elf64_Rela>(one.sh_offset, one.sh_size, "a table of relocations"));
        for (const LineRow& row : rows) {
            const auto address =
                std::ranges::find(addresses, row.address_at, &Elf64_Rela::r_offset);
            if (address == addresses.end()) return malformed("machine code: lines of nowhere");
            const uint64_t begin = SKEP_TRY(address_of(ELF64_R_SYM(address->r_info)));
            const uint64_t offset = begin + uint64_t(address->r_addend) + row.distance;
            if (offset > linked_.bytes.size())
                return malformed("machine code: a line outside the code");
            // Line 0 is what LLVM has no line for: it belongs to what is before it.
            if (row.ends || row.line == 0) continue;
            if (!linked_.places.empty() && linked_.places.back().insn == row.line - 1 &&
                linked_.places.back().offset <= offset)
                continue;
            linked_.places.push_back({.insn = row.line - 1, .offset = uint32_t(offset)});
        }
        return {};
    }

    std::string_view name_of(const Elf64_Sym& symbol) const {
        return symbol.st_name < names_.size() ? names_.data() + symbol.st_name : "";
    }

    ByteView elf_;
    std::vector<Elf64_Shdr> sections_;
    std::vector<Elf64_Sym> symbols_;
    std::vector<char> names_, section_names_;
    std::vector<uint64_t> places_;  // of sections, in the result
    Linked linked_;
};

}  // namespace

Result<Linked> link_object(ByteView elf) {
    return Linker(elf).link();
}

}  // namespace skep::engine::jit
