// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "maps/maps_testing.hpp"

// Readers and writers at once. Under the tsan preset these also show that every access to shared
// memory is one that the C++ memory model allows.

namespace skep::maps {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kRounds = 4'000;
#else
constexpr int kRounds = 50'000;
#endif

/// A key whose words all say the same, so that a key pieced together of two shows.
struct WideKey {
    uint64_t words[3];
    explicit WideKey(uint64_t number) : words{number, number, number} {}
};

struct Value {
    uint64_t key, copy;
};

void run(std::vector<std::thread>& threads) {
    for (std::thread& thread : threads) thread.join();
}

TEST(HashThreads, AKeyThatStaysIsAlwaysFound) {
    for (const uint32_t key_size : {8U, 16U, 24U}) {
        const auto map = testing::make({.type = MapType::Hash,
                                        .key_size = key_size,
                                        .value_size = sizeof(Value),
                                        .max_entries = 64});
        // The lower half of the keys stays (and is updated), the upper half comes and goes.
        for (uint64_t number = 0; number < 32; ++number) {
            const WideKey key(number);
            const Value value{number, number};
            ASSERT_EQ(map->update(&key, &value, BPF_ANY, 0), 0);
        }
        std::atomic<bool> stop = false;
        std::vector<std::thread> threads;
        for (int writer = 0; writer < 2; ++writer)
            threads.emplace_back([&, writer] {
                std::mt19937 random(writer);
                for (int i = 0; i < kRounds; ++i) {
                    const uint64_t number = random() % 64;
                    const WideKey key(number);
                    const Value value{number, number};
                    if (number >= 32 && random() % 2) {
                        map->erase(&key);
                    } else {
                        ASSERT_EQ(map->update(&key, &value, BPF_ANY, 0), 0);
                    }
                }
                stop = true;
            });
        threads.emplace_back([&] {
            std::mt19937 random(9);
            while (!stop) {
                const uint64_t number = random() % 32;
                const WideKey key(number);
                const void* found = map->lookup(&key, 0);
                ASSERT_NE(found, nullptr);
                Value read{};
                ASSERT_EQ(map->user_lookup(&key, &read), 0);
                ASSERT_EQ(read.key, number);
                ASSERT_EQ(read.copy, number);
            }
        });
        threads.emplace_back([&] {
            std::mt19937 random(10);
            while (!stop) {
                const WideKey key(random() % 64);
                WideKey next(0);
                if (map->next_key(&key, &next) != 0) continue;
                for (uint32_t word = 0; word < key_size / 8; ++word)
                    ASSERT_EQ(next.words[word], next.words[0]) << "a torn key";
                ASSERT_LT(next.words[0], 64U);
            }
        });
        run(threads);
    }
}

TEST(HashThreads, WritersCountExactly) {
    const auto map =
        testing::make({.type = MapType::Hash, .key_size = 8, .value_size = 8, .max_entries = 5000});
    std::atomic<int> inserted = 0, refused = 0;
    std::vector<std::thread> threads;
    for (uint64_t writer = 0; writer < 4; ++writer)
        threads.emplace_back([&, writer] {
            for (uint64_t i = 0; i < 2000; ++i) {
                const uint64_t key = writer << 32 | i;
                const int error = map->update(&key, &key, BPF_NOEXIST, 0);
                ASSERT_TRUE(error == 0 || error == -E2BIG) << error;
                ++(error ? refused : inserted);
            }
        });
    run(threads);
    EXPECT_EQ(inserted, 5000);
    EXPECT_EQ(refused, 3000);
    EXPECT_EQ(map->for_each([](const void*, void*) { return false; }, 0, 0), 5000);
}

TEST(HashThreads, CountersInValuesLoseNothing) {
    const auto map =
        testing::make({.type = MapType::Hash, .key_size = 4, .value_size = 8, .max_entries = 16});
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 3; ++thread)
        threads.emplace_back([&] {
            for (uint32_t i = 0; i < kRounds; ++i) {
                const uint32_t key = i % 16;
                const uint64_t zero = 0;
                void* value = map->lookup(&key, 0);
                if (!value) {
                    map->update(&key, &zero, BPF_NOEXIST, 0);
                    value = map->lookup(&key, 0);
                }
                __atomic_fetch_add(static_cast<uint64_t*>(value), 1, __ATOMIC_RELAXED);
            }
        });
    run(threads);
    uint64_t sum = 0;
    map->for_each(
        [&](const void*, void* value) {
            sum += testing::u64_at(value);
            return false;
        },
        0, 0);
    EXPECT_EQ(sum, uint64_t{3} * kRounds);
}

TEST(HashThreads, LruNeverRefuses) {
    for (const MapType type : {MapType::LruHash, MapType::LruPercpuHash}) {
        const auto map =
            testing::make({.type = type, .key_size = 8, .value_size = 8, .max_entries = 500});
        std::vector<std::thread> threads;
        for (uint32_t writer = 0; writer < 3; ++writer)
            threads.emplace_back([&, writer] {
                std::mt19937 random(writer);
                for (int i = 0; i < kRounds / 4; ++i) {
                    const uint64_t key = random() % 5000;
                    ASSERT_EQ(map->update(&key, &key, BPF_ANY, writer % possible_cpus()), 0);
                    if (random() % 16 == 0) map->erase(&key);
                    const void* found = map->lookup(&key, 0);
                    ASSERT_TRUE(!found || testing::u64_at(found) < 5000U);
                }
            });
        run(threads);
        EXPECT_LE(map->for_each([](const void*, void*) { return false; }, 0, 0), 500);
        EXPECT_GE(map->for_each([](const void*, void*) { return false; }, 0, 0), 490);
    }
}

}  // namespace
}  // namespace skep::maps
