// SPDX-License-Identifier: Apache-2.0
#include "apps/test/yaml.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skep::test {
namespace {

using ::testing::HasSubstr;

std::string error_of(std::string_view text) {
    const auto tree = parse_yaml(text, "t.yaml");
    EXPECT_FALSE(tree) << text;
    return tree ? "" : tree.error().message;
}

TEST(Yaml, PartsKnowWhereTheyStand) {
    const auto tree = parse_yaml("a: 1\nlist:\n  - x\n  - {b: \"2\"}\n", "t.yaml");
    ASSERT_TRUE(tree) << tree.error().message;
    ASSERT_TRUE(tree->is_map());
    EXPECT_EQ(tree->find("a")->text, "1");
    EXPECT_TRUE(tree->find("a")->is_plain());
    const Yaml& list = *tree->find("list");
    ASSERT_TRUE(list.is_list());
    EXPECT_EQ(list.items[0].place(), "t.yaml:3:5");
    const Yaml& b = *list.items[1].find("b");
    EXPECT_EQ(b.place(), "t.yaml:4:9");
    EXPECT_TRUE(b.quoted);
    EXPECT_EQ(list.items[1].keys[0].place(), "t.yaml:4:6");
    EXPECT_EQ(tree->find("c"), nullptr);
    EXPECT_EQ(tree->to_string(), "{a: 1, list: [x, {b: \"2\"}]}");
}

TEST(Yaml, NothingIsNull) {
    EXPECT_TRUE(parse_yaml("", "t")->is_null());
    EXPECT_TRUE(parse_yaml("# only a comment\n", "t")->is_null());
    EXPECT_TRUE(parse_yaml("a:\n", "t")->find("a")->is_null());
    EXPECT_TRUE(parse_yaml("a: ~\n", "t")->find("a")->is_null());
    EXPECT_FALSE(parse_yaml("a: ''\n", "t")->find("a")->is_null());
}

TEST(Yaml, AliasesAreCopies) {
    const auto tree = parse_yaml("a: &x {k: 1}\nb: *x\n", "t");
    ASSERT_TRUE(tree);
    EXPECT_EQ(tree->find("b")->find("k")->text, "1");
    EXPECT_THAT(error_of("a: &x [*x]"), HasSubstr("t.yaml:1:"));
}

TEST(Yaml, ErrorsNameThePlace) {
    EXPECT_THAT(error_of("a: [1, 2\nb: 3\n"), HasSubstr("t.yaml:2:"));
    EXPECT_THAT(error_of("a: 1\n\tb: 2\n"), HasSubstr("t.yaml:2:"));
    EXPECT_EQ(error_of("a: 1\nb: 2\na: 3\n"),
              "t.yaml:3:1: the key a stands here twice; the first is in line 1");
    EXPECT_THAT(error_of("a: 1\n---\nb: 2\n"), HasSubstr("a second document"));
    EXPECT_THAT(error_of(std::string_view("a: \0", 4)), HasSubstr("NUL"));
    EXPECT_THAT(error_of("a: *nothing\n"), HasSubstr("t.yaml:1:4"));
}

TEST(Yaml, BombsAreRefused) {
    std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 9; i++) {
        text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int k = 0; k < 10; k++) text += "*a" + std::to_string(i - 1) + ", ";
        text += "x]\n";
    }
    EXPECT_THAT(error_of(text), HasSubstr("more than this reader takes"));
    EXPECT_THAT(error_of(std::string(100, '[')), HasSubstr("nested too deep"));
    EXPECT_THAT(error_of(std::string(100'000, '[')), HasSubstr("nested too deep"));
}

}  // namespace
}  // namespace skep::test
