// SPDX-License-Identifier: Apache-2.0
#include "cli/attach_words.hpp"

#include <gmock/gmock.h>

namespace skep::cli {
namespace {

TEST(AttachWords, NetfilterHooks) {
    const auto output = netfilter_hook("ipv6/output:-100");
    ASSERT_TRUE(output);
    EXPECT_EQ(output->family, 10u);
    EXPECT_EQ(output->hook, 3u);
    EXPECT_EQ(output->priority, -100);
    const auto input = netfilter_hook("input");
    ASSERT_TRUE(input);
    EXPECT_EQ(input->family, 2u);
    EXPECT_EQ(input->hook, 1u);
    EXPECT_EQ(input->priority, NetfilterHook().priority);
    for (const char* wrong :
         {"", "inputs", "input:", "input:1x", "ipv5/input", "input:99999999999"})
        EXPECT_EQ(netfilter_hook(wrong).error().exit_code(), 2) << wrong;
}

TEST(AttachWords, PerfEvents) {
    const auto faults = perf_event("page-faults:7");
    ASSERT_TRUE(faults);
    EXPECT_EQ(faults->type, 1u);
    EXPECT_EQ(faults->config, 2u);
    EXPECT_EQ(faults->period, 7u);
    const auto clock = perf_event("cpu-clock");
    ASSERT_TRUE(clock);
    EXPECT_EQ(clock->period, 0u);
    EXPECT_EQ(clock->frequency, 99u);
    for (const char* wrong : {"", "clock", "cycles:", "cycles:0", "cycles:-1"})
        EXPECT_EQ(perf_event(wrong).error().exit_code(), 2) << wrong;
}

}  // namespace
}  // namespace skep::cli
