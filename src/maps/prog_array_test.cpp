// SPDX-License-Identifier: Apache-2.0
#include "maps/prog_array.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <atomic>
#include <thread>

#include "maps/maps_testing.hpp"
#include "maps/rcu.hpp"

namespace skep::maps {
namespace {

std::unique_ptr<Map> progs(uint32_t entries) {
    return testing::make(
        {.type = MapType::ProgArray, .key_size = 4, .value_size = 4, .max_entries = entries});
}

TEST(ProgArray, HoldsProgramsAndShowsIds) {
    const auto map = progs(4);
    auto* array = map->as<ProgArray>();
    ASSERT_NE(array, nullptr);
    uint32_t key = 2, id = 0;
    const auto prog = std::make_shared<int>(5);
    EXPECT_EQ(array->prog_at(2), nullptr);
    EXPECT_EQ(map->user_lookup(&key, &id), -ENOENT);
    EXPECT_EQ(array->set_prog(2, prog, 77), 0);
    EXPECT_EQ(array->prog_at(2), prog.get());
    EXPECT_EQ(map->user_lookup(&key, &id), 0);
    EXPECT_EQ(id, 77U);
    EXPECT_EQ(map->user_erase(&key), 0);
    EXPECT_EQ(array->prog_at(2), nullptr);
    EXPECT_EQ(map->user_erase(&key), -ENOENT);

    EXPECT_EQ(map->user_update(&key, &id, BPF_ANY), -EBADF);
    EXPECT_EQ(map->user_update(&key, &id, BPF_EXIST), -EINVAL);
    key = 4;
    EXPECT_EQ(map->user_update(&key, &id, BPF_ANY), -E2BIG);
    EXPECT_EQ(map->user_erase(&key), -E2BIG);
    EXPECT_EQ(array->set_prog(4, prog, 1), -E2BIG);
    EXPECT_EQ(array->prog_at(4), nullptr);
    EXPECT_EQ(map->lookup(&key, 0), nullptr);
}

TEST(ProgArray, KeepsWhatRunsUntilItHasEnded) {
    const auto map = progs(1);
    auto* array = map->as<ProgArray>();
    std::weak_ptr<int> first;
    {
        auto prog = std::make_shared<int>(1);
        first = prog;
        array->set_prog(0, std::move(prog), 1);
    }
    {
        const rcu::ReadGuard running;
        const auto* prog = static_cast<const int*>(array->prog_at(0));
        array->set_prog(0, std::make_shared<int>(2), 2);
        EXPECT_EQ(*prog, 1);
        EXPECT_FALSE(first.expired());
        EXPECT_EQ(*static_cast<const int*>(array->prog_at(0)), 2);
    }
    rcu::barrier();
    EXPECT_TRUE(first.expired());
}

TEST(ProgArray, IsReadWhileItIsReplaced) {
    const auto map = progs(1);
    auto* array = map->as<ProgArray>();
    array->set_prog(0, std::make_shared<uint64_t>(1), 1);
    std::atomic<bool> stop = false;
    std::thread reader([&] {
        uint64_t last = 0;
        while (!stop) {
            const rcu::ReadGuard running;
            const uint64_t now = *static_cast<const uint64_t*>(array->prog_at(0));
            ASSERT_GE(now, last);
            last = now;
        }
    });
    for (uint64_t i = 2; i < 2000; ++i) array->set_prog(0, std::make_shared<uint64_t>(i), 1);
    stop = true;
    reader.join();
    rcu::barrier();
}

}  // namespace
}  // namespace skep::maps
