// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"

#include <gtest/gtest.h>

namespace skep::cli {
namespace {

struct Values {
    Arguments args;
    bool json = false;
    unsigned verbose = 0;
    std::optional<std::string> prog;
    std::vector<std::string> maps;
    uint64_t count = 3;
    std::string file;
    std::vector<std::string> rest;

    Values() {
        args.flag("--json", json, "");
        args.count("-v,--verbose", verbose, "");
        args.option("-p,--prog", "NAME", prog, "");
        args.option("--map", "NAME", maps, "");
        args.option("--count", "N", count, "");
        args.operand("FILE", file, "");
        args.operand("REST", rest, "");
    }
    std::string error(const std::vector<std::string>& words) {
        const auto parsed = args.parse(words);
        return parsed ? "" : parsed.error().message;
    }
};

TEST(Arguments, ReadsEverySpelling) {
    Values v;
    EXPECT_EQ(v.error({"-vv", "a", "--json", "-pone", "--map", "x", "--map=y", "--count", "0x10",
                       "-v", "-", "--", "--json"}),
              "");
    EXPECT_TRUE(v.json);
    EXPECT_EQ(v.verbose, 3u);
    EXPECT_EQ(v.prog, "one");
    EXPECT_EQ(v.maps, (std::vector<std::string>{"x", "y"}));
    EXPECT_EQ(v.count, 16u);
    EXPECT_EQ(v.file, "a");
    EXPECT_EQ(v.rest, (std::vector<std::string>{"-", "--json"}));

    Values w;
    EXPECT_EQ(w.error({"--prog=", "-vp", "x"}), "-p is given more than once");
    EXPECT_EQ(Values().error({"--prog=", "x"}), "");
}

TEST(Arguments, KeepsDefaults) {
    Values v;
    EXPECT_EQ(v.error({"a"}), "");
    EXPECT_EQ(v.count, 3u);
    EXPECT_FALSE(v.prog);
}

TEST(Arguments, SayWhatIsWrong) {
    EXPECT_EQ(Values().error({}), "FILE is missing");
    EXPECT_EQ(Values().error({"a", "--jsn"}), "unknown option --jsn");
    EXPECT_EQ(Values().error({"a", "-vx"}), "unknown option -x");
    EXPECT_EQ(Values().error({"a", "--json=1"}), "--json takes no value");
    EXPECT_EQ(Values().error({"a", "--prog"}), "--prog: NAME is missing");
    EXPECT_EQ(Values().error({"a", "--count", "many"}), "--count: 'many' is not a number");
    EXPECT_EQ(Values().error({"a", "--count=-1"}), "--count: '-1' is not a number");

    Arguments args;
    std::string shell;
    args.operand("SHELL", shell, "").choices = {"bash", "zsh"};
    EXPECT_EQ(args.parse({"tcsh"}).error().message, "SHELL: 'tcsh' is none of bash, zsh");
    EXPECT_EQ(args.parse({"zsh", "x"}).error().message, "unexpected argument 'x'");
}

}  // namespace
}  // namespace skep::cli
