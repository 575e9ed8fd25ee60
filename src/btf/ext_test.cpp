// SPDX-License-Identifier: Apache-2.0
#include "btf/ext.hpp"

#include <gmock/gmock.h>

#include "btf/writer.hpp"

namespace skep::btf {
namespace {

using ::testing::HasSubstr;

Bytes words(std::initializer_list<uint32_t> values) {
    Bytes bytes;
    for (const uint32_t value : values) append(bytes, value);
    return bytes;
}

constexpr uint32_t kStart = 0x0001eb9f;

class ExtTest : public ::testing::Test {
  protected:
    ExtTest() {
        Writer w;
        name_ = w.add_string("xdp");
        btf_ = *Btf::parse(w.finish());
    }
    std::string error_of(const Bytes& bytes) const {
        const auto ext = Ext::parse(bytes, *btf_);
        return ext ? "parsed" : ext.error().message;
    }
    uint32_t name_;
    std::shared_ptr<const Btf> btf_;
};

TEST_F(ExtTest, ReadsTablesWithLongerRecordsThanKnown) {
    const auto ext =
        Ext::parse(words({kStart, 32,    0, 24, 24, 28,     52,
                          28,                                // header and where the tables are
                          12,     name_, 1, 0,  77, 0xdead,  // functions, 12 bytes a record
                          16,     name_, 1, 8,  1,  2,      3 << 10 | 4,  // lines
                          16,     name_, 1, 16, 5,  6,      12}),         // relocations
                   *btf_);
    ASSERT_TRUE(ext) << ext.error().message;
    ASSERT_EQ(ext->funcs.size(), 1u);
    EXPECT_EQ(ext->funcs[0].name, "xdp");
    EXPECT_EQ(ext->funcs[0].records[0].type, 77u);
    EXPECT_EQ(ext->lines[0].records[0].line(), 3u);
    EXPECT_EQ(ext->lines[0].records[0].column(), 4u);
    EXPECT_EQ(ext->relocations[0].records[0].kind, 12u);
}

TEST_F(ExtTest, AnOldHeaderHasNoRelocations) {
    const auto ext = Ext::parse(words({kStart, 24, 0, 0, 0, 0}), *btf_);
    ASSERT_TRUE(ext) << ext.error().message;
    EXPECT_TRUE(ext->relocations.empty());
}

TEST_F(ExtTest, RefusesTablesThatLie) {
    const auto table = [&](std::initializer_list<uint32_t> functions) {
        Bytes bytes = words({kStart, 24, 0, uint32_t(functions.size() * 4), 0, 0});
        append(bytes, words(functions));
        return bytes;
    };
    EXPECT_EQ(error_of(table({8, name_, 1, 0, 1})), "parsed");
    EXPECT_THAT(error_of({}), HasSubstr("truncated"));
    EXPECT_THAT(error_of(words({0x0001'9feb, 24, 0, 0, 0, 0})), HasSubstr("big-endian"));
    EXPECT_THAT(error_of(words({0x0009eb9f, 24, 0, 0, 0, 0})), HasSubstr("version 9"));
    EXPECT_THAT(error_of(words({kStart, 8, 0, 0, 0, 0})), HasSubstr("header of 8 bytes"));
    EXPECT_THAT(error_of(words({kStart, 24, 0, 4, 0, 0})), HasSubstr("outside"));
    EXPECT_THAT(error_of(words({kStart, 24, 0xfffffff0, 32, 0, 0})), HasSubstr("outside"));
    EXPECT_THAT(error_of(table({4, name_, 1, 0})), HasSubstr("records of 4 bytes"));
    EXPECT_THAT(error_of(table({9, name_, 1, 0, 1})), HasSubstr("records of 9 bytes"));
    EXPECT_THAT(error_of(table({8, name_, 2, 0, 1})), HasSubstr("counts 2 records"));
    EXPECT_THAT(error_of(table({8, name_, 0xffffffff, 0, 1})), HasSubstr("do not fit"));
    EXPECT_THAT(error_of(table({8, name_, 0})), HasSubstr("counts 0 records"));
    EXPECT_THAT(error_of(table({8, name_})), HasSubstr("truncated"));
    EXPECT_THAT(error_of(table({8, 4000, 1, 0, 1})), HasSubstr("no section"));
}

}  // namespace
}  // namespace skep::btf
