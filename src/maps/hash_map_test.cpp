// SPDX-License-Identifier: Apache-2.0
#include "maps/hash_map.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstring>
#include <set>
#include <vector>

#include "maps/maps_testing.hpp"

namespace skep::maps {
namespace {

using testing::make;
using testing::u64_at;

std::unique_ptr<Map> hash(uint32_t entries, MapType type = MapType::Hash, uint32_t flags = 0) {
    return make(
        {.type = type, .key_size = 8, .value_size = 8, .max_entries = entries, .flags = flags});
}

int put(Map& map, uint64_t key, uint64_t value, uint64_t flags = BPF_ANY) {
    return map.update(&key, &value, flags, 0);
}
uint64_t* get(Map& map, uint64_t key) {
    return static_cast<uint64_t*>(map.lookup(&key, 0));
}
int drop(Map& map, uint64_t key) {
    return map.erase(&key);
}

std::set<uint64_t> keys_of(Map& map) {
    std::set<uint64_t> keys;
    uint64_t key = 0;
    for (int error = map.next_key(nullptr, &key); error == 0; error = map.next_key(&key, &key))
        EXPECT_TRUE(keys.insert(key).second) << key << " came twice";
    return keys;
}

TEST(Hash, ObeysTheFlagsOfAnUpdate) {
    const auto map = hash(2);
    EXPECT_EQ(get(*map, 1), nullptr);
    EXPECT_EQ(put(*map, 1, 10, BPF_EXIST), -ENOENT);
    EXPECT_EQ(put(*map, 1, 10, BPF_NOEXIST), 0);
    EXPECT_EQ(put(*map, 1, 11, BPF_NOEXIST), -EEXIST);
    EXPECT_EQ(*get(*map, 1), 10U);
    EXPECT_EQ(put(*map, 1, 12, BPF_EXIST), 0);
    EXPECT_EQ(*get(*map, 1), 12U);
    EXPECT_EQ(put(*map, 1, 13, 3), -EINVAL);
    EXPECT_EQ(put(*map, 1, 13, BPF_F_LOCK), -EINVAL);
    EXPECT_EQ(drop(*map, 1), 0);
    EXPECT_EQ(drop(*map, 1), -ENOENT);
}

TEST(Hash, IsFullAtMaxEntries) {
    for (const uint32_t entries : {1U, 2U, 3U, 12U, 13U, 100U, 1000U, 5000U}) {
        const auto map = hash(entries);
        for (uint64_t key = 0; key < entries; ++key) ASSERT_EQ(put(*map, key, key), 0) << entries;
        EXPECT_EQ(put(*map, entries, 0), -E2BIG);
        EXPECT_EQ(put(*map, 0, 5), 0) << "an update needs no room";
        EXPECT_EQ(put(*map, entries, 0, BPF_EXIST), -ENOENT);
        EXPECT_EQ(keys_of(*map).size(), entries);
        EXPECT_EQ(drop(*map, entries / 2), 0);
        EXPECT_EQ(put(*map, entries, 7), 0);
        EXPECT_EQ(put(*map, entries + 1, 7), -E2BIG);
        for (uint64_t key = 1; key <= entries; ++key)
            ASSERT_EQ(get(*map, key) == nullptr, key == entries / 2) << key;
    }
}

TEST(Hash, AnUpdateLeavesTheOldValueToItsHolders) {
    const auto map = hash(10);
    put(*map, 1, 10);
    const uint64_t* old = get(*map, 1);
    put(*map, 1, 11);
    EXPECT_EQ(*old, 10U);
    EXPECT_EQ(*get(*map, 1), 11U);
}

TEST(Hash, IteratesOverEachKeyOnce) {
    const auto map = hash(3000);
    std::set<uint64_t> expected;
    for (uint64_t key = 0; key < 3000; key += 2) {
        put(*map, key * 7919, key);
        expected.insert(key * 7919);
    }
    EXPECT_EQ(keys_of(*map), expected);
    uint64_t first = 0, missing = 1, next = 0;
    ASSERT_EQ(map->next_key(nullptr, &first), 0);
    ASSERT_EQ(map->next_key(&missing, &next), 0);
    EXPECT_EQ(next, first);
    EXPECT_EQ(hash(1)->next_key(nullptr, &next), -ENOENT);
}

TEST(Hash, ForEachVisitsAllAndMayDelete) {
    const auto map = hash(100);
    for (uint64_t key = 0; key < 100; ++key) put(*map, key, key + 1);
    std::set<uint64_t> seen;
    const auto visit = [&](const void* key, void* value) {
        EXPECT_EQ(u64_at(value), u64_at(key) + 1);
        seen.insert(u64_at(key));
        drop(*map, u64_at(key));
        return false;
    };
    EXPECT_EQ(map->for_each(visit, 0, 0), 100);
    EXPECT_EQ(seen.size(), 100U);
    EXPECT_EQ(map->for_each(visit, 0, 0), 0);
    EXPECT_EQ(map->for_each(visit, 1, 0), -EINVAL);
}

TEST(Hash, LooksUpAndDeletesInOneStep) {
    const auto map = hash(10);
    uint64_t key = 4, value = 0;
    put(*map, key, 44);
    EXPECT_EQ(map->user_lookup_and_delete(&key, &value, BPF_NOEXIST), -EINVAL);
    EXPECT_EQ(map->user_lookup_and_delete(&key, &value), 0);
    EXPECT_EQ(value, 44U);
    EXPECT_EQ(map->user_lookup_and_delete(&key, &value), -ENOENT);
}

TEST(Hash, KnowsWhichValueAnAddressLiesIn) {
    for (const uint32_t key_size : {4U, 8U, 13U, 16U, 40U}) {
        const auto map = make(
            {.type = MapType::Hash, .key_size = key_size, .value_size = 20, .max_entries = 50});
        std::vector<uint8_t> key(key_size, 3), value(20, 4);
        ASSERT_EQ(map->update(key.data(), value.data(), BPF_ANY, 0), 0);
        auto* live = static_cast<uint8_t*>(map->lookup(key.data(), 0));
        EXPECT_EQ(map->value_at(live, 20).data(), live);
        EXPECT_EQ(map->value_at(live + 19, 1).data(), live);
        EXPECT_EQ(map->value_at(live + 19, 1).size(), 20U);
        EXPECT_TRUE(map->value_at(live + 19, 2).empty());
        EXPECT_TRUE(map->value_at(live - 1, 1).empty()) << "the key";
        EXPECT_TRUE(map->value_at(value.data(), 1).empty());
        map->erase(key.data());
        EXPECT_EQ(map->value_at(live, 20).data(), live) << "recycled values stay readable";
    }
}

TEST(Hash, TellsKeysOfAllSizesApart) {
    for (const uint32_t size :
         {1U, 2U, 3U, 4U, 5U, 7U, 8U, 9U, 12U, 15U, 16U, 17U, 24U, 37U, 64U}) {
        const auto map =
            make({.type = MapType::Hash, .key_size = size, .value_size = 4, .max_entries = 1000});
        std::vector<uint8_t> zero(size, 0);
        uint32_t value = 0;
        ASSERT_EQ(map->update(zero.data(), &value, BPF_NOEXIST, 0), 0);
        for (uint32_t byte = 0; byte < size; ++byte) {
            std::vector<uint8_t> key = zero;
            key[byte] = 0x80;
            value = byte + 1;
            ASSERT_EQ(map->update(key.data(), &value, BPF_NOEXIST, 0), 0) << size;
        }
        for (uint32_t byte = 0; byte < size; ++byte) {
            std::vector<uint8_t> key = zero, next(size);
            key[byte] = 0x80;
            EXPECT_EQ(testing::u32_at(map->lookup(key.data(), 0)), byte + 1) << size;
        }
        std::set<std::vector<uint8_t>> seen;
        std::vector<uint8_t> key(size);
        for (int error = map->next_key(nullptr, key.data()); error == 0;
             error = map->next_key(key.data(), key.data()))
            seen.insert(key);
        EXPECT_EQ(seen.size(), size + 1);
    }
}

TEST(Hash, LetsGoOfWhatElementsOwn) {
    struct Value {
        uint64_t pointer, content;
    };
    int released = 0;
    {
        const auto map = make({.type = MapType::Hash,
                               .key_size = 8,
                               .value_size = sizeof(Value),
                               .max_entries = 3,
                               .kptr_offsets = {0}});
        map->on_release([&](Map&, uint8_t* value) {
            released += reinterpret_cast<Value*>(value)->pointer == 7;
        });
        const Value given{99, 1};
        for (const uint64_t key : {1, 2, 3}) {
            ASSERT_EQ(map->update(&key, &given, BPF_ANY, 0), 0);
            auto* value = static_cast<Value*>(map->lookup(&key, 0));
            EXPECT_EQ(value->pointer, 0U) << "an update does not set what the element owns";
            EXPECT_EQ(value->content, 1U);
            value->pointer = 7;
        }
        const uint64_t one = 1, two = 2;
        EXPECT_EQ(map->update(&one, &given, BPF_ANY, 0), 0);
        EXPECT_EQ(released, 1);
        EXPECT_EQ(static_cast<Value*>(map->lookup(&one, 0))->pointer, 0U);
        EXPECT_EQ(map->erase(&two), 0);
        EXPECT_EQ(released, 2);
        Value read{};
        const uint64_t three = 3;
        EXPECT_EQ(map->user_lookup(&three, &read), 0);
        EXPECT_EQ(read.pointer, 0U);
    }
    EXPECT_EQ(released, 3);
}

TEST(Hash, UpdatesInPlaceUnderALock) {
    struct Value {
        uint32_t lock, content;
    };
    const auto map = make({.type = MapType::Hash,
                           .key_size = 8,
                           .value_size = sizeof(Value),
                           .max_entries = 3,
                           .lock_offset = 0});
    const uint64_t key = 5;
    const Value first{1, 2}, second{1, 3};
    EXPECT_EQ(map->user_update(&key, &first, BPF_F_LOCK | BPF_EXIST), -ENOENT);
    EXPECT_EQ(map->user_update(&key, &first, BPF_F_LOCK), 0);
    const auto* live = static_cast<Value*>(map->lookup(&key, 0));
    EXPECT_EQ(live->lock, 0U);
    EXPECT_EQ(map->user_update(&key, &second, BPF_F_LOCK | BPF_NOEXIST), -EEXIST);
    EXPECT_EQ(map->user_update(&key, &second, BPF_F_LOCK), 0);
    EXPECT_EQ(map->lookup(&key, 0), live);
    EXPECT_EQ(live->content, 3U);
}

TEST(PercpuHash, HasACopyForEachCpu) {
    for (const MapType type : {MapType::PercpuHash, MapType::LruPercpuHash}) {
        const auto map = make({.type = type, .key_size = 8, .value_size = 4, .max_entries = 2});
        const uint32_t cpus = possible_cpus();
        uint64_t key = 1;
        uint32_t value = 50;
        std::vector<uint64_t> values(cpus, UINT64_MAX);
        EXPECT_EQ(map->update(&key, &value, BPF_ANY, cpus - 1), 0);
        ASSERT_EQ(map->user_value_size(), cpus * sizeof(uint64_t));
        EXPECT_EQ(map->user_lookup(&key, values.data()), 0);
        for (uint32_t cpu = 0; cpu < cpus; ++cpu) {
            EXPECT_EQ(values[cpu], cpu == cpus - 1 ? 50 : 0);
            values[cpu] = cpu + 1;
        }
        auto* live = static_cast<uint8_t*>(map->lookup(&key, cpus - 1));
        EXPECT_EQ(map->user_update(&key, values.data(), BPF_EXIST), 0);
        EXPECT_EQ(map->lookup(&key, cpus - 1), live) << "updated in place";
        EXPECT_EQ(testing::u32_at(map->lookup_percpu(&key, 0)), 1U);
        EXPECT_EQ(map->lookup_percpu(&key, cpus), nullptr);
        EXPECT_EQ(map->value_at(live, 4).data(), live);
        EXPECT_TRUE(map->value_at(live + 1, 4).empty());

        // A recycled element shows nothing of the one before it.
        EXPECT_EQ(map->erase(&key), 0);
        EXPECT_EQ(map->update(&key, &value, BPF_ANY, 0), 0);
        EXPECT_EQ(map->user_lookup(&key, values.data()), 0);
        for (uint32_t cpu = 1; cpu < cpus; ++cpu) EXPECT_EQ(values[cpu], 0U);
        EXPECT_EQ(map->user_lookup_and_delete(&key, values.data()), 0);
        EXPECT_EQ(values[0], 50U);
        EXPECT_EQ(map->user_update(&key, values.data(), BPF_F_LOCK), -EINVAL);
    }
}

TEST(LruHash, NeverRefusesAndHoldsMaxEntries) {
    for (const MapType type : {MapType::LruHash, MapType::LruPercpuHash}) {
        for (const uint32_t entries : {1U, 2U, 10U, 1000U}) {
            const auto map =
                make({.type = type, .key_size = 8, .value_size = 8, .max_entries = entries});
            const std::vector<uint64_t> value(possible_cpus(), 3);
            for (uint64_t key = 0; key < 5 * entries; ++key) {
                ASSERT_EQ(map->user_update(&key, value.data(), BPF_NOEXIST), 0);
                ASSERT_NE(get(*map, key), nullptr) << "what was just inserted is there";
                if (key < entries) continue;
                EXPECT_EQ(map->user_update(&key, value.data(), BPF_EXIST), 0);
            }
            EXPECT_EQ(keys_of(*map).size(), entries);
        }
    }
}

TEST(LruHash, KeepsWhatProgramsUse) {
    const auto map = hash(1000, MapType::LruHash);
    for (uint64_t key = 0; key < 1000; ++key) put(*map, key, key);
    for (uint64_t round = 0; round < 5000; ++round) {
        for (uint64_t hot = 0; hot < 10; ++hot) ASSERT_NE(get(*map, hot), nullptr) << round;
        put(*map, 1000 + round, round);
    }
}

TEST(LruHash, AWalkByUserSpaceDoesNotCountAsUse) {
    const auto map = hash(100, MapType::LruHash);
    for (uint64_t key = 0; key < 100; ++key) put(*map, key, key);
    uint64_t hot = 50, value = 0;
    ASSERT_NE(get(*map, hot), nullptr);
    for (uint64_t key = 100; key < 150; ++key) {
        for (uint64_t cold = 0; cold < 100; ++cold) map->user_lookup(&cold, &value);
        put(*map, key, key);
    }
    EXPECT_EQ(map->user_lookup(&hot, &value), 0);
    EXPECT_EQ(keys_of(*map).size(), 100U);
}

TEST(LruHash, UsesFreeElementsBeforeItEvicts) {
    const auto map = hash(100, MapType::LruHash);
    for (uint64_t key = 0; key < 100; ++key) put(*map, key, key);
    for (uint64_t key = 0; key < 30; ++key) EXPECT_EQ(drop(*map, key), 0);
    for (uint64_t key = 200; key < 230; ++key) put(*map, key, key);
    for (uint64_t key = 30; key < 100; ++key) EXPECT_NE(get(*map, key), nullptr);
    EXPECT_EQ(put(*map, 1, 1, BPF_F_LOCK), -EINVAL);
}

TEST(LruHash, WithListsForEachCpuRoundsUp) {
    const auto map = hash(7, MapType::LruHash, BPF_F_NO_COMMON_LRU);
    EXPECT_EQ(map->def().max_entries % possible_cpus(), 0U);
    EXPECT_GE(map->def().max_entries, 7U);
}

TEST(Hash, OfAMillionCostsNothingUntilUsed) {
    const auto map = hash(100'000'000);
    for (uint64_t key = 0; key < 1000; ++key) ASSERT_EQ(put(*map, key, key), 0);
    for (uint64_t key = 0; key < 1000; ++key) EXPECT_EQ(*get(*map, key), key);
}

}  // namespace
}  // namespace skep::maps
