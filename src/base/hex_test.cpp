// SPDX-License-Identifier: Apache-2.0
#include "base/hex.hpp"

#include <gtest/gtest.h>

namespace skep {
namespace {

TEST(Hex, RoundTrips) {
    const Bytes bytes = {0x00, 0x7f, 0xab};
    EXPECT_EQ(to_hex(bytes), "007fab");
    EXPECT_EQ(from_hex("00 7F\nab"), bytes);
    EXPECT_EQ(from_hex(""), Bytes());
}

TEST(Hex, RefusesHalfBytesAndOtherCharacters) {
    EXPECT_FALSE(from_hex("0"));
    EXPECT_FALSE(from_hex("0 1"));
    EXPECT_FALSE(from_hex("0x12"));
}

}  // namespace
}  // namespace skep
