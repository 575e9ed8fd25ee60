// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elf.h>

#include "btf/writer.hpp"
#include "elf/elf_builder.hpp"
#include "isa/insn.hpp"

// For tests only: BPF objects written by hand, so that each can be wrong in exactly one way.
//
//     ObjectBuilder b;
//     b.map("counts", {b.uint("type", 1), b.uint("max_entries", 8), ...});
//     uint32_t code = b.code("xdp", {mov, exit});
//     b.elf.symbol("prog", code, 0, 16, STB_GLOBAL, STT_FUNC);
//     Bytes object = b.finish();

namespace skep::object {

inline constexpr isa::Insn kExit{.opcode = 0x95};
inline constexpr isa::Insn kMovR0{.opcode = 0xb7};
inline constexpr isa::Insn kCallLocalInsn{.opcode = 0x85, .src = 1, .imm = -1};
inline constexpr isa::Insn kLoadR1{.opcode = 0x18, .dst = 1};

class ObjectBuilder {
  public:
    elf::ElfBuilder elf;
    btf::Writer types;
    uint32_t int_type = types.add_int("int", 4, btf::Writer::Encoding::Signed);

    uint32_t code(const std::string& section, const std::vector<isa::Insn>& insns) {
        Bytes bytes;
        for (const isa::Insn& insn : insns) append(bytes, insn);
        return elf.section(section, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, std::move(bytes));
    }

    uint32_t data(const std::string& section, Bytes bytes) {
        return elf.section(section, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, std::move(bytes));
    }

    /// A program of "mov r0, 0; exit" in a section of its own.
    uint32_t program(const std::string& name, const std::string& section) {
        const uint32_t index = code(section, {kMovR0, kExit});
        elf.symbol(name, index, 0, 16, STB_GLOBAL, STT_FUNC);
        return index;
    }

    using Member = btf::Writer::NewMember;
    /// __uint(name, value), __type(name, type)
    Member uint(std::string_view name, uint32_t value) {
        return {name, types.add_ptr(types.add_array(int_type, int_type, value)), 0};
    }
    Member type(std::string_view name, uint32_t id) { return {name, types.add_ptr(id), 0}; }

    /// Declares a map; its variable and struct are of 8 bytes a member.
    void map(std::string_view name, std::vector<Member> members,
             btf::Linkage linkage = btf::Linkage::Global) {
        for (size_t i = 0; i < members.size(); i++) members[i].bit_offset = uint32_t(64 * i);
        const auto size = uint32_t(8 * members.size());
        const uint32_t definition = types.add_struct("", size, members);
        map_vars_.push_back({types.add_var(name, definition, linkage), map_bytes_, size});
        map_names_.emplace_back(name);
        map_bytes_ += size;
    }

    /// The section of the declared maps; their symbols are added as well. Call it after map().
    uint32_t maps_section() {
        const uint32_t section = data(".maps", Bytes(map_bytes_));
        for (size_t i = 0; i < map_vars_.size(); i++)
            map_symbols_.push_back(elf.symbol(map_names_[i], section, map_vars_[i].offset,
                                              map_vars_[i].size, STB_GLOBAL, STT_OBJECT));
        types.add_datasec(".maps", map_bytes_, map_vars_);
        return section;
    }
    uint32_t map_symbol(size_t i) const { return map_symbols_.at(i); }

    Bytes finish(bool with_types = true) {
        if (with_types) elf.section(".BTF", SHT_PROGBITS, 0, types.finish());
        return elf.finish();
    }

  private:
    std::vector<btf::SectionVar> map_vars_;
    std::vector<std::string> map_names_;
    std::vector<uint32_t> map_symbols_;
    uint32_t map_bytes_ = 0;
};

}  // namespace skep::object
