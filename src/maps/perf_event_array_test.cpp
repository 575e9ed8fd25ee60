// SPDX-License-Identifier: Apache-2.0
#include "maps/perf_event_array.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <vector>

#include "maps/maps_testing.hpp"

namespace skep::maps {
namespace {

std::unique_ptr<Map> events(uint32_t entries) {
    return testing::make(
        {.type = MapType::PerfEventArray, .key_size = 4, .value_size = 4, .max_entries = entries});
}

TEST(PerfEventArray, QueuesRecordsForEachCpu) {
    const auto map = events(possible_cpus());
    auto* array = map->as<PerfEventArray>();
    int wakeups = 0;
    array->on_wakeup([&] { ++wakeups; });
    const uint8_t first[] = {1, 2, 3}, second[] = {4};
    const uint32_t last = possible_cpus() - 1;
    EXPECT_EQ(array->output(last, first, BPF_F_CURRENT_CPU), 0);
    EXPECT_EQ(array->output(0, second, 0, first), 0);
    EXPECT_EQ(wakeups, 2);
    std::vector<std::vector<uint8_t>> seen;
    std::vector<uint32_t> cpus;
    const auto take = [&](uint32_t cpu, std::span<const uint8_t> bytes) {
        cpus.push_back(cpu);
        seen.emplace_back(bytes.begin(), bytes.end());
        return false;
    };
    EXPECT_EQ(array->consume(take), 2U);
    EXPECT_EQ(array->consume(take), 0U);
    ASSERT_EQ(seen.size(), 2U);
    const bool one_cpu = last == 0;
    EXPECT_EQ(seen[one_cpu ? 0 : 1], (std::vector<uint8_t>{1, 2, 3}));
    EXPECT_EQ(seen[one_cpu ? 1 : 0], (std::vector<uint8_t>{4, 1, 2, 3}));
    EXPECT_EQ(cpus.back(), one_cpu ? 0 : last);
}

TEST(PerfEventArray, RefusesAsTheKernelDoes) {
    const auto map = events(1);
    auto* array = map->as<PerfEventArray>();
    const uint8_t bytes[] = {1};
    EXPECT_EQ(array->output(0, bytes, 1), -E2BIG);
    EXPECT_EQ(array->output(0, bytes, uint64_t{1} << 60), -EINVAL);
    EXPECT_EQ(array->output(1, bytes, BPF_F_CURRENT_CPU), -E2BIG);
    EXPECT_EQ(array->output(1, bytes, 0), -EOPNOTSUPP);
    uint32_t key = 0;
    EXPECT_EQ(map->user_lookup(&key, &key), -kEnotsupp);
    EXPECT_EQ(map->user_update(&key, &key, BPF_ANY), -EBADF);
    EXPECT_EQ(map->user_erase(&key), -ENOENT);
    key = 1;
    EXPECT_EQ(map->user_erase(&key), -E2BIG);
}

TEST(PerfEventArray, CountsWhatItLoses) {
    const auto map = events(1);
    auto* array = map->as<PerfEventArray>();
    const std::vector<uint8_t> bytes(1000);
    uint64_t accepted = 0;
    for (int i = 0; i < 1000; ++i) {
        const int error = array->output(0, bytes, 0);
        ASSERT_TRUE(error == 0 || error == -ENOSPC);
        accepted += error == 0;
    }
    EXPECT_EQ(accepted + array->lost(), 1000U);
    EXPECT_GT(array->lost(), 0U);
    EXPECT_EQ(array->consume([](uint32_t, std::span<const uint8_t>) { return false; }), accepted);
}

}  // namespace
}  // namespace skep::maps
