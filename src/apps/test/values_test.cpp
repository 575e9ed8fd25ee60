// SPDX-License-Identifier: Apache-2.0
#include "apps/test/values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hex.hpp"
#include "platform/embedded.hpp"

namespace skep::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The types of the embedded platform serve as an object's.
const btf::Btf& types() {
    static const auto btf = [] {
        const ByteView bytes = platform::embedded_btf();
        return *btf::Btf::parse(Bytes(bytes.begin(), bytes.end()));
    }();
    return *btf;
}

Shape shape_of(std::string_view name) {
    const auto type = types().find(name, btf::Kind::Struct);
    EXPECT_TRUE(type) << name;
    return {&types(), type->id(), type->size()};
}

Result<Value> value_of(const Shape& shape, std::string_view text) {
    const auto node = parse_yaml(text, "t.yaml");
    EXPECT_TRUE(node) << text;
    return encode(shape, *node);
}

std::string bytes_of_value(const Shape& shape, std::string_view text) {
    const auto value = value_of(shape, text);
    EXPECT_TRUE(value) << text << ": " << (value ? "" : value.error().to_string());
    return value ? to_hex(value->bytes) : "";
}

std::string error_of(const Shape& shape, std::string_view text) {
    const auto value = value_of(shape, text);
    EXPECT_FALSE(value) << text;
    return value ? "" : value.error().to_string();
}

TEST(Values, FieldsOfStructs) {
    const Shape entry = shape_of("trace_entry");  // u16, u8, u8, int
    EXPECT_EQ(bytes_of_value(entry, "{type: 0x102, flags: 3, pid: -2}"), "02010300feffffff");
    EXPECT_EQ(bytes_of_value(entry, "0201030000000000"), "0201030000000000");
    EXPECT_EQ(bytes_of_value(entry, "{type: be16(0x0102)}"), "0102000000000000");
    // A member of a member; a path.
    const Shape enter = shape_of("syscall_trace_enter");
    EXPECT_EQ(bytes_of_value(enter, "{ent: {pid: 1}}"), bytes_of_value(enter, "{ent.pid: 1}"));
    EXPECT_EQ(bytes_of_value(enter, "{args: [1]}"), bytes_of_value(enter, "{args: {0: 1}}"));
}

TEST(Values, TextAndItsEnd) {
    const Shape exit = shape_of("trace_event_raw_sched_process_exit");
    const auto value = value_of(exit, "{comm: cat}");
    ASSERT_TRUE(value);
    Bytes actual(exit.size);
    std::ranges::copy(std::string_view("cat\0rest", 8), actual.begin() + 8);
    EXPECT_TRUE(value->matches(actual));
    actual[11] = 's';
    EXPECT_FALSE(value->matches(actual));
    EXPECT_THAT(differences(exit, *value, actual),
                ElementsAre("comm: expected \"cat\", actual \"catsrest\""));
    EXPECT_THAT(error_of(exit, "{comm: seventeen bytes it}"), HasSubstr("there is room for 16"));
}

TEST(Values, OnlyWhatIsNamedIsCompared) {
    const Shape entry = shape_of("trace_entry");
    const auto value = value_of(entry, "{pid: 7}");
    ASSERT_TRUE(value);
    EXPECT_TRUE(value->matches(*from_hex("ffffffff07000000")));
    EXPECT_FALSE(value->matches(*from_hex("0000000008000000")));
    EXPECT_FALSE(value->matches(*from_hex("00000000")));
    EXPECT_THAT(differences(entry, *value, *from_hex("0000000008000000")),
                ElementsAre("pid: expected 7, actual 8"));
}

TEST(Values, ErrorsSayWhereAndWhat) {
    const Shape entry = shape_of("trace_entry");
    EXPECT_EQ(error_of(entry, "{flag: 1}"),
              "error: t.yaml:1:2: struct trace_entry has no field 'flag'\n"
              "hint: did you mean 'flags'?");
    EXPECT_THAT(error_of(entry, "{flags: 256}"), HasSubstr("'256' does not fit into 8 bits"));
    EXPECT_THAT(error_of(entry, "{flags: -129}"), HasSubstr("does not fit"));
    EXPECT_THAT(error_of(entry, "{flags: x}"), HasSubstr("where a number should"));
    EXPECT_THAT(error_of(entry, "[1, 2]"), HasSubstr("a list stands where"));
    EXPECT_THAT(error_of(shape_of("syscall_trace_enter"), "{args: [1,2,3,4,5,6,7]}"),
                HasSubstr("element 6; the array has 6"));
}

TEST(Values, WithoutTypes) {
    EXPECT_EQ(bytes_of_value({.size = 4}, "10.0.0.1"), "0a000001");
    EXPECT_EQ(bytes_of_value({.size = 4}, "258"), "02010000");
    EXPECT_EQ(bytes_of_value({.size = 8}, "-1"), "ffffffffffffffff");
    EXPECT_EQ(bytes_of_value({.size = 6}, "02:00:00:00:00:01"), "020000000001");
    EXPECT_EQ(bytes_of_value({.size = 16}, "fd00::1"), "fd000000000000000000000000000001");
    EXPECT_EQ(bytes_of_value({.size = 3}, "[1, 2, 3]"), "010203");
    EXPECT_THAT(error_of({.size = 3}, "0102"), HasSubstr("not 3 bytes"));
}

TEST(Values, CpusAreAddedUp) {
    const Shape number{.size = 4};
    EXPECT_EQ(to_hex(sum_cpus(number, *from_hex("0100000000000000ff00000000000000"), 8)),
              "00010000");
    const Shape exit = shape_of("syscall_trace_exit");  // entry, int nr, long ret
    Bytes copies(2 * size_t{exit.size});
    copies[8] = 3, copies[exit.size + 8] = 4;
    copies[16] = 0xff, copies[exit.size + 16] = 1;
    const Bytes sum = sum_cpus(exit, copies, exit.size);
    EXPECT_EQ(sum[8], 7);
    EXPECT_EQ(sum[16], 0);
    EXPECT_EQ(sum[17], 1);
}

TEST(Values, BytesAreTextHexOrAList) {
    const auto bytes = [](std::string_view text) {
        const auto value = read_bytes(*parse_yaml(text, "t"));
        return value ? to_hex(*value) : "error";
    };
    EXPECT_EQ(bytes("'ab'"), "6162");
    EXPECT_EQ(bytes("ab"), "ab");
    EXPECT_EQ(bytes("0xab cd"), "abcd");
    EXPECT_EQ(bytes("[1, 0xff]"), "01ff");
    EXPECT_EQ(bytes("xy"), "error");
    EXPECT_EQ(bytes("[256]"), "error");
}

}  // namespace
}  // namespace skep::test
