// SPDX-License-Identifier: Apache-2.0
#include "script.hpp"

#include <gtest/gtest.h>

namespace skep::cli_test {
namespace {

TEST(CliScript, IsReadAndWritten) {
    const std::string text =
        "## about\n"
        "## needs: true\n"
        "$ echo one\n"
        "one\n"
        "$ cat <<E\n"
        "> two\n"
        "> E\n"
        "two\n"
        "\n"
        "three\n"
        "[4]\n"
        "\n"
        "## more\n"
        "$ true\n";
    const std::vector<Step> steps = parse_script(text);
    ASSERT_EQ(steps.size(), 6u);
    EXPECT_EQ(steps[1].kind, Step::Kind::Needs);
    EXPECT_EQ(steps[3].text, "cat <<E\ntwo\nE");
    EXPECT_EQ(steps[3].expected, (std::vector<std::string>{"two", "", "three"}));
    EXPECT_EQ(steps[3].exit_code, 4);
    EXPECT_EQ(steps[3].line, 5);
    EXPECT_EQ(print_script(steps), text);
}

TEST(CliScript, MatchesWithWildcards) {
    EXPECT_TRUE(matches({"a{*}c", "...", "z"}, {"abc", "1", "2", "z"}));
    EXPECT_TRUE(matches({"...", "z"}, {"z"}));
    EXPECT_TRUE(matches({"{*}"}, {""}));
    EXPECT_TRUE(matches({"x", "..."}, {"x"}));
    EXPECT_FALSE(matches({"a{*}c"}, {"ab"}));
    EXPECT_FALSE(matches({"...", "z"}, {"z", "y"}));
    EXPECT_FALSE(matches({}, {"x"}));
    EXPECT_FALSE(matches({"x"}, {}));
}

}  // namespace
}  // namespace skep::cli_test
