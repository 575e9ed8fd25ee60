// SPDX-License-Identifier: Apache-2.0
// Kernel functions on strings, dynptrs and numbers against the running kernel's.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/testing.hpp"
#include "helpers/both.hpp"

namespace skep::helper_test {
namespace {

class Kfuncs : public ::testing::Test {
  protected:
    void SetUp() override {
        if (const auto why = why_no_kernel()) SKEP_SKIP(*why);
    }
    uint32_t below(uint32_t limit) {
        return std::uniform_int_distribution<uint32_t>(0, limit - 1)(random_);
    }
    void expect_same(const Case& one, std::string_view what) {
        const Answer there = in_kernel(one), here = in_engine(one);
        ASSERT_FALSE(there.refused) << what << "\n" << there.why;
        ASSERT_FALSE(here.refused) << what << ": " << here.why;
        EXPECT_EQ(here.r0, there.r0) << what;
        EXPECT_EQ(here.memory, there.memory) << what;
    }

    std::mt19937 random_{20252};
};

constexpr size_t kFirst = 256, kSecond = 512;

/// Strings of few letters, so that much of them is alike.
TEST_F(Kfuncs, Strings) {
    struct Function {
        const char* name;
        enum { TwoStrings, TwoStringsAndCount, Char, CountAndChar, Count, One } takes;
    };
    constexpr Function kFunctions[] = {
        {"bpf_strcmp", Function::TwoStrings}, {"bpf_strcasecmp", Function::TwoStrings},
        {"bpf_strspn", Function::TwoStrings}, {"bpf_strcspn", Function::TwoStrings},
        {"bpf_strstr", Function::TwoStrings}, {"bpf_strnstr", Function::TwoStringsAndCount},
        {"bpf_strchr", Function::Char},       {"bpf_strchrnul", Function::Char},
        {"bpf_strrchr", Function::Char},      {"bpf_strnchr", Function::CountAndChar},
        {"bpf_strnlen", Function::Count},     {"bpf_strlen", Function::One},
    };
    const auto letters = [&] {
        std::string text;
        for (uint32_t i = below(7); i > 0; --i) text += "aAb\xe9\xc9"[below(5)];
        return text;
    };
    for (int i = 0; i < 360; ++i) {
        const Function& function = kFunctions[i % 12];
        const std::string first = letters(), second = letters().substr(0, below(4));
        const uint32_t count = below(9), c = static_cast<uint8_t>("aAb\xe9\0"[below(5)]);
        Case one;
        one.memory.resize(kMemorySize);
        std::memcpy(one.memory.data() + kFirst, first.data(), first.size());
        std::memcpy(one.memory.data() + kSecond, second.data(), second.size());
        one.text = address_of(1, 0, kFirst);
        const bool two = function.takes <= Function::TwoStringsAndCount;
        if (two) one.text += address_of(2, 0, kSecond);
        if (function.takes == Function::TwoStringsAndCount)
            one.text += fmt::format("r3 = {}\n", count);
        if (function.takes == Function::Char) one.text += fmt::format("r2 = {}\n", c);
        if (function.takes == Function::CountAndChar)
            one.text += fmt::format("r2 = {}\nr3 = {}\n", count, c);
        if (function.takes == Function::Count) one.text += fmt::format("r2 = {}\n", count);
        one.text += fmt::format("call {}\nexit\n", function.name);
        expect_same(
            one, fmt::format("{}(\"{}\", \"{}\", {}, {})", function.name, first, second, count, c));
    }
}

TEST_F(Kfuncs, StringsAtBadAddresses) {
    Case one{.text = "r1 = 0\ncall bpf_strlen\nexit\n"};
    expect_same(one, "strlen(NULL)");
    one.text = address_of(1, 0, 0) + "r2 = 0\ncall bpf_strcmp\nexit\n";
    expect_same(one, "strcmp(s, NULL)");
}

/// A dynptr of 64 bytes of the map at r10 - 16, and one that is null at r10 - 32.
std::string with_dynptrs(const std::string& body) {
    return address_of(1, 0, kFirst) +
           "r2 = 64\nr3 = 0\nr4 = r10\nr4 += -16\ncall dynptr_from_mem\n" +
           address_of(1, 0, kFirst) +
           "r2 = 64\nr3 = 1\nr4 = r10\nr4 += -32\ncall dynptr_from_mem\n" + body + "exit\n";
}

Case dynptr_case(const std::string& body) {
    Case one{.text = with_dynptrs(body)};
    one.memory.resize(kMemorySize);
    for (size_t i = 0; i < one.memory.size(); ++i) one.memory[i] = static_cast<uint8_t>(i * 7);
    return one;
}

TEST_F(Kfuncs, Dynptrs) {
    const auto of = [](int reg, bool null) {
        return fmt::format("r{0} = r10\nr{0} += {1}\n", reg, null ? -32 : -16);
    };
    for (int i = 0; i < 240; ++i) {
        const bool null = below(6) == 0;
        const uint32_t offset = below(80), length = below(40), flags = below(8) == 0;
        const uint32_t start = below(70),
                       end = below(8) ? start + below(70 - std::min(start, 69u)) : below(70);
        std::string body;
        if (below(2))
            body = of(1, null) +
                   fmt::format("r2 = {}\nr3 = {}\ncall bpf_dynptr_adjust\n", start, end) +
                   "r6 = r0\n";
        switch (i % 8) {
            case 0:
                body += address_of(1, 0, kSecond) + fmt::format("r2 = {}\n", length) + of(3, null) +
                        fmt::format("r4 = {}\nr5 = {}\ncall dynptr_read\n", offset, flags);
                break;
            case 1:
                body += of(1, null) + fmt::format("r2 = {}\n", offset) + address_of(3, 0, kSecond) +
                        fmt::format("r4 = {}\nr5 = {}\ncall dynptr_write\n", length, flags);
                break;
            case 2: body += of(1, null) + "call bpf_dynptr_size\n"; break;
            case 3: body += of(1, null) + "call bpf_dynptr_is_null\nr0 &= 255\n"; break;
            case 4: body += of(1, null) + "call bpf_dynptr_is_rdonly\nr0 &= 255\n"; break;
            case 5:
                body += of(1, below(6) == 0) + fmt::format("r2 = {}\n", below(40)) + of(3, null) +
                        fmt::format("r4 = {}\nr5 = {}\ncall bpf_dynptr_copy\n", offset, length);
                break;
            case 6:
                body += of(1, null) + fmt::format("r2 = {}\nr3 = {}\nr4 = 0x5a\n", offset, length) +
                        "call bpf_dynptr_memset\n";
                break;
            default:
                body += of(1, null) + "r2 = r10\nr2 += -48\ncall bpf_dynptr_clone\nr7 = r0\n" +
                        "r1 = r10\nr1 += -48\ncall bpf_dynptr_size\nr0 += r7\n";
        }
        expect_same(dynptr_case(body), body);
    }
}

TEST_F(Kfuncs, SlicesOfDynptrs) {
    for (int i = 0; i < 60; ++i) {
        const std::string body =
            fmt::format("r1 = r10\nr1 += {}\nr2 = {}\nr3 = 0\nr4 = 8\ncall bpf_dynptr_slice\n",
                        below(5) ? -16 : -32, below(70)) +
            "if r0 == 0 goto +1\nr0 = *(u32 *)(r0 + 4)\n";
        expect_same(dynptr_case(body), body);
    }
    const std::string data =
        "r1 = r10\nr1 += -16\nr2 = 5\nr3 = 8\ncall dynptr_data\n"
        "if r0 == 0 goto +1\nr0 = *(u32 *)(r0 + 4)\n";
    expect_same(dynptr_case(data), data);
}

TEST_F(Kfuncs, NumberIterator) {
    for (const auto& [start, end] : {std::pair(0, 5),
                                     {5, 5},
                                     {5, 4},
                                     {-3, 3},
                                     {2147483640, 2147483647},
                                     {0, 100000000},
                                     {-2147483647, -2147483640}}) {
        const std::string text = fmt::format(R"(
            r1 = r10
            r1 += -8
            r2 = {}
            r3 = {}
            call bpf_iter_num_new
            r7 = r0
            r6 = 0
        next:
            r1 = r10
            r1 += -8
            call bpf_iter_num_next
            if r0 == 0 goto done
            r1 = *(s32 *)(r0 + 0)
            r6 += r1
            goto next
        done:
            r1 = r10
            r1 += -8
            call bpf_iter_num_destroy
        )",
                                             start, end) +
                                 address_of(1, 0, 0) + "*(u64 *)(r1 + 0) = r6\nr0 = r7\nexit\n";
        expect_same({.text = text}, text);
    }
}

}  // namespace
}  // namespace skep::helper_test
