// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <gmock/gmock.h>

namespace skep {
namespace {

using testing::ElementsAre;

TEST(Text, SplitKeepsEmptyPieces) {
    EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b"));
    EXPECT_THAT(split("", ','), ElementsAre(""));
}

TEST(Text, Trim) {
    EXPECT_EQ(trim(" \ta b\n"), "a b");
    EXPECT_EQ(trim(" \n"), "");
}

TEST(Text, IntegersAreWholeAndFit) {
    EXPECT_EQ(parse_int("-9223372036854775808"), INT64_MIN);
    EXPECT_EQ(parse_int("0x10"), 16);
    EXPECT_EQ(parse_int("010"), 8);
    EXPECT_EQ(parse_int("0"), 0);
    EXPECT_FALSE(parse_int("9223372036854775808"));
    EXPECT_FALSE(parse_int("1x"));
    EXPECT_FALSE(parse_int(""));
    EXPECT_FALSE(parse_int("--1"));
    EXPECT_EQ(parse_uint("18446744073709551615"), UINT64_MAX);
    EXPECT_FALSE(parse_uint("18446744073709551616"));
    EXPECT_FALSE(parse_uint("-1"));
}

TEST(Text, ClosestNeedsToBeClose) {
    const std::string_view commands[] = {"run", "inspect", "dis"};
    EXPECT_EQ(closest("inspcet", commands), "inspect");
    EXPECT_EQ(closest("rum", commands), "run");
    EXPECT_FALSE(closest("frobnicate", commands));
}

TEST(Text, PrintableHidesControlCharacters) {
    EXPECT_EQ(printable("a\x1b[31m\xff"), "a\\x1b[31m\\xff");
}

}  // namespace
}  // namespace skep
