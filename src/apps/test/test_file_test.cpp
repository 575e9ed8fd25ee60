// SPDX-License-Identifier: Apache-2.0
#include "apps/test/test_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/test/run.hpp"
#include "base/hex.hpp"

namespace skep::test {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kHead = "object: a.bpf.o\ntests:\n";

std::string error_of(const std::string& text) {
    const auto file = TestFile::parse(text, "dir/t.yaml");
    EXPECT_FALSE(file) << text;
    return file ? "" : file.error().to_string();
}
std::string error_in_test(const std::string& text) {
    return error_of(std::string(kHead) + text);
}

TEST(TestFile, IsReadWhole) {
    const auto file = TestFile::parse(
        "object: ../a.bpf.o\nprogram: p\nhelpers: {bpf_ktime_get_ns: [1, 2]}\ntime: 5s\n"
        "globals: {x: 1}\n"
        "tests:\n"
        "  - name: one\n    packet: eth/ipv4/udp\n    expect: {verdict: 1}\n"
        "  - name: two\n    program: q\n    helpers: {ktime_get_ns: 3}\n    globals: {y: 2}\n"
        "    task: {pid: 7, comm: cat}\n"
        "    steps:\n      - packet: 00\n        repeat: 3\n        time: +1ms\n"
        "      - program: r\n    expect: {maps: {m: {}}}\n",
        "dir/t.yaml");
    ASSERT_TRUE(file) << file.error().to_string();
    EXPECT_EQ(file->object, "a.bpf.o");
    ASSERT_EQ(file->tests.size(), 2u);
    const auto &one = file->tests[0], &two = file->tests[1];
    EXPECT_EQ(one.steps[0].prog, "p");
    EXPECT_TRUE(one.steps[0].expect.verdict);
    EXPECT_EQ(one.time->ns, 5'000'000'000u);
    EXPECT_EQ(one.mocks[0].returns, (std::vector<uint64_t>{1, 2}));
    EXPECT_EQ(two.mocks.size(), 1u);  // the test's own instead of the file's
    EXPECT_EQ(two.mocks[0].returns, std::vector<uint64_t>{3});
    EXPECT_EQ(two.globals.size(), 2u);
    EXPECT_EQ(two.task->pid, 7u);
    EXPECT_EQ(two.steps[0].prog, "q");
    EXPECT_EQ(two.steps[0].repeat, 3u);
    EXPECT_TRUE(two.steps[0].time->relative);
    EXPECT_EQ(two.steps[1].prog, "r");
    EXPECT_TRUE(two.expect.maps);
}

TEST(TestFile, WhatIsWrongIsNamed) {
    EXPECT_EQ(error_of("objct: a.bpf.o\n"),
              "error: dir/t.yaml:1:1: there is no key 'objct' here\nhint: did you mean 'object'?");
    EXPECT_THAT(error_of("tests: []\n"), HasSubstr("no 'object' is named"));
    EXPECT_THAT(error_of("object: a\n"), HasSubstr("there are no tests"));
    EXPECT_THAT(error_of("object: a\ntests: 1\n"), HasSubstr("dir/t.yaml:2:8: there are no tests"));
    EXPECT_THAT(error_of("- a\n"), HasSubstr("a list stands where a test file should"));
    EXPECT_THAT(error_in_test("- expect: {}\n"),
                HasSubstr("dir/t.yaml:3:3: this test has no name"));
    EXPECT_THAT(error_in_test("- {name: a}\n"), HasSubstr("this test expects nothing"));
    EXPECT_THAT(error_in_test("- {name: a, expct: {}}\n"), HasSubstr("did you mean 'expect'?"));
    EXPECT_THAT(error_in_test("- {name: a, expect: {verdct: 1}}\n"),
                HasSubstr("dir/t.yaml:3:22: there is no key 'verdct' here\nhint: did you mean "
                          "'verdict'?"));
    EXPECT_THAT(error_in_test("- {name: a, expect: {}}\n- {name: a, expect: {}}\n"),
                HasSubstr("a second test with the name 'a'; the first is in line 3"));
    EXPECT_THAT(error_in_test("- {name: a, packet: x, syscall: {}, expect: {}}\n"),
                HasSubstr("a second event"));
    EXPECT_THAT(error_in_test("- {name: a, packet: x, steps: [{}], expect: {}}\n"),
                HasSubstr("belongs into one of them"));
    EXPECT_THAT(error_in_test("- {name: a, steps: [{}], expect: {verdict: 1}}\n"),
                HasSubstr("'verdict' is of one step"));
    EXPECT_THAT(error_in_test("- {name: a, repeat: 0, expect: {}}\n"), HasSubstr("1 to 1000000"));
    EXPECT_THAT(error_in_test("- {name: a, time: soon, expect: {}}\n"), HasSubstr("is no time"));
    EXPECT_THAT(error_in_test("- {name: a, in: space, expect: {}}\n"),
                HasSubstr("it is 'embedded' or 'kernel'"));
    EXPECT_THAT(error_in_test("- {name: a, task: {comm: longer than a name}, expect: {}}\n"),
                HasSubstr("at most 15 bytes"));
}

TEST(TestFile, HelpersAreKnown) {
    EXPECT_THAT(error_in_test("- {name: a, helpers: {bpf_get_curent_pid_tgid: 1}, expect: {}}\n"),
                HasSubstr("did you mean 'bpf_get_current_pid_tgid'?"));
    EXPECT_THAT(error_in_test("- {name: a, helpers: {bpf_ktime_get_ns: {text: x}}, expect: {}}\n"),
                HasSubstr("writes to no memory"));
    EXPECT_THAT(error_in_test("- {name: a, helpers: {bpf_tail_call: 0}, expect: {}}\n"),
                HasSubstr("tail calls"));
    EXPECT_THAT(error_in_test("- {name: a, helpers: {bpf_ktime_get_ns: []}, expect: {}}\n"),
                HasSubstr("no result is listed"));
}

TEST(TestFile, PacketsAreHexLayersOrOfACapture) {
    const auto file = TestFile::parse(std::string(kHead) + "- {name: a, expect: {}}\n", "t.yaml");
    ASSERT_TRUE(file);
    const auto packet = [&](std::string_view text) {
        const auto read = read_packet(*file, *parse_yaml(text, "t.yaml"));
        return read ? to_hex(read->bytes) : read.error().message;
    };
    EXPECT_EQ(packet("01 02 0a"), "01020a");
    EXPECT_EQ(packet("{hex: 0a0b}"), "0a0b");
    EXPECT_EQ(packet("payload(3)"), "000102");
    EXPECT_EQ(packet("{layers: payload(2)}"), "0001");
    EXPECT_THAT(packet("eth/ipv5"), HasSubstr("t.yaml:1:1: "));
    EXPECT_THAT(packet("{hex: 0}"), HasSubstr("no hex digits"));
    EXPECT_THAT(packet("{pcap: nothing.pcap}"), HasSubstr("nothing.pcap: No such file"));
    EXPECT_THAT(packet("[1]"), HasSubstr("a list stands where a packet should"));
}

TEST(TestFile, FiltersAreParts) {
    EXPECT_TRUE(selected("", "any name"));
    EXPECT_TRUE(selected("name", "any name"));
    EXPECT_FALSE(selected("names", "any name"));
    EXPECT_TRUE(selected("a*n*e", "any name"));
    EXPECT_FALSE(selected("name*any", "any name"));
}

}  // namespace
}  // namespace skep::test
