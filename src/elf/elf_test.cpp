// SPDX-License-Identifier: Apache-2.0
#include "elf/elf.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "elf/elf_builder.hpp"

namespace skep::elf {
namespace {

using ::testing::HasSubstr;

/// Section 1 "xdp" with one function, 2 ".bss", 3 ".relxdp", 4 ".symtab", 5 ".strtab".
Bytes sample() {
    ElfBuilder builder;
    const uint32_t code =
        builder.section("xdp", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, Bytes(16, 0x95));
    const uint32_t bss = builder.section(".bss", SHT_NOBITS, SHF_ALLOC, {}, 0, 0, 1 << 30);
    const uint32_t counter = builder.symbol("counter", bss, 8, 4, STB_GLOBAL, STT_OBJECT);
    builder.symbol("prog", code, 0, 16, STB_GLOBAL, STT_FUNC, STV_HIDDEN);
    builder.symbol("", code, 0, 0, STB_LOCAL, STT_SECTION);
    builder.relocations(".relxdp", code, {{.offset = 8, .symbol = counter}});
    return builder.finish();
}

template <typename Header>
void patch(Bytes& object, uint64_t offset, const std::function<void(Header&)>& change) {
    Header header = *load<Header>(object, offset);
    change(header);
    std::memcpy(object.data() + offset, &header, sizeof(header));
}

void patch_section(Bytes& object, uint32_t index, const std::function<void(Elf64_Shdr&)>& change) {
    const uint64_t table = load<Elf64_Ehdr>(object, 0)->e_shoff;
    patch(object, table + index * sizeof(Elf64_Shdr), change);
}

std::string error_of(ByteView object) {
    const auto elf = Elf::parse(object);
    return elf ? "parsed" : elf.error().to_string();
}

TEST(Elf, ReadsSectionsSymbolsAndRelocations) {
    const Bytes object = sample();
    const auto elf = Elf::parse(object);
    ASSERT_TRUE(elf) << elf.error().message;
    ASSERT_EQ(elf->sections().size(), 6u);

    const Section* code = elf->find("xdp");
    ASSERT_TRUE(code);
    EXPECT_EQ(code->index, 1u);
    EXPECT_TRUE(code->executable());
    EXPECT_EQ(Bytes(code->data.begin(), code->data.end()), Bytes(16, 0x95));

    const Section* bss = elf->find(".bss");
    ASSERT_TRUE(bss);
    EXPECT_EQ(bss->size, 1u << 30);
    EXPECT_TRUE(bss->data.empty());
    EXPECT_FALSE(elf->find("absent"));

    ASSERT_EQ(elf->symbols().size(), 4u);
    EXPECT_EQ(elf->symbols()[1].name, "counter");
    EXPECT_EQ(elf->symbols()[1].value, 8u);
    EXPECT_EQ(elf->symbols()[2].section, 1u);
    EXPECT_TRUE(elf->symbols()[2].hidden());
    EXPECT_EQ(elf->describe(elf->symbols()[3]), "xdp");

    const auto relocations = elf->relocations(*elf->find(".relxdp"));
    ASSERT_TRUE(relocations);
    ASSERT_EQ(relocations->size(), 1u);
    EXPECT_EQ(relocations->front().offset, 8u);
    EXPECT_EQ(relocations->front().symbol, 1u);
    EXPECT_FALSE(elf->relocations(*code));
}

TEST(Elf, SaysWhatTheFileIsInstead) {
    EXPECT_THAT(error_of({}), HasSubstr("not an ELF file"));
    EXPECT_THAT(error_of(bytes_of("#!/bin/sh\n")), HasSubstr("not an ELF file"));

    const struct {
        size_t offset;
        uint8_t value;
        const char* message;
    } cases[] = {
        {EI_CLASS, ELFCLASS32, "32-bit"},
        {EI_DATA, ELFDATA2MSB, "big-endian\nhint: use clang -target bpfel"},
        {EI_DATA, 7, "unknown byte order"},
        {offsetof(Elf64_Ehdr, e_machine), EM_X86_64,
         "this is an x86-64 object\nhint: compile with clang -target bpf"},
        {offsetof(Elf64_Ehdr, e_machine), 99, "machine 99"},
        {offsetof(Elf64_Ehdr, e_type), ET_EXEC, "executable"},
        {offsetof(Elf64_Ehdr, e_shnum), 0, "no sections"},
        {offsetof(Elf64_Ehdr, e_shnum), 200, "outside the file"},
        {offsetof(Elf64_Ehdr, e_shentsize), 40, "section headers of 40 bytes"},
        {offsetof(Elf64_Ehdr, e_shstrndx), 77, "section 77, which does not exist"},
    };
    for (const auto& c : cases) {
        Bytes object = sample();
        object[c.offset] = c.value;
        if (c.offset == offsetof(Elf64_Ehdr, e_machine)) object[c.offset + 1] = 0;
        EXPECT_THAT(error_of(object), HasSubstr(c.message));
    }
}

TEST(Elf, SectionsOfAnyMachine) {
    Bytes object = sample();
    object[offsetof(Elf64_Ehdr, e_machine)] = EM_X86_64;
    object[offsetof(Elf64_Ehdr, e_machine) + 1] = 0;
    object[offsetof(Elf64_Ehdr, e_type)] = ET_EXEC;
    const auto elf = Elf::parse_sections(object);
    ASSERT_TRUE(elf);
    EXPECT_NE(elf->find("xdp"), nullptr);
    EXPECT_TRUE(elf->symbols().empty());
    object[offsetof(Elf64_Ehdr, e_shnum)] = 200;
    EXPECT_FALSE(Elf::parse_sections(object));
}

TEST(Elf, RefusesSectionsThatLie) {
    const struct {
        uint32_t index;
        std::function<void(Elf64_Shdr&)> change;
        const char* message;
    } cases[] = {
        {1, [](auto& s) { s.sh_offset = 1 << 20; }, "section 1 lies outside the file"},
        {1, [](auto& s) { s.sh_size = UINT64_MAX; }, "section 1 lies outside the file"},
        {1, [](auto& s) { s.sh_offset = UINT64_MAX - 4; }, "section 1 lies outside the file"},
        {1, [](auto& s) { s.sh_name = 1 << 20; }, "section 1 has no valid name"},
        {3, [](auto& s) { s.sh_offset -= 8; }, "overlap"},
        {3, [](auto& s) { s.sh_type = SHT_SYMTAB; }, "more than one symbol table"},
        {4, [](auto& s) { s.sh_link = 1; }, "no string table"},
        {4, [](auto& s) { s.sh_link = 1000; }, "no string table"},
    };
    for (const auto& c : cases) {
        Bytes object = sample();
        patch_section(object, c.index, c.change);
        EXPECT_THAT(error_of(object), HasSubstr(c.message));
    }
}

TEST(Elf, RefusesSymbolsAndRelocationsThatLie) {
    ElfBuilder builder;
    builder.symbol("far", 500, 0, 0, STB_GLOBAL, STT_OBJECT);
    EXPECT_THAT(error_of(builder.finish()), HasSubstr("'far' is in section 500"));

    Bytes object = sample();
    patch_section(object, 3, [](auto& s) { s.sh_size -= 1; });
    auto elf = Elf::parse(object);
    ASSERT_TRUE(elf);
    EXPECT_THAT(elf->relocations(elf->sections()[3]).error().message, HasSubstr("truncated"));

    ElfBuilder dangling;
    dangling.relocations(".relx", 1, {{.offset = 0, .symbol = 9}});
    object = dangling.finish();
    elf = Elf::parse(object);
    ASSERT_TRUE(elf);
    EXPECT_THAT(elf->relocations(elf->sections()[1]).error().message,
                HasSubstr("names symbol 9, which does not exist"));
}

TEST(Elf, EveryTruncationIsAnErrorOrHarmless) {
    const Bytes object = sample();
    for (size_t length = 0; length < object.size(); length++)
        EXPECT_FALSE(Elf::parse(ByteView(object).first(length))) << length;
}

}  // namespace
}  // namespace skep::elf
