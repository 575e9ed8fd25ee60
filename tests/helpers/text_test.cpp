// SPDX-License-Identifier: Apache-2.0
// bpf_snprintf(), bpf_strtol(), bpf_strtoul() and bpf_strncmp() against the running kernel's, with
// random arguments.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/testing.hpp"
#include "helpers/both.hpp"

namespace skep::helper_test {
namespace {

class HelperText : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto why = why_no_kernel()) SKEP_SKIP(*why);
    }
    uint32_t below(uint32_t limit) {
        return std::uniform_int_distribution<uint32_t>(0, limit - 1)(random_);
    }
    template <typename T, size_t N>
    T one_of(const T (&choices)[N]) {
        return choices[below(N)];
    }

    std::mt19937 random_{20251};
};

void place(Bytes& at, size_t offset, std::string_view text) {
    at.resize(std::max(at.size(), offset + text.size() + 1));
    std::memcpy(at.data() + offset, text.data(), text.size());
    at[offset + text.size()] = 0;
}

void place_word(Bytes& at, size_t offset, uint64_t word) {
    at.resize(std::max(at.size(), offset + 8));
    std::memcpy(at.data() + offset, &word, 8);
}

constexpr size_t kArgs = 16, kStrings = 256, kOut = 1024;

/// A call of snprintf whose result is at 0, and its text at kOut. Arguments that are strings get
/// their addresses in the program.
struct PrintCase {
    std::string format;
    size_t room = 512;
    std::vector<uint64_t> args = {};
    std::vector<std::pair<size_t, size_t>> strings = {};  ///< argument, offset in memory
    Bytes memory = {};

    Case build() const {
        Case one{.text = {}, .memory = memory};
        place(one.constants, 0, format);
        for (size_t i = 0; i < args.size(); ++i) place_word(one.memory, kArgs + 8 * i, args[i]);
        for (const auto& [arg, offset] : strings)
            one.text += address_of(1, 0, offset) + address_of(2, 0, kArgs + 8 * arg) +
                        "*(u64 *)(r2 + 0) = r1\n";
        one.text += address_of(1, 0, kOut) + fmt::format("r2 = {}\n", room) + address_of(3, 1, 0) +
                    address_of(4, 0, kArgs) + fmt::format("r5 = {}\n", 8 * args.size()) +
                    "call snprintf\n" + address_of(1, 0, 0) +
                    "*(u64 *)(r1 + 0) = r0\nr0 = 0\nexit\n";
        return one;
    }
};

void expect_same_print(const PrintCase& print) {
    const Case one = print.build();
    const Answer there = in_kernel(one), here = in_engine(one);
    SCOPED_TRACE(fmt::format("format \"{}\", room {}", print.format, print.room));
    // The verifier tries constant formats out; the engine says it at run time.
    if (there.refused) {
        ASSERT_FALSE(here.refused) << here.why << "\n" << there.why;
        EXPECT_EQ(static_cast<int64_t>(here.word(0)), -EINVAL) << there.why;
        return;
    }
    ASSERT_FALSE(here.refused) << here.why;
    EXPECT_EQ(static_cast<int64_t>(here.word(0)), static_cast<int64_t>(there.word(0)));
    const auto text = [&](const Answer& answer) {
        return std::string(answer.memory.begin() + kOut,
                           answer.memory.begin() + kOut + static_cast<int>(print.room));
    };
    EXPECT_EQ(text(here), text(there));
}

TEST_F(HelperText, SnprintfOfFixedFormats) {
    for (const char* format : {"",
                               "plain",
                               "100%%",
                               "%d",
                               "%5d|%-5d|%05d",
                               "%+d % d",
                               "%llx",
                               "%lu",
                               "%i",
                               "%X",
                               "%c%3c",
                               "%px",
                               "%20px|%-4px",
                               "%f",
                               "%o",
                               "%hd",
                               "%.3d",
                               "%*d",
                               "%#x",
                               "%",
                               "%5",
                               "%l",
                               "%zu",
                               "%sx",
                               "%pM",
                               "% %",
                               "%d%",
                               "%d%%%d",
                               "gr\xc3\xbc\xc3\x9f",
                               "%d\xc3\xbc",
                               "%\xc3",
                               "\x01",
                               "a\x1b",
                               "\x7f",
                               "tab\tnl\n",
                               "%pxyz",
                               "%pK",
                               "%pk",
                               "%ps!",
                               "%pS",
                               "%pB",
                               "%08lld"}) {
        PrintCase print{.format = format, .args = {uint64_t(-3), 7, 65}};
        if (std::strstr(format, "%p")) print.args = {0, 0, 0};
        expect_same_print(print);
    }
}

