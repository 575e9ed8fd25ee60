// SPDX-License-Identifier: Apache-2.0
#include "btf/btf.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "base/testing.hpp"
#include "btf/writer.hpp"

namespace skep::btf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<const Btf> parsed(const Writer& writer, std::shared_ptr<const Btf> base = nullptr) {
    auto btf = Btf::parse(writer.finish(), std::move(base));
    EXPECT_TRUE(btf) << btf.error().message;
    return btf ? *btf : nullptr;
}

std::string error_of(Bytes bytes) {
    const auto btf = Btf::parse(std::move(bytes));
    return btf ? "parsed" : btf.error().message;
}

std::string error_of(const Writer& writer) {
    return error_of(writer.finish());
}

TEST(Btf, ReadsEveryKindBack) {
    Writer w;
    const uint32_t integer = w.add_int("int", 4, Writer::Encoding::Signed);
    const uint32_t pointer = w.add_ptr(integer);
    const uint32_t array = w.add_array(integer, integer, 7);
    const uint32_t composite = w.add_struct("s", 12, {{"a", integer, 0, 3}, {"b", integer, 32, 0}});
    const uint32_t either = w.add_union("u", 4, {{"x", integer, 0}});
    const uint32_t narrow = w.add_enum("e", 4, true, {{"MINUS", -1}, {"ONE", 1}});
    const uint32_t wide = w.add_enum("e64", 8, false, {{"BIG", 0x1ffffffff}});
    const uint32_t forward = w.add_fwd("f", true);
    const uint32_t alias = w.add_ref(Kind::Typedef, composite, "t");
    const uint32_t constant = w.add_ref(Kind::Const, alias);
    const uint32_t proto = w.add_func_proto(integer, {{"p", pointer}, {"", 0}});
    const uint32_t func = w.add_func("main", proto, Linkage::Global);
    const uint32_t var = w.add_var("v", constant, Linkage::Extern);
    const uint32_t section = w.add_datasec(".data", 16, {{var, 4, 12}});
    const uint32_t real = w.add_float("double", 8);
    const uint32_t tag = w.add_decl_tag("note", composite, 1);
    const auto btf = parsed(w);
    ASSERT_TRUE(btf);
    EXPECT_EQ(btf->type_count(), w.next_id());

    EXPECT_EQ(btf->type(integer).name(), "int");
    EXPECT_TRUE(btf->type(integer).integer().is_signed);
    EXPECT_EQ(btf->type(pointer).ref(), integer);
    EXPECT_EQ(btf->type(array).array().count, 7u);
    EXPECT_EQ(btf->type(composite).member(0).bitfield_size, 3u);
    EXPECT_EQ(btf->type(composite).member(1).bit_offset, 32u);
    EXPECT_EQ(btf->type(composite).member(1).bitfield_size, 0u);
    EXPECT_EQ(btf->type(either).member(0).name, "x");
    EXPECT_EQ(int64_t(btf->type(narrow).enumerator(0).value), -1);
    EXPECT_EQ(btf->type(wide).enumerator(0).value, 0x1ffffffffu);
    EXPECT_TRUE(btf->type(forward).flag());
    EXPECT_EQ(btf->resolve(constant).id(), composite);
    EXPECT_EQ(btf->type(proto).param(0).name, "p");
    EXPECT_EQ(btf->type(func).linkage(), Linkage::Global);
    EXPECT_EQ(btf->type(var).linkage(), Linkage::Extern);
    EXPECT_EQ(btf->type(section).variable(0).offset, 4u);
    EXPECT_EQ(btf->type(real).size(), 8u);
    EXPECT_EQ(btf->type(tag).component(), 1);
    EXPECT_EQ(btf->type(9999).kind(), Kind::Void);

    std::vector<std::string_view> names;
    for (const Member member : btf->type(composite).members()) names.push_back(member.name);
    EXPECT_THAT(names, ElementsAre("a", "b"));
}

TEST(Btf, KnowsSizesAndAlignments) {
    Writer w;
    const uint32_t u8 = w.add_int("unsigned char", 1);
    const uint32_t u32 = w.add_int("unsigned int", 4);
    const uint32_t u64 = w.add_int("unsigned long", 8);
    const uint32_t pointer = w.add_ptr(0);
    const struct {
        uint32_t id;
        std::optional<uint32_t> size;
        uint32_t align;
    } cases[] = {
        {0, std::nullopt, 1},
        {u8, 1, 1},
        {pointer, 8, 8},
        {w.add_array(u32, u32, 6), 24, 4},
        {w.add_array(0, u32, 6), std::nullopt, 1},
        {w.add_struct("natural", 16, {{"a", u8, 0}, {"b", u64, 64}}), 16, 8},
        {w.add_struct("packed", 9, {{"a", u8, 0}, {"b", u64, 8}}), 9, 1},
        {w.add_struct("packed_size", 5, {{"a", u32, 0}, {"b", u8, 32}}), 5, 1},
        {w.add_struct("crossing", 8, {{"a", u32, 0, 30}, {"b", u32, 30, 4}}), 8, 1},
        {w.add_struct("bitfields", 4, {{"a", u32, 0, 30}, {"b", u32, 30, 2}}), 4, 4},
        {w.add_int("__int128", 16), 16, 16},
        {w.add_ref(Kind::Typedef, w.add_ref(Kind::Const, u64), "t"), 8, 8},
        {w.add_fwd("f"), std::nullopt, 1},
        {w.add_func_proto(0, {}), std::nullopt, 1},
    };
    const auto btf = parsed(w);
    ASSERT_TRUE(btf);
    for (const auto& c : cases) {
        EXPECT_EQ(btf->size_of(c.id), c.size) << btf->type(c.id).name();
        EXPECT_EQ(btf->align_of(c.id), c.align) << btf->type(c.id).name();
    }
}

