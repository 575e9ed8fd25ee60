// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tools.hpp"

// Objects of every clang from 14 to 19 that is installed, and of bpftool's static linker.

namespace skep::object {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

std::string compile(const std::string& clang, const std::string& name, const std::string& flags,
                    const skep::testing::ScratchDir& scratch) {
    std::string path = scratch.file(name + ".bpf.o");
    const std::string output =
        output_of(fmt::format("{} -O2 -g -target bpf {} -I/usr/include/x86_64-linux-gnu "
                              "-I/usr/include/aarch64-linux-gnu -c {} -o {} 2>&1",
                              clang, flags, source_path(name), path));
    EXPECT_EQ(output, "");
    return path;
}

template <typename Item>
std::vector<std::string> names(const std::vector<Item>& items) {
    std::vector<std::string> result;
    for (const Item& item : items) result.push_back(item.name);
    return result;
}

class Compilers : public ::testing::TestWithParam<int> {};

TEST_P(Compilers, ObjectsReadTheSame) {
    const std::string clang = fmt::format("clang-{}", GetParam());
    if (!have_command(clang)) SKEP_SKIP(clang + " is not installed");
    const skep::testing::ScratchDir scratch;
    for (const char* flags : {"-mcpu=v2", "-mcpu=v3"}) {
        const ObjectSpec maps = read_or_fail(compile(clang, "maps", flags, scratch));
        EXPECT_THAT(names(maps.maps), UnorderedElementsAre("flows", "sized", "bloom", "events",
                                                           "inner_a", "inner_b", "outer", "jumps"));
        EXPECT_EQ(maps.find_map("outer")->initial_slots.size(), 2u);
        EXPECT_EQ(maps.find_map("flows")->value_size, 16u);

        const ObjectSpec data = read_or_fail(compile(clang, "data", flags, scratch));
        EXPECT_EQ(data.maps.size(), 6u);
        EXPECT_FALSE(data.find_prog("count")->references.empty());

        const ObjectSpec link = read_or_fail(compile(clang, "link", flags, scratch));
        EXPECT_THAT(names(link.find_prog("first")->subprogs), ElementsAre("first", "twice", "add"));
        EXPECT_THAT(names(link.find_prog("second")->subprogs),
                    UnorderedElementsAre("second", "step", "add", "hidden_helper", "twice"));

        const ObjectSpec externs = read_or_fail(compile(clang, "externs", flags, scratch));
        EXPECT_EQ(externs.externs.size(), 9u);
    }
}

INSTANTIATE_TEST_SUITE_P(Clang, Compilers, ::testing::Range(14, 20));

TEST(StaticLinker, JoinsObjects) {
    if (!have_command("bpftool")) SKEP_SKIP("bpftool is not installed");
    const skep::testing::ScratchDir scratch;
    const std::string joined = scratch.file("joined.bpf.o");
    output_of(fmt::format("bpftool gen object {} {} {} 2>&1", joined, object_path("linked_a"),
                          object_path("linked_b")));
    const ObjectSpec object = read_or_fail(joined);
    EXPECT_EQ(object.name, "joined");
    EXPECT_THAT(names(object.progs), ElementsAre("prog_a", "prog_b"));
    EXPECT_THAT(names(object.maps), ElementsAre("map_a", "joined.data"));
    EXPECT_THAT(names(object.progs[0].subprogs), ElementsAre("prog_a", "shared_helper"));
    EXPECT_EQ(object.find_map("joined.data")->value_size, 16u);

    // Linking an object with nothing changes nothing that matters.
    output_of(fmt::format("bpftool gen object {} {} 2>&1", joined, object_path("link")));
    const ObjectSpec again = read_or_fail(joined), before = read_or_fail(object_path("link"));
    ASSERT_EQ(again.progs.size(), before.progs.size());
    for (size_t i = 0; i < again.progs.size(); i++) {
        EXPECT_EQ(again.progs[i].insns, before.progs[i].insns);
        EXPECT_EQ(again.progs[i].lines.size(), before.progs[i].lines.size());
    }
}

}  // namespace
}  // namespace skep::object
