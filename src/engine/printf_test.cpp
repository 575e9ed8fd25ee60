// SPDX-License-Identifier: Apache-2.0
#include "engine/printf.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace skep::engine {
namespace {

/// Kernel strings at 0x1000, 0x2000...; the process's at 0x9000.
class FakeMemory final : public PrintfMemory {
  public:
    int read(void* to, size_t size, uint64_t address) override {
        if (address != 0x4000) return -EFAULT;
        const uint8_t bytes[16] = {10, 0, 200, 7, 0xfe, 0x80};
        std::memcpy(to, bytes, size);
        return 0;
    }
    int64_t read_string(char* to, size_t size, uint64_t address, From from) override {
        const std::string text = address == 0x1000   ? "kernel"
                                 : address == 0x3000 ? std::string(300, 'x')
                                 : address == 0x9000 ? "user"
                                                     : "";
        const bool kernel = address < 0x9000, wanted_kernel = from != From::User;
        if (text.empty() || (from != From::Either && kernel != wanted_kernel)) return -EFAULT;
        const size_t length = std::min(text.size() + 1, size);
        std::memcpy(to, text.c_str(), length);
        to[length - 1] = 0;
        return static_cast<int64_t>(length);
    }
};

struct Printed {
    int64_t result;
    std::string text;
    bool operator==(const Printed&) const = default;
};
void PrintTo(const Printed& printed, std::ostream* out) {
    *out << printed.result << " \"" << printed.text << "\"";
}

Printed print(std::string_view format, std::vector<uint64_t> args = {}, size_t room = 1024) {
    FakeMemory memory;
    std::string text(room, '#');
    const int64_t result = bpf_printf(text, format, args, memory);
    if (result >= 0 && room) text.resize(std::strlen(text.c_str()));
    return {result, text};
}

std::string text_of(std::string_view format, std::vector<uint64_t> args = {}) {
    const Printed printed = print(format, std::move(args));
    return printed.result < 0 ? "error " + std::to_string(printed.result) : printed.text;
}

TEST(Printf, Numbers) {
    EXPECT_EQ(text_of("%d %i %u %x %X", {uint64_t(-5), 6, uint64_t(-1), 0xbeef, 0xbeef}),
              "-5 6 4294967295 beef BEEF");
    EXPECT_EQ(text_of("%ld %lld %lu %llx", {uint64_t(-5), uint64_t(-6), uint64_t(-1), 1ull << 63}),
              "-5 -6 18446744073709551615 8000000000000000");
    EXPECT_EQ(text_of("%d", {1ull << 32 | 7}), "7");
    EXPECT_EQ(text_of("%lld", {1ull << 63}), "-9223372036854775808");
    EXPECT_EQ(
        text_of("[%5d|%-5d|%05d|%+d|% d|%+05d|%-05d]", {42, 42, uint64_t(-42), 42, 42, 42, 42}),
        "[   42|42   |-0042|+42| 42|+0042|42   ]");
    EXPECT_EQ(text_of("%+u % x", {1, 2}), "1 2");
}

TEST(Printf, Text) {
    EXPECT_EQ(text_of("100%% %s!", {0x1000}), "100% kernel!");
    EXPECT_EQ(text_of("%s %s", {0x1000, 0x9000}), "kernel user");
    EXPECT_EQ(text_of("%pks.%pus.%pks", {0x1000, 0x9000, 0x9000}), "kernel.user.");
    EXPECT_EQ(text_of("[%8s|%-8s|%2s|%8pks]", {0x1000, 0x1000, 0x1000, 0x1000}),
              "[  kernel|kernel  |kernel|kernel]");
    EXPECT_EQ(text_of("%c%3c%-3c|", {'a', 'b', 'c'}), "a  bc  |");
    EXPECT_EQ(text_of("%s", {0x77}), "");
    EXPECT_EQ(text_of("gr\xc3\xbc\xc3\x9f", {}), "gr\xc3\xbc\xc3\x9f");
}

TEST(Printf, Pointers) {
    EXPECT_EQ(text_of("%px", {0x1234}), "0000000000001234");
    EXPECT_EQ(text_of("%20px|%-6px|", {0x1234, 0x12}), "                1234|12    |");
    EXPECT_EQ(text_of("%p %pK", {0, 0}), "0000000000000000 0000000000000000");
    EXPECT_EQ(text_of("%p", {uint64_t(-14)}), "fffffffffffffff2");
    EXPECT_EQ(text_of("%ps %pS %pB", {0x10, 0x20, 0x30}), "0x10 0x20 0x30");
    const std::string hashed = text_of("%p", {0xffff888000001000});
    EXPECT_EQ(hashed.size(), 16u);
    EXPECT_EQ(hashed.substr(0, 8), "00000000");
    EXPECT_NE(hashed, "0000000000001000");
    EXPECT_EQ(hashed, text_of("%p", {0xffff888000001000}));
}

TEST(Printf, Addresses) {
    EXPECT_EQ(text_of("%pI4 %pi4", {0x4000, 0x4000}), "10.0.200.7 010.000.200.007");
    EXPECT_EQ(text_of("%pI6", {0x4000}), "0a00:c807:fe80:0000:0000:0000:0000:0000");
    EXPECT_EQ(text_of("%pi6", {0x4000}), "0a00c807fe8000000000000000000000");
    EXPECT_EQ(text_of("%pI4", {1}), "0.0.0.0");
}

TEST(Printf, LettersBehindAPointerAreSwallowed) {
    EXPECT_EQ(text_of("%pxyz3 %pI4x,", {1, 0x4000}), "0000000000000001 10.0.200.7,");
}

TEST(Printf, Refused) {
    for (const char* format :
         {"%f",  "%o",    "%n",    "%hd", "%hhx", "%*d",  "%.3d", "%5.3s",   "%#x", "%a",
          "%sx", "%pksx", "%lc",   "%ls", "%pI5", "%pM",  "%pe",  "%pk",     "%",   "%5",
          "%l",  "%lll",  "%lllu", "%zu", "% %",  "\x01", "\x7f", "x\x1b[1m"})
        EXPECT_EQ(print(format, {1, 2, 3}).result, -EINVAL) << format;
    EXPECT_EQ(print("%d %d", {1}).result, -EINVAL);
    EXPECT_EQ(print("%d", {}).result, -EINVAL);
    EXPECT_EQ(print("%f", {1}, 4).text, "####");
}

TEST(Printf, CutsAndCounts) {
    EXPECT_EQ(print("%d", {12345}, 4), (Printed{5, "123"}));
    EXPECT_EQ(print("%d", {12345}, 1), (Printed{5, ""}));
    EXPECT_EQ(print("%d", {12345}, 0), (Printed{5, ""}));
    EXPECT_EQ(print("%2000000000d", {1}, 4), (Printed{2'000'000'000, "   "}));
}

TEST(Printf, StringsShare512Bytes) {
    EXPECT_EQ(text_of("%s%s", {0x3000, 0x3000}), std::string(300 + 210, 'x'));
    EXPECT_EQ(print("%s%s%s", {0x3000, 0x3000, 0x1000}).result, -ENOSPC);
    EXPECT_EQ(print("%s%s%d", {0x3000, 0x3000, 1}).result, -ENOSPC);
}

}  // namespace
}  // namespace skep::engine
