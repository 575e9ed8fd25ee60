// SPDX-License-Identifier: Apache-2.0
#include "maps/queue.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "maps/bloom.hpp"
#include "maps/maps_testing.hpp"

namespace skep::maps {
namespace {

class QueueOrStack : public ::testing::TestWithParam<MapType> {};

TEST_P(QueueOrStack, AgreesWithADeque) {
    const auto map = testing::make({.type = GetParam(), .value_size = 4, .max_entries = 7});
    std::deque<uint32_t> model;
    std::mt19937 random(3);
    for (int step = 0; step < 20000; ++step) {
        uint32_t value = random();
        switch (random() % 5) {
            case 0:
            case 1: {
                const uint64_t flags = random() % 4;
                int expected = 0;
                if (flags == BPF_NOEXIST || flags > BPF_EXIST)
                    expected = -EINVAL;
                else if (model.size() == 7 && flags == BPF_ANY)
                    expected = -E2BIG;
                ASSERT_EQ(map->push(&value, flags), expected);
                if (expected) break;
                if (model.size() == 7) model.pop_front();
                model.push_back(value);
                break;
            }
            default: {
                const bool remove = random() % 2;
                const int error = remove ? map->pop(&value) : map->peek(&value);
                ASSERT_EQ(error, model.empty() ? -ENOENT : 0);
                if (model.empty()) {
                    ASSERT_EQ(value, 0U);
                    break;
                }
                const bool queue = GetParam() == MapType::Queue;
                ASSERT_EQ(value, queue ? model.front() : model.back());
                if (remove) queue ? model.pop_front() : model.pop_back();
            }
        }
    }
}

TEST_P(QueueOrStack, HasNoKeys) {
    const auto map = testing::make({.type = GetParam(), .value_size = 4, .max_entries = 2});
    uint32_t value = 9;
    EXPECT_EQ(map->update(nullptr, &value, 0, 0), -EINVAL);
    EXPECT_EQ(map->user_erase(nullptr), -EINVAL);
    EXPECT_EQ(map->next_key(nullptr, &value), -EINVAL);
    EXPECT_EQ(map->user_update(nullptr, &value, BPF_ANY), 0);
    value = 0;
    EXPECT_EQ(map->user_lookup(nullptr, &value), 0);
    EXPECT_EQ(value, 9U);
    EXPECT_EQ(map->user_lookup_and_delete(nullptr, &value), 0);
    EXPECT_EQ(map->user_lookup_and_delete(nullptr, &value), -ENOENT);
}

TEST_P(QueueOrStack, ThreadsGetEachValueOnce) {
    const auto map = testing::make({.type = GetParam(), .value_size = 8, .max_entries = 100});
    constexpr uint64_t kEach = 5000;
    std::atomic<uint64_t> sum = 0, count = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            for (uint64_t value = 1; value <= kEach; ++value)
                while (map->push(&value, BPF_ANY) != 0) std::this_thread::yield();
        });
        threads.emplace_back([&] {
            uint64_t value = 0;
            while (count < 2 * kEach) {
                if (map->pop(&value) != 0) {
                    std::this_thread::yield();
                    continue;
                }
                sum += value;
                ++count;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(sum, kEach * (kEach + 1));
}

INSTANTIATE_TEST_SUITE_P(Types, QueueOrStack, ::testing::Values(MapType::Queue, MapType::Stack));

TEST(BloomFilter, ForgetsNothingAndIsRarelyWrong) {
    for (const uint64_t functions : {0, 1, 5, 15}) {
        const auto map = testing::make({.type = MapType::BloomFilter,
                                        .value_size = 8,
                                        .max_entries = 2000,
                                        .extra = functions});
        for (uint64_t value = 0; value < 2000; ++value) ASSERT_EQ(map->push(&value, BPF_ANY), 0);
        for (uint64_t value = 0; value < 2000; ++value) ASSERT_EQ(map->peek(&value), 0);
        int wrong = 0;
        for (uint64_t value = 2000; value < 12000; ++value) wrong += map->peek(&value) == 0;
        EXPECT_LT(wrong, functions == 1 ? 6000 : 600) << functions;
    }
}

TEST(BloomFilter, OnlyPushesAndPeeks) {
    const auto map =
        testing::make({.type = MapType::BloomFilter, .value_size = 4, .max_entries = 10});
    uint32_t value = 4;
    EXPECT_EQ(map->push(&value, BPF_NOEXIST), -EINVAL);
    EXPECT_EQ(map->pop(&value), -EOPNOTSUPP);
    EXPECT_EQ(map->user_erase(nullptr), -EOPNOTSUPP);
    EXPECT_EQ(map->next_key(nullptr, &value), -EOPNOTSUPP);
    EXPECT_EQ(map->update(nullptr, &value, 0, 0), -EINVAL);
    EXPECT_EQ(map->user_lookup(nullptr, &value), -ENOENT);
    EXPECT_EQ(map->user_update(nullptr, &value, BPF_ANY), 0);
    EXPECT_EQ(map->user_lookup(nullptr, &value), 0);
    EXPECT_EQ(map->user_lookup_and_delete(nullptr, &value), -kEnotsupp);
}

}  // namespace
}  // namespace skep::maps
