// SPDX-License-Identifier: Apache-2.0
#include "object/read.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "object/object_builder.hpp"

// Objects written by hand: what is refused and how it is said, and what no compiler makes on
// demand. Objects of compilers are read in tests/objects.

namespace skep::object {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(const Bytes& object) {
    const auto spec = read_object(object, "dir/bad.bpf.o");
    return spec ? "read" : spec.error().to_string();
}

ObjectSpec read_or_fail(const Bytes& object, const std::string& name = "test.bpf.o") {
    auto spec = read_object(object, name);
    EXPECT_TRUE(spec) << spec.error().message;
    return spec ? std::move(*spec) : ObjectSpec{};
}

using Build = std::function<void(ObjectBuilder&)>;

std::string error_of(const Build& build, bool with_types = true) {
    ObjectBuilder builder;
    build(builder);
    return error_of(builder.finish(with_types));
}

TEST(ReadObject, MapDefinitionsThatCannotBe) {
    const auto one_map = [](std::vector<ObjectBuilder::Member> (*members)(ObjectBuilder&),
                            btf::Linkage linkage = btf::Linkage::Global) {
        return [=](ObjectBuilder& b) {
            b.map("m", members(b), linkage);
            b.maps_section();
        };
    };
    using Members = std::vector<ObjectBuilder::Member>;
    const struct {
        Build build;
        const char* message;
    } cases[] = {
        {one_map([](ObjectBuilder& b) { return Members{b.uint("max_entries", 1)}; }),
         "bad.bpf.o: map 'm': the definition has no 'type'"},
        {one_map([](ObjectBuilder& b) { return Members{b.uint("type", 77)}; }),
         "map 'm': 'type': map type 77 is not known"},
        {one_map([](ObjectBuilder& b) { return Members{b.uint("typ", 1)}; }),
         "map 'm': 'typ': no such attribute of a map\nhint: did you mean 'type'?"},
        {one_map([](ObjectBuilder& b) {
             return Members{b.uint("type", 1), b.uint("key_size", 8), b.type("key", b.int_type)};
         }),
         "map 'm': 'key': 4 bytes, but 8 elsewhere"},
        {one_map(
             [](ObjectBuilder& b) { return Members{b.uint("type", 2), b.uint("key_size", 8)}; }),
         "map 'm': key_size is 8; for a map of type array it must be 4"},
        {one_map(
             [](ObjectBuilder& b) { return Members{b.uint("type", 27), b.uint("key_size", 4)}; }),
         "key_size is 4; for a map of type ringbuf it must be 0: it has no keys"},
        {one_map([](ObjectBuilder& b) { return Members{b.uint("type", 1), b.uint("pinning", 9)}; }),
         "'pinning': 9 is no way to pin"},
        {one_map([](ObjectBuilder& b) { return Members{{"type", b.int_type, 0}}; }),
         "'type': expected __uint(), found a INT"},
        {one_map([](ObjectBuilder& b) { return Members{b.uint("type", 1), b.type("key", 0)}; }),
         "'key': its type has no size"},
        {one_map([](ObjectBuilder& b) { return Members{b.uint("type", 1), b.uint("values", 0)}; }),
         "'values': makes sense only for map-in-maps"},
        {one_map([](ObjectBuilder& b) {
             return Members{b.uint("type", 12), b.uint("values", 0), b.uint("max_entries", 1)};
         }),
         "'values': must be the last member"},
        {one_map([](ObjectBuilder& b) { return Members{b.uint("type", 1)}; }, btf::Linkage::Static),
         "map 'm': it is static"},
        {one_map([](ObjectBuilder& b) { return Members{b.uint("type", 1)}; }, btf::Linkage::Extern),
         "map 'm': it is only declared (extern)"},
        {[](ObjectBuilder& b) {
             b.map("m", {b.uint("type", 1)});
             b.map("m", {b.uint("type", 2)});
             b.maps_section();
         },
         "two maps are named 'm'"},
        {[](ObjectBuilder& b) {
             b.map("a", {b.uint("type", 33)});
             b.map("b", {b.uint("type", 33)});
             b.maps_section();
         },
         "more than one arena"},
        {[](ObjectBuilder& b) { b.data(".maps", Bytes(8)); }, "BTF does not describe"},
    };
    for (const auto& c : cases) EXPECT_THAT(error_of(c.build), HasSubstr(c.message));

    EXPECT_THAT(error_of([](ObjectBuilder& b) { b.data(".maps", Bytes(8)); }, false),
                HasSubstr("has maps in section '.maps' but no BTF\nhint: compile with -g"));
}

TEST(ReadObject, LegacyMaps) {
    const auto object = [](const std::vector<uint32_t>& words, size_t maps) {
        ObjectBuilder b;
        Bytes bytes;
        for (const uint32_t word : words) append(bytes, word);
        const size_t stride = bytes.size() / maps;
        const uint32_t section = b.data("maps", std::move(bytes));
        for (size_t i = 0; i < maps; i++)
            b.elf.symbol(fmt::format("map{}", i), section, i * stride, stride, STB_GLOBAL,
                         STT_OBJECT);
        b.program("prog", "socket");
        return b.finish(false);
    };
    for (const size_t extra : {0, 1, 3, 5}) {  // 16, 20, 28 and 36 bytes
        std::vector<uint32_t> words = {1, 4, 8, 10};
        words.resize(4 + extra);
        if (extra > 0) words[4] = 1;
        std::vector<uint32_t> second = {2, 4, 16, 20};
        second.resize(4 + extra);
        words.insert(words.end(), second.begin(), second.end());
        const ObjectSpec spec = read_or_fail(object(words, 2));
        ASSERT_EQ(spec.maps.size(), 2u);
        EXPECT_EQ(spec.maps[0].name, "map0");
        EXPECT_EQ(spec.maps[0].type, MapType::Hash);
        EXPECT_EQ(spec.maps[0].value_size, 8u);
        EXPECT_EQ(spec.maps[0].flags, extra > 0 ? 1u : 0u);
        EXPECT_EQ(spec.maps[1].type, MapType::Array);
        EXPECT_EQ(spec.maps[1].max_entries, 20u);
    }
    EXPECT_THAT(error_of(object({1, 4, 8, 10, 0, 0, 2, 0, 0}, 1)),
                HasSubstr("map 'map0': the definition uses fields beyond 'map_flags'"));
    EXPECT_THAT(error_of(object({99, 4, 8, 10}, 1)), HasSubstr("map type 99 is not known"));
    EXPECT_THAT(error_of(object({1, 4}, 1)), HasSubstr("has 8 bytes, expected at least 16"));
    EXPECT_THAT(error_of(object({1, 8, 8, 10, 2, 8, 8, 10}, 2)),
                HasSubstr("map 'map1': key_size is 8"));
}

TEST(ReadObject, ReferencesThatLeadNowhere) {
    // A program with one instruction to relocate, and a symbol for it to refer to.
    const auto program = [](isa::Insn insn, uint32_t type,
                            const std::function<uint32_t(ObjectBuilder&)>& symbol) {
        return [=](ObjectBuilder& b) {
            std::vector<isa::Insn> insns = {insn};
            if (insn.is_wide()) insns.push_back({});
            insns.push_back(kExit);
            const uint32_t code = b.code("xdp", insns);
            b.elf.symbol("prog", code, 0, 8 * insns.size(), STB_GLOBAL, STT_FUNC);
            b.elf.relocations(".relxdp", code, {{.offset = 0, .symbol = symbol(b), .type = type}});
        };
    };
    const auto undefined = [](ObjectBuilder& b) {
        return b.elf.symbol("lost", 0, 0, 0, STB_GLOBAL, STT_NOTYPE);
    };
    const auto in_section = [](const char* name, uint64_t value) {
        return [=](ObjectBuilder& b) {
            return b.elf.symbol("thing", b.data(name, Bytes(16)), value, 8, STB_GLOBAL, STT_OBJECT);
        };
    };
    const auto text = [](uint64_t value) {
        return [=](ObjectBuilder& b) {
            const uint32_t section = b.code(".text", {kMovR0, kExit});
            b.elf.symbol("sub", section, 0, 16, STB_GLOBAL, STT_FUNC);
            return b.elf.symbol("middle", section, value, 8, STB_GLOBAL, STT_NOTYPE);
        };
    };
    const struct {
        Build build;
        const char* message;
    } cases[] = {
        {program(kLoadR1, 1, undefined),
         "bad.bpf.o: function 'prog', instruction 0: reference to 'lost': it is not defined "
         "anywhere\nhint: declare it __ksym"},
        {program(kCallLocalInsn, 10, undefined), "it is not defined anywhere"},
        {program(kLoadR1, 1, in_section("notes", 0)), "programs cannot refer to section 'notes'"},
        {program(kMovR0, 1, in_section(".data", 0)), "opcode 0xb7 cannot refer to a symbol"},
        {program(kLoadR1, 7, in_section(".data", 0)), "relocation type 7 is not known"},
        {program({.opcode = 0x85, .src = 0, .imm = 1}, 10, text(0)), "of kind 0"},
        {program(kCallLocalInsn, 10, text(8)), "no function starts at instruction 1 of section"},
        {program(kCallLocalInsn, 10, text(4)), "not at an instruction"},
        {program(kLoadR1, 1, text(8)), "no function starts at instruction 1"},
        {program(kLoadR1, 1,
                 [](ObjectBuilder& b) {
                     return b.elf.symbol("common", SHN_COMMON, 4, 4, STB_GLOBAL, STT_OBJECT);
                 }),
         "reference to 'common': it is in no section"},
        {program(kLoadR1, 1,
                 [](ObjectBuilder& b) {
                     b.map("m", {b.uint("type", 1)});
                     const uint32_t section = b.maps_section();
                     return b.elf.symbol("off", section, 4, 8, STB_GLOBAL, STT_OBJECT);
                 }),
         "no map is defined at byte 4 of section '.maps'"},
        {[](ObjectBuilder& b) {
             const uint32_t code = b.program("prog", "xdp");
             b.elf.relocations(".relxdp", code, {{.offset = 4, .symbol = 1}});
         },
         "relocation at byte 4 is not at an instruction"},
        {[](ObjectBuilder& b) {
             const uint32_t code = b.program("prog", "xdp");
             b.elf.section(".relaxdp", SHT_RELA, 0, Bytes(24), 0, code);
         },
         "relocations with addends"},
        {[&](ObjectBuilder& b) {
             const uint32_t data = b.data(".data", Bytes(8));
             const uint32_t code = b.code("xdp", {kLoadR1, {}, kExit});
             const uint32_t symbol = b.elf.symbol("v", data, 0, 8, STB_GLOBAL, STT_OBJECT);
             b.elf.symbol("prog", code, 0, 24, STB_GLOBAL, STT_FUNC);
             b.elf.relocations(".relxdp", code, {{0, symbol}, {0, symbol}});
         },
         "function 'prog': two relocations of instruction 0"},
        {[](ObjectBuilder& b) {
             const uint32_t code = b.code("xdp", {{.opcode = 0x85, .src = 1, .imm = 7}, kExit});
             b.elf.symbol("prog", code, 0, 16, STB_GLOBAL, STT_FUNC);
         },
         "a call to instruction 8 of the section, where no function starts"},
    };
    for (const auto& c : cases) EXPECT_THAT(error_of(c.build), HasSubstr(c.message));
}

TEST(ReadObject, FunctionsThatCannotBe) {
    const auto function = [](uint64_t value, uint64_t size, std::vector<isa::Insn> insns) {
        return [=](ObjectBuilder& b) {
            b.elf.symbol("f", b.code("xdp", insns), value, size, STB_GLOBAL, STT_FUNC);
        };
    };
    EXPECT_THAT(error_of(function(0, 0, {kExit})), HasSubstr("'f' at byte 0 of section 'xdp' has"));
    EXPECT_THAT(error_of(function(0, 12, {kExit, kExit})), HasSubstr("bad size or place"));
    EXPECT_THAT(error_of(function(4, 8, {kExit, kExit})), HasSubstr("bad size or place"));
    EXPECT_THAT(error_of(function(8, 16, {kExit, kExit})), HasSubstr("bad size or place"));
    EXPECT_THAT(error_of(function(UINT64_MAX - 7, 16, {kExit})), HasSubstr("bad size or place"));
    EXPECT_THAT(error_of(function(0, 8, {kLoadR1, {}})), HasSubstr("ends within an instruction"));
    EXPECT_THAT(error_of([](ObjectBuilder& b) {
                    const uint32_t code = b.code("xdp", {kMovR0, kMovR0, kExit});
                    b.elf.symbol("a", code, 0, 16, STB_GLOBAL, STT_FUNC);
                    b.elf.symbol("b", code, 8, 16, STB_GLOBAL, STT_FUNC);
                }),
                HasSubstr("functions 'a' and 'b' overlap"));
}

TEST(ReadObject, FunctionsOfTextAloneArePrograms) {
    ObjectBuilder b;
    const uint32_t text = b.code(".text", {kMovR0, kExit, kMovR0, kExit});
    b.elf.symbol("one", text, 0, 16, STB_GLOBAL, STT_FUNC);
    b.elf.symbol("local", text, 16, 16, STB_LOCAL, STT_FUNC);
    const ObjectSpec spec = read_or_fail(b.finish(false));
    ASSERT_EQ(spec.progs.size(), 1u);
    EXPECT_EQ(spec.progs[0].name, "one");
    EXPECT_EQ(spec.progs[0].type, ProgType::Unspec);
}

TEST(ReadObject, NamesOfObjectsAndDataMaps) {
    const struct {
        const char *file, *object, *section, *map;
    } cases[] = {
        {"dir/hello.bpf.o", "hello", ".rodata", "hello.rodata"},
        {"a_very_long_name.o", "a_very_long_name", ".rodata", "a_very_l.rodata"},
        {"a_very_long_name.o", "a_very_long_name", ".bss", "a_very_l.bss"},
        {"odd name-1.o", "odd name-1", ".data", "odd_name.data"},
        {"x.o", "x", ".data.custom_and_very_long", ".data.custom_and_very_long"},
    };
    for (const auto& c : cases) {
        ObjectBuilder b;
        b.data(c.section, Bytes(8, 1));
        if (std::string_view(c.section) == ".bss") {
            b = ObjectBuilder();
            b.elf.section(".bss", SHT_NOBITS, SHF_ALLOC, {}, 0, 0, 8);
        }
        b.program("p", "xdp");
        const ObjectSpec spec = read_or_fail(b.finish(false), c.file);
        EXPECT_EQ(spec.name, c.object);
        ASSERT_EQ(spec.maps.size(), 1u);
        EXPECT_EQ(spec.maps[0].name, c.map);
    }
}

TEST(ReadObject, HugeZeroSectionsCostNothing) {
    ObjectBuilder fits, too_large;
    fits.elf.section(".bss", SHT_NOBITS, SHF_ALLOC, {}, 0, 0, INT32_MAX);
    fits.program("p", "xdp");
    const ObjectSpec spec = read_or_fail(fits.finish(false));
    EXPECT_EQ(spec.maps[0].value_size, uint32_t(INT32_MAX));
    EXPECT_TRUE(spec.maps[0].initial_value.empty());
    too_large.elf.section(".bss", SHT_NOBITS, SHF_ALLOC, {}, 0, 0, UINT64_MAX);
    too_large.program("p", "xdp");
    EXPECT_THAT(error_of(too_large.finish(false)), HasSubstr("too large for a map"));
}

TEST(ReadObject, DeepCallChainsAreLinkedWithoutRecursion) {
    constexpr uint32_t kDepth = 20000;
    ObjectBuilder b;
    std::vector<isa::Insn> insns;
    for (uint32_t i = 0; i < kDepth; i++) {
        insns.push_back(
            {.opcode = 0x85, .src = 1, .imm = i + 1 < kDepth ? 1 : -1 - int32_t(2 * i)});
        insns.push_back(kExit);
    }
    const uint32_t text = b.code(".text", insns);
    for (uint32_t i = 0; i < kDepth; i++)
        b.elf.symbol(fmt::format("f{}", i), text, 16 * i, 16, STB_LOCAL, STT_FUNC);
    const uint32_t first = b.elf.symbol("", text, 0, 0, STB_LOCAL, STT_SECTION);
    const uint32_t code = b.code("xdp", {kCallLocalInsn, kExit});
    b.elf.symbol("prog", code, 0, 16, STB_GLOBAL, STT_FUNC);
    b.elf.relocations(".relxdp", code, {{.offset = 0, .symbol = first, .type = 10}});
    const ObjectSpec spec = read_or_fail(b.finish(false));
    ASSERT_EQ(spec.progs.size(), 1u);
    EXPECT_EQ(spec.progs[0].insns.size(), 2 * (kDepth + 1));
    EXPECT_EQ(spec.progs[0].subprogs.size(), kDepth + 1);
    // The last function calls the first one back: everything is there once.
    EXPECT_EQ(spec.progs[0].insns[2 * kDepth].imm, -int32_t(2 * kDepth) + 1);
}

TEST(ReadObject, CopiesOfSharedCodeAreBounded) {
    // 300 programs that share 32,000 instructions: 9.6 million.
    ObjectBuilder b;
    std::vector<isa::Insn> shared(32000, kMovR0);
    shared.back() = kExit;
    const uint32_t text = b.code(".text", shared);
    const uint32_t symbol =
        b.elf.symbol("shared", text, 0, 8 * shared.size(), STB_GLOBAL, STT_FUNC);
    std::vector<isa::Insn> callers;
    std::vector<elf::ElfBuilder::Rel> relocations;
    for (uint32_t i = 0; i < 300; i++) {
        relocations.push_back({.offset = 8 * callers.size(), .symbol = symbol, .type = 10});
        callers.insert(callers.end(), {kCallLocalInsn, kExit});
    }
    const uint32_t code = b.code("xdp", callers);
    for (uint32_t i = 0; i < 300; i++)
        b.elf.symbol(fmt::format("p{}", i), code, 16 * i, 16, STB_GLOBAL, STT_FUNC);
    b.elf.relocations(".relxdp", code, relocations);
    EXPECT_THAT(error_of(b.finish(false)), HasSubstr("the programs need more than"));
}

TEST(ReadObject, EveryTruncationIsAnError) {
    ObjectBuilder b;
    b.map("m", {b.uint("type", 1), b.type("key", b.int_type)});
    b.maps_section();
    const uint32_t code = b.code("xdp", {kLoadR1, {}, kExit});
    b.elf.symbol("prog", code, 0, 24, STB_GLOBAL, STT_FUNC);
    b.elf.relocations(".relxdp", code, {{.offset = 0, .symbol = b.map_symbol(0)}});
    const Bytes object = b.finish();
    const ObjectSpec whole = read_or_fail(object);
    ASSERT_EQ(whole.progs[0].references.size(), 1u);
    for (size_t length = 0; length < object.size(); length++)
        EXPECT_NE(error_of(Bytes(object.begin(), object.begin() + ptrdiff_t(length))), "read");
}

}  // namespace
}  // namespace skep::object
