// SPDX-License-Identifier: Apache-2.0
#include "maps/ringbuf.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "maps/maps_testing.hpp"

namespace skep::maps {
namespace {

std::vector<std::vector<uint8_t>> consume_all(Ringbuf& ring) {
    std::vector<std::vector<uint8_t>> records;
    ring.consume([&](std::span<const uint8_t> bytes) {
        records.emplace_back(bytes.begin(), bytes.end());
        return false;
    });
    return records;
}

class RingbufTest : public ::testing::Test {
  protected:
    void SetUp() override {
        map = testing::make({.type = MapType::Ringbuf, .max_entries = 4096});
        ring = map->as<Ringbuf>();
    }
    std::unique_ptr<Map> map;
    Ringbuf* ring = nullptr;
};

TEST_F(RingbufTest, DeliversInTheOrderOfReservation) {
    auto* first = static_cast<uint8_t*>(ring->reserve(1, 0));
    auto* second = static_cast<uint8_t*>(ring->reserve(9, 0));
    auto* third = static_cast<uint8_t*>(ring->reserve(0, 0));
    std::memset(first, 1, 1);
    std::memset(second, 2, 9);
    EXPECT_EQ(second - first, 16);
    EXPECT_EQ(third - second, 24);
    EXPECT_TRUE(ring->submit(second, 0));
    EXPECT_EQ(consume_all(*ring).size(), 0U) << "the first is still busy";
    EXPECT_TRUE(ring->submit(first, 0));
    EXPECT_EQ(consume_all(*ring),
              (std::vector<std::vector<uint8_t>>{{1}, std::vector<uint8_t>(9, 2)}));
    EXPECT_TRUE(ring->discard(third, 0));
    EXPECT_EQ(consume_all(*ring).size(), 0U);
    EXPECT_EQ(ring->query(BPF_RB_AVAIL_DATA), 0U);
    EXPECT_EQ(ring->query(BPF_RB_CONS_POS), 16U + 24 + 8);
    EXPECT_EQ(ring->query(BPF_RB_PROD_POS), 16U + 24 + 8);
    EXPECT_EQ(ring->query(BPF_RB_RING_SIZE), 4096U);
    EXPECT_EQ(ring->query(17), 0U);
}

TEST_F(RingbufTest, RefusesWhatDoesNotFit) {
    EXPECT_EQ(ring->reserve(8, 1), nullptr) << "flags";
    EXPECT_EQ(ring->lost(), 0U);
    EXPECT_EQ(ring->reserve(4096, 0), nullptr);
    EXPECT_EQ(ring->reserve(UINT64_MAX, 0), nullptr);
    EXPECT_EQ(ring->reserve(4088, 0), nullptr) << "the ring may not be filled wholly";
    EXPECT_NE(ring->reserve(4080, 0), nullptr);
    EXPECT_EQ(ring->reserve(0, 0), nullptr);
    EXPECT_EQ(ring->lost(), 4U);
    EXPECT_EQ(ring->output("x", 1, 0), -EAGAIN);
    EXPECT_EQ(ring->output("x", 1, 4), -EINVAL);
    EXPECT_EQ(ring->lost(), 5U);
}

TEST_F(RingbufTest, RefusesToSubmitWhatIsNoRecord) {
    auto* record = static_cast<uint8_t*>(ring->reserve(64, 0));
    uint64_t elsewhere = 0;
    EXPECT_FALSE(ring->submit(&elsewhere, 0));
    EXPECT_FALSE(ring->submit(nullptr, 0));
    EXPECT_FALSE(ring->submit(record + 8, 0));
    EXPECT_FALSE(ring->submit(record + 1, 0));
    EXPECT_FALSE(ring->submit(record - 8, 0));
    EXPECT_TRUE(ring->submit(record, 0));
    EXPECT_FALSE(ring->submit(record, 0)) << "twice";
    EXPECT_FALSE(ring->discard(record, 0));
}

TEST_F(RingbufTest, KnowsWhichRecordAnAddressLiesIn) {
    auto* first = static_cast<uint8_t*>(ring->reserve(20, 0));
    auto* second = static_cast<uint8_t*>(ring->reserve(100, 0));
    EXPECT_EQ(map->value_at(first, 20).data(), first);
    EXPECT_EQ(map->value_at(first + 19, 1).size(), 20U);
    EXPECT_TRUE(map->value_at(first, 21).empty());
    EXPECT_TRUE(map->value_at(first + 20, 1).empty()) << "padding";
    EXPECT_TRUE(map->value_at(second - 8, 8).empty()) << "a header";
    EXPECT_TRUE(map->value_at(first - 8, 1).empty()) << "a header";
    EXPECT_EQ(map->value_at(second + 50, 50).data(), second);
    EXPECT_TRUE(map->value_at(second + 200, 1).empty());
    ring->submit(first, 0);
    EXPECT_TRUE(map->value_at(first, 1).empty()) << "submitted";
    EXPECT_EQ(map->value_at(second, 100).data(), second);
}

TEST_F(RingbufTest, RecordsCrossTheEnd) {
    std::mt19937 random(1);
    uint32_t number = 0;
    for (int round = 0; round < 3000; ++round) {
        const uint32_t size = 4 + random() % 1500;
        auto* record = static_cast<uint8_t*>(ring->reserve(size, 0));
        ASSERT_NE(record, nullptr);
        ASSERT_EQ(map->value_at(record + size - 1, 1).data(), record);
        ASSERT_EQ(map->value_at(record, size).size(), size);
        std::memset(record, round % 251, size);
        ASSERT_TRUE(random() % 4 ? ring->submit(record, 0) : ring->discard(record, 0));
        if (random() % 3 == 0 || ring->query(BPF_RB_AVAIL_DATA) > 2000) {
            ring->consume([&](std::span<const uint8_t> bytes) {
                EXPECT_EQ(bytes.front(), bytes.back());
                ++number;
                return false;
            });
        }
    }
    EXPECT_GT(number, 1000U);
    EXPECT_EQ(ring->lost(), 0U);
}

TEST_F(RingbufTest, AnUnsubmittedRecordIsNeverOverwritten) {
    // As in the kernel: the reader's position is not enough, records from the oldest busy one on
    // must fit too.
    auto* busy = static_cast<uint8_t*>(ring->reserve(8, 0));
    std::memset(busy, 7, 8);
    int accepted = 0;
    for (int i = 0; i < 1000; ++i) accepted += ring->output("12345678", 8, 0) == 0;
    EXPECT_EQ(accepted, 4096 / 16 - 2);
    EXPECT_EQ(busy[0], 7);
    EXPECT_TRUE(ring->submit(busy, 0));
    EXPECT_EQ(consume_all(*ring).size(), 4096U / 16 - 1);
}

TEST_F(RingbufTest, WakesAsTheKernelDoes) {
    int wakeups = 0;
    ring->on_wakeup([&] { ++wakeups; });
    ring->output("a", 1, 0);
    EXPECT_EQ(wakeups, 1) << "the reader had caught up";
    ring->output("b", 1, 0);
    EXPECT_EQ(wakeups, 1) << "it has been told already";
    ring->output("c", 1, BPF_RB_FORCE_WAKEUP);
    EXPECT_EQ(wakeups, 2);
    consume_all(*ring);
    ring->output("d", 1, BPF_RB_NO_WAKEUP);
    EXPECT_EQ(wakeups, 2);
}

TEST_F(RingbufTest, ConsumeStopsWhereToldTo) {
    for (int i = 0; i < 5; ++i) ring->output(&i, sizeof i, 0);
    EXPECT_EQ(ring->consume([](std::span<const uint8_t> bytes) { return bytes[0] == 2; }), 3U);
    EXPECT_EQ(consume_all(*ring).size(), 2U);
    EXPECT_FALSE(ring->wait(std::chrono::milliseconds(1)));
}

TEST_F(RingbufTest, IsNoMapOfElements) {
    uint32_t word = 0;
    EXPECT_EQ(map->lookup(&word, 0), nullptr);
    EXPECT_EQ(map->user_lookup(&word, &word), -kEnotsupp);
    EXPECT_EQ(map->user_update(&word, &word, 0), -kEnotsupp);
    EXPECT_EQ(map->user_erase(&word), -kEnotsupp);
    EXPECT_EQ(map->next_key(nullptr, &word), -kEnotsupp);
}

TEST_F(RingbufTest, ProducersAndASleepingConsumer) {
    constexpr uint64_t kProducers = 3, kEach = 5'000;
    std::atomic<uint64_t> submitted = 0, running = kProducers;
    std::vector<std::thread> threads;
    for (uint64_t producer = 0; producer < kProducers; ++producer)
        threads.emplace_back([&, producer] {
            for (uint64_t i = 0; i < kEach; ++i) {
                auto* record = static_cast<uint64_t*>(ring->reserve(16, 0));
                if (!record) {
                    std::this_thread::yield();
                    continue;
                }
                record[0] = producer;
                record[1] = i;
                ASSERT_TRUE(ring->submit(record, 0));
                ++submitted;
            }
            --running;
        });
    uint64_t received = 0, next[kProducers] = {};
    do {
        ring->consume([&](std::span<const uint8_t> bytes) {
            uint64_t words[2];
            std::memcpy(words, bytes.data(), sizeof words);
            EXPECT_GE(words[1], next[words[0]]) << "each producer's records stay in order";
            next[words[0]] = words[1] + 1;
            ++received;
            return false;
        });
    } while (ring->wait(std::chrono::milliseconds(running ? 1000 : 0)) || running);
    for (std::thread& thread : threads) thread.join();
    received += consume_all(*ring).size();
    EXPECT_EQ(received, submitted);
    EXPECT_EQ(submitted + ring->lost(), kProducers * kEach);
}

TEST(UserRingbuf, IsDrainedByPrograms) {
    const auto map = testing::make({.type = MapType::UserRingbuf, .max_entries = 4096});
    auto* ring = map->as<UserRingbuf>();
    for (uint32_t i = 0; i < 6; ++i) {
        auto* sample = static_cast<uint32_t*>(ring->reserve(4));
        *sample = i;
        ASSERT_TRUE(i == 3 ? ring->discard(sample) : ring->submit(sample));
    }
    std::vector<uint32_t> seen;
    const auto take = [&](std::span<const uint8_t> bytes) {
        seen.push_back(testing::u32_at(bytes.data()));
        EXPECT_EQ(ring->drain([](std::span<const uint8_t>) { return false; }, 0), -EBUSY);
        return seen.back() == 1;
    };
    EXPECT_EQ(ring->drain(take, 4), -EINVAL);
    EXPECT_EQ(ring->drain(take, 0), 2);
    EXPECT_EQ(ring->drain(take, BPF_RB_FORCE_WAKEUP), 3);
    EXPECT_EQ(ring->drain(take, 0), 0);
    EXPECT_EQ(seen, (std::vector<uint32_t>{0, 1, 2, 4, 5}));
}

}  // namespace
}  // namespace skep::maps
