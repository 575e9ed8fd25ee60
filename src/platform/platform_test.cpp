// SPDX-License-Identifier: Apache-2.0
#include "platform/platform.hpp"

#include <gtest/gtest.h>

namespace skep::platform {
namespace {

TEST(Platform, AnswersForItself) {
    const ProgKind xdp{ProgType::Xdp};
    EXPECT_TRUE(embedded().helper(xdp, HelperId::redirect_map));
    EXPECT_FALSE(embedded().helper(xdp, HelperId::fib_lookup));
    EXPECT_TRUE(linux_6_18().helper(xdp, HelperId::fib_lookup));
    EXPECT_FALSE(embedded().has_map(MapType::Sockmap));
    EXPECT_TRUE(linux_6_18().has_map(MapType::Sockmap));
    EXPECT_FALSE(linux_6_18().has_map(MapType::Unspec));
}

TEST(Platform, EmbeddedHasConfigurationAndTypes) {
    EXPECT_EQ(embedded().version_code(), 0x061200u);
    EXPECT_EQ(embedded().kconfig_value("CONFIG_HZ"), "250");
    EXPECT_EQ(embedded().kconfig_value("CONFIG_NOTHING"), std::nullopt);
    EXPECT_GT(embedded().btf.size(), 10'000u);
}

}  // namespace
}  // namespace skep::platform
