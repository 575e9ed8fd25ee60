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

TEST(Platform, OlderReleasesHaveLess) {
    const Platform* old = find_platform("5.15");
    ASSERT_EQ(old, &linux_5_15());
    EXPECT_EQ(find_platform("linux-5.15"), old);
    EXPECT_EQ(find_platform("embedded"), &embedded());
    EXPECT_EQ(find_platform("5.16"), nullptr);
    EXPECT_FALSE(old->has_map(MapType::CgrpStorage));
    EXPECT_TRUE(linux_6_12().has_map(MapType::CgrpStorage));
    EXPECT_TRUE(old->has_map(MapType::Ringbuf));
    const ProgKind xdp{ProgType::Xdp};
    EXPECT_FALSE(old->helper(xdp, HelperId::dynptr_from_mem));
    EXPECT_TRUE(linux_6_1().helper(xdp, HelperId::dynptr_from_mem));
    EXPECT_EQ(platforms().size(), 5u);
}

TEST(Platform, EmbeddedHasConfigurationAndTypes) {
    EXPECT_EQ(embedded().version_code(), 0x061200u);
    EXPECT_EQ(embedded().kconfig_value("CONFIG_HZ"), "250");
    EXPECT_EQ(embedded().kconfig_value("CONFIG_NOTHING"), std::nullopt);
    EXPECT_GT(embedded().btf.size(), 10'000u);
}

}  // namespace
}  // namespace skep::platform
