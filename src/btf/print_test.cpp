// SPDX-License-Identifier: Apache-2.0
#include "btf/print.hpp"

#include <gtest/gtest.h>

#include "base/hex.hpp"
#include "btf/writer.hpp"

namespace skep::btf {
namespace {

struct Shown {
    std::string json, c;
};

Shown show(const Writer& writer, uint32_t type, std::string_view hex) {
    const auto btf = Btf::parse(writer.finish());
    if (!btf) return {btf.error().message, {}};
    const Bytes bytes = *from_hex(hex);
    JsonWriter json;
    print_json(**btf, type, bytes, json);
    return {json.text(), print_c(**btf, type, bytes)};
}

TEST(Print, Scalars) {
    using enum Writer::Encoding;
    Writer w;
    const uint32_t u8 = w.add_int("unsigned char", 1), s8 = w.add_int("char", 1, Signed);
    const uint32_t s32 = w.add_int("int", 4, Signed), u64 = w.add_int("unsigned long", 8);
    const uint32_t flag = w.add_int("_Bool", 1, Bool), big = w.add_int("__int128", 16);
    const uint32_t f = w.add_float("float", 4), d = w.add_float("double", 8);
    const uint32_t ld = w.add_float("long double", 16);
    const uint32_t e = w.add_enum("verdict", 4, false, {{"DROP", 1}, {"PASS", 2}});
    const uint32_t se = w.add_enum("signed", 4, true, {{"NO", -1}});
    const uint32_t e64 = w.add_enum("wide", 8, false, {{"FAR", int64_t{1} << 40}});
    const uint32_t p = w.add_ptr(0), fwd = w.add_fwd("hidden");
    const uint32_t t = w.add_ref(Kind::Const, w.add_ref(Kind::Typedef, s32, "t"));
    const struct {
        uint32_t type;
        const char *bytes, *json, *c;
    } cases[] = {
        {u8, "ff", "255", "255"},
        {s8, "ff", "-1", "-1"},
        {s32, "feffffff", "-2", "-2"},
        {t, "07000000", "7", "7"},
        {u64, "ffffffffffffffff", "18446744073709551615", "18446744073709551615"},
        {flag, "01", "true", "true"},
        {flag, "02", "2", "2"},
        {big, "01000000000000000000000000000080", "\"01000000000000000000000000000080\"",
         "01000000000000000000000000000080"},
        {f, "0000c03f", "1.5", "1.5"},
        {d, "000000000000f07f", "null", "inf"},
        {ld, "00000000000000000000000000000000", "\"00000000000000000000000000000000\"",
         "00000000000000000000000000000000"},
        {e, "02000000", "\"PASS\"", "PASS"},
        {e, "09000000", "9", "9"},
        {se, "ffffffff", "\"NO\"", "NO"},
        {se, "feffffff", "-2", "-2"},
        {e64, "0000000000010000", "\"FAR\"", "FAR"},
        {p, "00f0ffffffffffff", "\"0xfffffffffffff000\"", "0xfffffffffffff000"},
        {fwd, "0102", "\"0102\"", "0102"},
        {0, "0a0b", "\"0a0b\"", "0a0b"},
        {s32, "0102", "null", "?"},
    };
    for (const auto& c : cases) {
        const Shown shown = show(w, c.type, c.bytes);
        EXPECT_EQ(shown.json, c.json) << c.bytes;
        EXPECT_EQ(shown.c, c.c) << c.bytes;
    }
}

TEST(Print, CharArraysAreTextOnlyWhereTheyHoldText) {
    Writer w;
    const uint32_t c = w.add_int("char", 1, Writer::Encoding::Signed);
    const uint32_t u8 = w.add_int("unsigned char", 1);
    const uint32_t text = w.add_array(w.add_ref(Kind::Const, c), u8, 4);
    const uint32_t bytes = w.add_array(u8, u8, 4);
    const struct {
        uint32_t type;
        const char *bytes, *json;
    } cases[] = {
        {text, "61620000", "\"ab\""},       {text, "61006200", "\"a\""},
        {text, "00000000", "\"\""},         {text, "61626364", "[97,98,99,100]"},
        {text, "61010000", "[97,1,0,0]"},   {text, "c3a90000", "\"\xc3\xa9\""},
        {text, "c3280000", "[-61,40,0,0]"}, {text, "0a090000", "\"\\n\\t\""},
        {bytes, "61620000", "[97,98,0,0]"},
    };
    for (const auto& each : cases) EXPECT_EQ(show(w, each.type, each.bytes).json, each.json);
    EXPECT_EQ(show(w, text, "220a5c00").c, R"("\"\n\\")");
}

TEST(Print, Composites) {
    using enum Writer::Encoding;
    Writer w;
    const uint32_t u32 = w.add_int("unsigned int", 4), s32 = w.add_int("int", 4, Signed);
    const uint32_t c = w.add_int("char", 1);
    const uint32_t e = w.add_enum("mode", 4, true, {{"OFF", 0}, {"NEG", -1}});
    const uint32_t anonymous = w.add_union("", 4, {{"word", u32, 0}, {"half", c, 0}});
    const uint32_t bits = w.add_struct(
        "bits", 8, {{"a", u32, 0, 3}, {"b", s32, 3, 5}, {"m", e, 8, 2}, {"far", s32, 31, 33}});
    const uint32_t outer = w.add_struct("outer", 12, {{"", anonymous, 0}, {"in", bits, 32}});
    const uint32_t flexible =
        w.add_struct("flex", 4, {{"n", u32, 0}, {"list", w.add_array(u32, u32, 0), 32}});
    const uint32_t text = w.add_struct("text", 0, {{"s", w.add_array(c, u32, 0), 0}});

    Shown shown = show(w, outer, "0102030485ff0000ffffffff");
    EXPECT_EQ(shown.json, R"({"word":67305985,"half":1,"in":{"a":5,"b":-16,"m":"NEG","far":-2}})");
    EXPECT_EQ(shown.c,
              "{.word = 67305985, .half = 1, .in = {.a = 5, .b = -16, .m = NEG, .far = -2}}");
    shown = show(w, flexible, "02000000070000000800000009");
    EXPECT_EQ(shown.json, R"({"n":2,"list":[7,8]})");
    EXPECT_EQ(shown.c, "{.n = 2, .list = {7, 8}}");
    EXPECT_EQ(show(w, text, "686900").json, R"({"s":"hi"})");
    EXPECT_EQ(show(w, outer, "01").json, "null");
}

TEST(Print, DatasecsAreTheirVariables) {
    Writer w;
    const uint32_t u32 = w.add_int("unsigned int", 4);
    const uint32_t a = w.add_var("a", u32, Linkage::Global);
    const uint32_t b = w.add_var("b", w.add_ref(Kind::Const, u32), Linkage::Static);
    const uint32_t section = w.add_datasec(".rodata", 8, {{a, 0, 4}, {b, 4, 4}, {b, 8, 4}});
    EXPECT_EQ(show(w, section, "0100000002000000").json, R"({"a":1,"b":2,"b":null})");
}

TEST(Print, HostileTypesEnd) {
    Writer w;
    uint32_t inner = w.add_struct("", 0, {});
    for (int i = 0; i < 50; i++)
        inner = w.add_struct("", 0, {{"a", inner, 0}, {"b", inner, 0}, {"", inner, 0}});
    const uint32_t array = w.add_array(inner, w.add_int("int", 4), 1u << 31);
    EXPECT_LT(show(w, inner, "").json.size(), 1u << 22);
    EXPECT_LT(show(w, array, "").json.size(), 1u << 22);
}

}  // namespace
}  // namespace skep::btf