TEST(Btf, FindsTypesByNameKindAndFlavor) {
    Writer w;
    const uint32_t integer = w.add_int("int", 4);
    const uint32_t s = w.add_struct("task", 4, {{"pid", integer, 0}});
    const uint32_t alias = w.add_ref(Kind::Typedef, s, "task");
    const uint32_t old = w.add_struct("task___old", 0, {});
    const uint32_t s2 = w.add_struct("task", 0, {});
    w.add_struct("taskstats", 0, {});
    const auto btf = parsed(w);
    ASSERT_TRUE(btf);
    EXPECT_EQ(btf->find("task", Kind::Struct)->id(), s);
    EXPECT_EQ(btf->find("task", Kind::Typedef)->id(), alias);
    EXPECT_EQ(btf->find("task___old", Kind::Struct)->id(), old);
    EXPECT_FALSE(btf->find("task", Kind::Enum));
    EXPECT_FALSE(btf->find("tas", Kind::Struct));
    EXPECT_THAT(btf->find_all("task"), ElementsAre(s, alias, s2));
    EXPECT_THAT(btf->find_flavors("task___mine"), ElementsAre(s, alias, old, s2));
}

TEST(Btf, EssentialNames) {
    const struct {
        const char* name;
        const char* essential;
    } cases[] = {
        {"task", "task"},    {"task___x", "task"}, {"a___b___c", "a___b"}, {"task___", "task___"},
        {"___x", "___x"},    {"a____b", "a____b"}, {"a___b_____c", "a"},   {"", ""},
        {"x_____", "x_____"}};
    for (const auto& c : cases) EXPECT_EQ(essential_name(c.name), c.essential) << c.name;
}

TEST(Btf, FindsFieldsByPath) {
    Writer w;
    const uint32_t u32 = w.add_int("unsigned int", 4);
    const uint32_t inner = w.add_struct("inner", 8, {{"x", u32, 0}, {"bits", u32, 32, 5}});
    const uint32_t anonymous = w.add_union("", 8, {{"deep", inner, 0}, {"raw", u32, 0}});
    const uint32_t list = w.add_array(inner, u32, 3);
    const uint32_t outer = w.add_struct(
        "outer", 44,
        {{"head", u32, 0}, {"", anonymous, 32}, {"list", list, 96}, {"tail", u32, 288}});
    const auto btf = parsed(w);
    ASSERT_TRUE(btf);
    const struct {
        const char* path;
        uint32_t bit_offset, bitfield_size;
    } found[] = {{"head", 0, 0},        {"raw", 32, 0},           {"deep.x", 32, 0},
                 {"list[2].x", 224, 0}, {"list[1].bits", 192, 5}, {"list", 96, 0},
                 {"tail", 288, 0}};
    for (const auto& c : found) {
        const auto field = btf->find_field(outer, c.path);
        ASSERT_TRUE(field) << c.path << ": " << field.error().message;
        EXPECT_EQ(field->bit_offset, c.bit_offset) << c.path;
        EXPECT_EQ(field->bitfield_size, c.bitfield_size) << c.path;
    }
    const std::pair<const char*, const char*> refused[] = {
        {"headx", "struct 'outer' has no member 'headx'\nhint: did you mean 'head'?"},
        {"head.x", "something that is no struct"},
        {"list[3].x", "index 3 is past the array's 3 elements"},
        {"head[0]", "no index of an array"},
        {"list[x]", "no index of an array"},
        {"list[1", "no index of an array"},
        {"", "no member ''"},
    };
    for (const auto& [path, message] : refused) {
        const auto field = btf->find_field(outer, path);
        ASSERT_FALSE(field) << path;
        EXPECT_THAT(field.error().to_string(), HasSubstr(message));
    }
}

