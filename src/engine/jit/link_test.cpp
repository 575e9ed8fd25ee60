// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/link.hpp"

#include <elf.h>
#include <gmock/gmock.h>

#include <cstring>

namespace skep::engine::jit {
namespace {

using ::testing::HasSubstr;

/// An object with code, constants, and one relocation of the code.
struct Parts {
    Bytes text = Bytes(40, 0x90);
    Bytes constants = {1, 2, 3, 4, 5, 6, 7, 8};
    uint64_t flags_of_constants = SHF_ALLOC;
    uint32_t type_of_constants = SHT_PROGBITS;
    uint64_t alignment_of_constants = 32;
    uint16_t machine = EM_X86_64;
    Elf64_Rela relocation{.r_offset = 4, .r_info = ELF64_R_INFO(2, R_X86_64_PC32), .r_addend = -4};
    const char* function = "skep_0";
    uint16_t section_of_symbol = 2;

    Bytes finish() const {
        std::string names("\0", 1);
        const auto name = [&](std::string_view one) {
            names.append(one).push_back('\0');
            return uint32_t(names.size() - one.size() - 1);
        };
        const Elf64_Sym symbols[] = {{},
                                     {.st_name = name(function),
                                      .st_info = 0,
                                      .st_other = 0,
                                      .st_shndx = 1,
                                      .st_value = 8,
                                      .st_size = 0},
                                     {.st_name = name("constant"),
                                      .st_info = 0,
                                      .st_other = 0,
                                      .st_shndx = section_of_symbol,
                                      .st_value = 4,
                                      .st_size = 0},
                                     {.st_name = name("skep_17"),
                                      .st_info = 0,
                                      .st_other = 0,
                                      .st_shndx = 1,
                                      .st_value = 24,
                                      .st_size = 0}};
        Bytes file(sizeof(Elf64_Ehdr));
        const auto put = [&](const void* data, size_t size) {
            const size_t at = file.size();
            file.resize(at + size);
            std::memcpy(file.data() + at, data, size);
            return at;
        };
        Elf64_Shdr sections[6] = {};
        const auto section = [&](int index, uint32_t type, uint64_t flags, const void* data,
                                 size_t size) -> Elf64_Shdr& {
            Elf64_Shdr& header = sections[index];
            header.sh_type = type, header.sh_flags = flags;
            header.sh_offset = put(data, size), header.sh_size = size;
            return header;
        };
        section(1, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, text.data(), text.size());
        section(2, type_of_constants, flags_of_constants, constants.data(), constants.size())
            .sh_addralign = alignment_of_constants;
        section(3, SHT_RELA, 0, &relocation, sizeof relocation).sh_info = 1;
        section(4, SHT_SYMTAB, 0, symbols, sizeof symbols).sh_link = 5;
        section(5, SHT_STRTAB, 0, names.data(), names.size());
        Elf64_Ehdr header{};
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_type = ET_REL, header.e_machine = machine;
        header.e_shentsize = sizeof(Elf64_Shdr), header.e_shnum = 6;
        header.e_shoff = put(sections, sizeof sections);
        std::memcpy(file.data(), &header, sizeof header);
        return file;
    }
};

std::string error_of(const Parts& parts) {
    const auto linked = link_object(parts.finish());
    return linked ? "" : linked.error().message;
}

TEST(Link, CodeAndConstantsAreOnePiece) {
    const auto linked = link_object(Parts{}.finish());
    ASSERT_TRUE(linked) << linked.error().to_string();
    // Code of 40 bytes, then what is aligned to 32.
    ASSERT_EQ(linked->bytes.size(), 64u + 8);
    EXPECT_EQ(linked->bytes[64], 1);
    int32_t distance;
    std::memcpy(&distance, linked->bytes.data() + 4, 4);
    EXPECT_EQ(distance, 64 + 4 - 8);
    ASSERT_EQ(linked->functions.size(), 2u);
    EXPECT_EQ(linked->functions[0].offset, 8u);
    EXPECT_EQ(linked->functions[1].insn, 17u);
    EXPECT_EQ(linked->functions[1].offset, 24u);
}

TEST(Link, WhatItDoesNotKnowIsRefused) {
    Parts parts;
    parts.section_of_symbol = SHN_UNDEF;
    EXPECT_THAT(error_of(parts), HasSubstr("refers to 'constant'"));
    parts = {};
    parts.relocation.r_info = ELF64_R_INFO(2, R_X86_64_64);
    EXPECT_THAT(error_of(parts), HasSubstr("relocations of type 1"));
    parts = {};
    parts.flags_of_constants |= SHF_WRITE;
    EXPECT_THAT(error_of(parts), HasSubstr("variables"));
    parts = {};
    parts.type_of_constants = SHT_NOBITS;
    EXPECT_THAT(error_of(parts), HasSubstr("variables"));
    parts = {};
    parts.alignment_of_constants = 4096;
    EXPECT_THAT(error_of(parts), HasSubstr("aligned to 4096"));
    parts = {};
    parts.machine = EM_BPF;
    EXPECT_THAT(error_of(parts), HasSubstr("x86-64"));
    parts = {};
    parts.relocation.r_offset = 37;
    EXPECT_THAT(error_of(parts), HasSubstr("outside its section"));
    parts = {};
    parts.relocation.r_info = ELF64_R_INFO(9, R_X86_64_PC32);
    EXPECT_THAT(error_of(parts), HasSubstr("no symbol 9"));
    parts = {};
    parts.relocation.r_addend = int64_t{1} << 40;
    EXPECT_THAT(error_of(parts), HasSubstr("a distance of"));
    parts = {};
    parts.function = "skep_x";
    EXPECT_THAT(error_of(parts), HasSubstr("no function 'skep_x'"));
    parts = {};
    parts.function = "other";
    EXPECT_THAT(error_of(parts), HasSubstr("without a beginning"));
}

TEST(Link, DamagedObjectsAreErrors) {
    const Bytes whole = Parts{}.finish();
    for (size_t size = 0; size < whole.size(); size++)
        EXPECT_FALSE(link_object(ByteView(whole).first(size)));
    // Any one byte may be anything: an answer or an error, and no access outside (ASan).
    for (size_t i = 0; i < whole.size(); i++)
        for (const uint8_t value : {0x00, 0x01, 0x7f, 0xff}) {
            Bytes damaged = whole;
            damaged[i] = value;
            (void)link_object(damaged);
        }
}

}  // namespace
}  // namespace skep::engine::jit
