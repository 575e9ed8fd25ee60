// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.hpp"

#include <gtest/gtest.h>

namespace skep {
namespace {

const Bytes kBytes = {1, 2, 3, 4, 'h', 'i', 0, 'x'};

TEST(Bytes, LoadStopsAtTheEnd) {
    EXPECT_EQ(load<uint32_t>(kBytes, 0), 0x04030201u);
    EXPECT_EQ(load<uint16_t>(kBytes, 1), 0x0302u);
    EXPECT_TRUE(load<uint32_t>(kBytes, 4));
    EXPECT_FALSE(load<uint32_t>(kBytes, 5));
    EXPECT_FALSE(load<uint8_t>(kBytes, 8));
    EXPECT_FALSE(load<uint64_t>(kBytes, UINT64_MAX - 3));
}

TEST(Bytes, SliceDoesNotWrap) {
    EXPECT_EQ(slice(kBytes, 2, 6)->size(), 6u);
    EXPECT_EQ(slice(kBytes, 8, 0)->size(), 0u);
    EXPECT_FALSE(slice(kBytes, 2, 7));
    EXPECT_FALSE(slice(kBytes, 9, 0));
    EXPECT_FALSE(slice(kBytes, 4, UINT64_MAX - 1));
}

TEST(Bytes, StringsNeedTheirEnd) {
    EXPECT_EQ(load_string(kBytes, 4), "hi");
    EXPECT_EQ(load_string(kBytes, 6), "");
    EXPECT_FALSE(load_string(kBytes, 7));
    EXPECT_FALSE(load_string(kBytes, 8));
}

TEST(Bytes, AppendAndAlign) {
    Bytes out;
    append(out, uint16_t{0x0201});
    append(out, bytes_of(std::string_view("ab")));
    EXPECT_EQ(out, (Bytes{1, 2, 'a', 'b'}));
    EXPECT_EQ(align_up(0, 8), 0u);
    EXPECT_EQ(align_up(9, 8), 16u);
}

}  // namespace
}  // namespace skep