TEST(Btf, ContinuesABase) {
    Writer core;
    const uint32_t integer = core.add_int("int", 4);
    const auto base = parsed(core);
    ASSERT_TRUE(base);

    // A module's ids and strings go on where its base's end.
    Writer writer;
    writer.add_struct("module_state", 4, {});
    Bytes bytes = writer.finish();
    const auto patch = [&](size_t at, uint32_t value) { std::memcpy(&bytes[at], &value, 4); };
    patch(24, load<uint32_t>(bytes, 24).value() + base->string_bytes());
    const auto module = Btf::parse(bytes, base);
    ASSERT_TRUE(module) << module.error().message;
    EXPECT_EQ((*module)->type_count(), 3u);
    EXPECT_EQ((*module)->type(2).name(), "module_state");
    EXPECT_EQ((*module)->find("int", Kind::Int)->id(), integer);
    EXPECT_EQ((*module)->find("module_state", Kind::Struct)->id(), 2u);
    EXPECT_EQ((*module)->size_of(integer), 4u);
}

TEST(Btf, RefusesBrokenHeaders) {
    Writer w;
    w.add_int("int", 4);
    const Bytes good = w.finish();
    const struct {
        size_t offset;
        uint32_t value;
        const char* message;
    } cases[] = {
        {0, 0x00019feb, "big-endian"},
        {0, 0x00011234, "magic 0x1234"},
        {0, 0x0002eb9f, "version 2"},
        {4, 8, "header of 8 bytes"},
        {4, 10000, "header of 10000 bytes"},
        {8, 4096, "outside"},
        {12, 0xfffffff0, "outside"},
        {16, 0xffffffff, "outside"},
        {20, 0, "no string section"},
        {20, 3, "does not end with NUL"},
        {8, 2, "not aligned"},
        {16, 17, "does not start with an empty string"},
    };
    for (const auto& c : cases) {
        Bytes bytes = good;
        std::memcpy(&bytes[c.offset], &c.value, 4);
        if (c.offset == 16 && c.value == 17) bytes[20]--;
        EXPECT_THAT(error_of(bytes), HasSubstr(c.message)) << c.offset;
    }
    for (size_t length = 0; length < good.size(); length++)
        EXPECT_NE(error_of(Bytes(good.begin(), good.begin() + ptrdiff_t(length))), "parsed");
}

TEST(Btf, RefusesTypesThatLie) {
    const struct {
        std::function<void(Writer&)> build;
        const char* message;
    } cases[] = {
        {[](Writer& w) { w.add_ptr(99); }, "[1] PTR refers to type 99, which does not exist"},
        {[](Writer& w) { w.add_int("i", 0); }, "in 0 bytes"},
        {[](Writer& w) { w.add_int("i", 17); }, "in 17 bytes"},
        {[](Writer& w) { w.add_float("f", 1); }, "floating point of 1 bytes"},
        {[](Writer& w) { w.add_enum("e", 3, false, {{"A", 1}}); }, "enum of 3 bytes"},
        {[](Writer& w) { w.add_ref(Kind::Typedef, 0); }, "TYPEDEF has no name"},
        {[](Writer& w) { w.add_ref(Kind(25), 0); }, "unknown kind 25"},
        {[](Writer& w) { w.add_struct("s", 4, {{"self", 1, 0}}); }, "'s' contains itself"},
        {[](Writer& w) { w.add_array(1, 1, 2); }, "contains itself"},
        {[](Writer& w) { w.add_ref(Kind::Const, 2), w.add_ref(Kind::Volatile, 1); },
         "contains itself"},
        {[](Writer& w) { w.add_func("f", 0, Linkage::Static); }, "'f' has no prototype"},
        {[](Writer& w) { w.add_datasec("d", 0, {{0, 0, 0}}); }, "is no variable"},
        {[](Writer& w) { w.add_decl_tag("t", 7); }, "tags type 7, which does not exist"},
        {[](Writer& w) { w.add_ptr(w.add_datasec("d", 0, {})); }, "no type of a value"},
        {[](Writer& w) { w.add_array(w.add_array(w.add_int("i", 8), 1, 1 << 20), 1, 1 << 20); },
         "too large"},
        {[](Writer& w) {
             for (uint32_t i = 0; i < 140; i++) w.add_ref(Kind::Const, w.next_id() + 1);
             w.add_int("i", 4);
         },
         "nests more than 128"},
    };
    for (const auto& c : cases) {
        Writer writer;
        c.build(writer);
        EXPECT_THAT(error_of(writer), HasSubstr(c.message));
    }
}

TEST(Btf, AStructMayPointAtItself) {
    Writer w;
    w.add_struct("node", 8, {{"next", 2, 0}});
    w.add_ptr(1);
    EXPECT_TRUE(parsed(w));
}

TEST(Btf, ReadsTheRunningKernel) {
    const char* path = "/sys/kernel/btf/vmlinux";
    if (!std::filesystem::exists(path)) SKEP_SKIP("this kernel publishes no BTF");
    const auto btf = Btf::load(path);
    ASSERT_TRUE(btf) << btf.error().message;
    const auto task = (*btf)->find("task_struct", Kind::Struct);
    ASSERT_TRUE(task);
    const auto comm = (*btf)->find_field(task->id(), "comm");
    ASSERT_TRUE(comm);
    EXPECT_EQ((*btf)->size_of(comm->type), 16u);
    EXPECT_TRUE((*btf)->find("bpf_prog_load", Kind::Func));
}

}  // namespace
}  // namespace skep::btf
