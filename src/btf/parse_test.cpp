// SPDX-License-Identifier: Apache-2.0
#include "btf/parse.hpp"

#include <gtest/gtest.h>

#include "base/hex.hpp"
#include "btf/print.hpp"
#include "btf/writer.hpp"

namespace skep::btf {
namespace {

class Parse : public ::testing::Test {
  protected:
    Parse() {
        using enum Writer::Encoding;
        Writer w;
        u8_ = w.add_int("unsigned char", 1);
        s32_ = w.add_int("int", 4, Signed);
        u64_ = w.add_int("unsigned long", 8);
        flag_ = w.add_int("_Bool", 1, Bool);
        double_ = w.add_float("double", 8);
        enum_ = w.add_enum("verdict", 4, false, {{"DROP", 1}, {"PASS", 2}});
        signed_enum_ = w.add_enum("signed", 4, true, {{"NO", -1}});
        const uint32_t character = w.add_int("char", 1, Signed);
        name_ = w.add_array(character, s32_, 8);
        const uint32_t numbers = w.add_array(s32_, s32_, 3);
        const uint32_t inner = w.add_struct({}, 4, {{"in", s32_, 0}});
        pair_ = w.add_struct("pair", 12, {{"a", s32_, 0}, {"b", u64_, 32}});
        all_ = w.add_struct("all", 44,
                            {{"pair", pair_, 0},
                             {"name", name_, 96},
                             {"numbers", numbers, 160},
                             {{}, inner, 256},
                             {"verdict", enum_, 288},
                             {"low", s32_, 320, 3},
                             {"high", s32_, 323, 5}});
        const uint32_t variable = w.add_var("count", u64_, Linkage::Global);
        section_ = w.add_datasec(".data", 8, {{variable, 0, 8}});
        pointer_ = w.add_ptr(all_);
        void_pointee_ = w.add_fwd("hidden");
        btf_ = *Btf::parse(w.finish());
    }

    std::string hex(uint32_t type, std::string_view text) {
        const auto bytes = parse_value(*btf_, type, text);
        return bytes ? to_hex(*bytes) : bytes.error().message;
    }
    /// What is read and printed again.
    std::string shown(uint32_t type, std::string_view text) {
        const auto bytes = parse_value(*btf_, type, text);
        return bytes ? print_c(*btf_, type, *bytes) : bytes.error().message;
    }