TEST_F(HelperText, SnprintfOfStringsAndAddresses) {
    PrintCase print;
    place(print.memory, kStrings, "hello");
    place(print.memory, kStrings + 16, "\x0a\xff\x01\x07\xfe\x80\xab\xcd");
    for (const char* format :
         {"%s", "%8s|", "%-8s|", "%2s|", "%pks", "%9pks|", "%s %s", "[%pks]%d"}) {
        print.format = format;
        print.args = {0, 5};
        print.strings = {{0, kStrings}};
        if (print.format == "%s %s") print.strings.push_back({1, kStrings});
        expect_same_print(print);
    }
    for (const char* format : {"%pI4", "%pi4", "%pI6", "%pi6", "%20pI4|", "%pI4abc,", "%pI5"}) {
        print.format = format;
        print.strings = {{0, kStrings + 16}};
        expect_same_print(print);
    }
    print.memory.resize(kStrings + 600, 'x');  // strings share 512 bytes
    std::memset(print.memory.data() + kStrings, 'x', 600);
    print.memory[kStrings + 400] = 0;
    for (const char* format : {"%s", "%s%s", "%s%s%s", "%s%s%d", "%s%s%c"}) {
        print.format = format;
        print.room = 1024;
        print.args = {0, 0, 0};
        print.strings = {{0, kStrings}, {1, kStrings}};
        if (print.format == "%s%s%s") print.strings.push_back({2, kStrings});
        expect_same_print(print);
    }
}

TEST_F(HelperText, SnprintfOfRandomFormats) {
    const char* flags[] = {"", "", "0", "-", "+", " ", "-0", "+0"};
    const char* widths[] = {"", "", "1", "5", "12", "40"};
    const char* kinds[] = {"d",  "i",  "u",   "x",   "X",   "c", "ld",
                           "lu", "lx", "lld", "llu", "llX", "px"};
    for (int i = 0; i < 250; ++i) {
        PrintCase print;
        const uint32_t count = below(6);
        for (uint32_t j = 0; j < count; ++j) {
            print.format += std::string(below(4), ' ') + "%" + one_of(flags) + one_of(widths);
            // Once in a while something that is not allowed, or a stray character.
            print.format +=
                below(20) ? one_of(kinds) : std::string(1, static_cast<char>(33 + below(90)));
            print.format += below(3) ? "," : "%%";
            const uint64_t word = uint64_t{random_()} << 32 | random_();
            print.args.push_back(below(2) ? word : word >> below(63));
        }
        if (print.format.find("%p") != std::string::npos &&
            print.format.find("px") == std::string::npos)
            continue;  // hashed
        print.room = one_of({1u, 2u, 7u, 30u, 512u});
        expect_same_print(print);
    }
}

void expect_same(const Case& one, std::string_view what, size_t words) {
    const Answer there = in_kernel(one), here = in_engine(one);
    ASSERT_FALSE(there.refused) << there.why;
    ASSERT_FALSE(here.refused) << what << ": " << here.why;
    EXPECT_EQ(here.r0, there.r0) << what;
    for (size_t i = 0; i < words; ++i) EXPECT_EQ(here.word(8 * i), there.word(8 * i)) << what;
}

TEST_F(HelperText, Numbers) {
    const char* digits[] = {"0",
                            "1",
                            "7",
                            "8",
                            "9",
                            "a",
                            "F",
                            "0x",
                            "x",
                            "-",
                            "+",
                            " ",
                            "\t",
                            "0",
                            "18446744073709551615",
                            "18446744073709551616",
                            "9223372036854775807",
                            "9223372036854775808",
                            "777",
                            "z",
                            "\n"};
    for (int i = 0; i < 300; ++i) {
        std::string text;
        for (uint32_t j = below(6); j > 0; --j) text += one_of(digits);
        if (below(20) == 0) text = std::string(70, '0') + "12";
        const uint64_t size = 1 + below(static_cast<uint32_t>(text.size()) + 2);
        const uint64_t flags = below(8) ? one_of({0u, 8u, 10u, 16u}) : below(64);
        const char* helper = below(2) ? "strtol" : "strtoul";
        Case one;
        place(one.memory, kStrings, text);
        one.text = address_of(1, 0, kStrings) + fmt::format("r2 = {}\nr3 = {}\n", size, flags) +
                   address_of(4, 0, 8) + "*(u64 *)(r4 + 0) = r10\n" +
                   fmt::format("call {}\n", helper) + address_of(1, 0, 0) +
                   "*(u64 *)(r1 + 0) = r0\nr0 = 0\nexit\n";
        expect_same(one, fmt::format("{}(\"{}\", {}, {})", helper, text, size, flags), 2);
    }
}

TEST_F(HelperText, Strncmp) {
    for (int i = 0; i < 100; ++i) {
        Case one;
        std::string a, b;
        for (uint32_t j = below(5); j > 0; --j) a += one_of({'a', 'b', '\xe9'});
        for (uint32_t j = below(5); j > 0; --j) b += one_of({'a', 'b', '\xe9'});
        const uint32_t size = 1 + below(6);
        place(one.memory, kStrings, a);
        place(one.constants, 0, b);
        one.text = address_of(1, 0, kStrings) + fmt::format("r2 = {}\n", size) +
                   address_of(3, 1, 0) + "call strncmp\n" + address_of(1, 0, 0) +
                   "*(u64 *)(r1 + 0) = r0\nr0 = 0\nexit\n";
        expect_same(one, fmt::format("strncmp(\"{}\", {}, \"{}\")", a, size, b), 1);
    }
}

}  // namespace
}  // namespace skep::helper_test