    std::shared_ptr<const Btf> btf_;
    uint32_t u8_, s32_, u64_, flag_, double_, enum_, signed_enum_, name_, pair_, all_, section_,
        pointer_, void_pointee_;
};

TEST_F(Parse, Scalars) {
    EXPECT_EQ(hex(s32_, "-2"), "feffffff");
    EXPECT_EQ(hex(s32_, " 0x10 "), "10000000");
    EXPECT_EQ(hex(s32_, "'a'"), "61000000");
    EXPECT_EQ(hex(u64_, "18446744073709551615"), "ffffffffffffffff");
    EXPECT_EQ(hex(u8_, "-1"), "ff");
    EXPECT_EQ(hex(flag_, "true"), "01");
    EXPECT_EQ(hex(double_, "1.5"), "000000000000f83f");
    EXPECT_EQ(hex(enum_, "PASS"), "02000000");
    EXPECT_EQ(hex(enum_, "\"PASS\""), "02000000");
    EXPECT_EQ(hex(enum_, "7"), "07000000");
    EXPECT_EQ(hex(signed_enum_, "NO"), "ffffffff");
    EXPECT_EQ(hex(pointer_, "\"0xffff\""), "ffff000000000000");
    EXPECT_EQ(hex(s32_, "hex:01020304"), "01020304");
}

TEST_F(Parse, StructsAsInCAndAsJson) {
    EXPECT_EQ(hex(pair_, "{ .a = 1, .b = 2 }"), "010000000200000000000000");
    EXPECT_EQ(hex(pair_, "{a: 1, b = 2,}"), "010000000200000000000000");
    EXPECT_EQ(hex(pair_, R"({"a":1,"b":2})"), "010000000200000000000000");
    EXPECT_EQ(hex(pair_, "{1, 2}"), "010000000200000000000000");
    EXPECT_EQ(hex(pair_, "{.b = 3}"), "000000000300000000000000");
    EXPECT_EQ(hex(pair_, "{}"), "000000000000000000000000");
    EXPECT_EQ(shown(section_, "{.count = 5}"), "{.count = 5}");
}

TEST_F(Parse, WhatIsPrintedIsReadAgain) {
    const std::string all =
        "{.pair = {.a = -1, .b = 2}, .name = \"a\\\"b\", .numbers = {1, 2, 3}, .in = 4, "
        ".verdict = PASS, .low = -1, .high = 15}";
    EXPECT_EQ(shown(all_, all), all);
    JsonWriter json;
    print_json(*btf_, all_, *parse_value(*btf_, all_, all), json);
    EXPECT_EQ(shown(all_, json.text()), all);
}

TEST_F(Parse, Strings) {
    EXPECT_EQ(hex(name_, "bash"), "6261736800000000");
    EXPECT_EQ(hex(name_, "\"a\\n\""), "610a000000000000");
    EXPECT_EQ(hex(name_, "{97, 98}"), "6162000000000000");
    EXPECT_EQ(hex(name_, "[1]"), "0100000000000000");
    EXPECT_EQ(hex(name_, "123456789"), "\"123456789\" has 9 characters; there is room for 8");
}

TEST_F(Parse, SaysWhereItStopped) {
    EXPECT_EQ(hex(s32_, "one"), "'one': expected a number (int) at 'one'");
    EXPECT_EQ(hex(s32_, ""), "'': expected a number (int) at the end");
    EXPECT_EQ(hex(s32_, "4294967295"),
              "'4294967295': expected a number that fits 32 bits (int) at '4294967295'");
    EXPECT_EQ(hex(u8_, "-129"),
              "'-129': expected a number that fits 8 bits (unsigned char) at '-129'");
    EXPECT_EQ(hex(s32_, "1 2"), "'1 2': expected the end at '2'");
    EXPECT_EQ(hex(enum_, "STOP"),
              "'STOP': expected a number or an enumerator of enum verdict at 'STOP'");
    EXPECT_EQ(hex(pair_, "{.c = 1}"), "'{.c = 1}': expected a member of struct pair at '.c = 1}'");
    EXPECT_EQ(hex(pair_, "{1, 2, 3}"), "'{1, 2, 3}': expected no more than 2 members at '3}'");
    EXPECT_EQ(hex(pair_, "{1"), "'{1': expected ',' or '}' at the end");
    EXPECT_EQ(hex(pair_, "7"), "'7': expected { at '7'");
    EXPECT_EQ(hex(pair_, "hex:00"), "'hex:00': expected 24 hex digits at '00'");
    EXPECT_EQ(hex(name_, "\"open"), "'\"open': expected a closing \" at the end");
    EXPECT_EQ(hex(all_, "{.low = 4}"),
              "'{.low = 4}': expected a number that fits 3 bits (int) at '4}'");
    EXPECT_EQ(hex(void_pointee_, "1"), "a value of type struct hidden cannot be written");
}

TEST(ParseBytes, OfNoKnownType) {
    const auto hex = [](uint32_t size, std::string_view text) {
        const auto bytes = parse_bytes(size, text);
        return bytes ? to_hex(*bytes) : "error";
    };
    EXPECT_EQ(hex(4, "258"), "02010000");
    EXPECT_EQ(hex(4, "1 2 0x3 4"), "01020304");
    EXPECT_EQ(hex(3, "hex:0a0b0c"), "0a0b0c");
    EXPECT_EQ(hex(8, "-1"), "ffffffffffffffff");
    EXPECT_EQ(hex(0, ""), "");
    EXPECT_EQ(hex(3, "1 2"), "error");
    EXPECT_EQ(hex(2, "65536"), "error");
    EXPECT_EQ(hex(2, "1 256"), "error");
    EXPECT_EQ(hex(2, "hex:0"), "error");
}

}  // namespace
}  // namespace skep::btf
