// SPDX-License-Identifier: Apache-2.0
#include "maps/array.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstring>

#include "maps/maps_testing.hpp"

namespace skep::maps {
namespace {

using testing::make;

TEST(Array, HoldsAllElementsFromTheStart) {
    const auto map =
        make({.type = MapType::Array, .key_size = 4, .value_size = 8, .max_entries = 3});
    uint32_t key = 2;
    uint64_t value = 7;
    ASSERT_NE(map->lookup(&key, 0), nullptr);
    EXPECT_EQ(testing::u64_at(map->lookup(&key, 0)), 0U);
    EXPECT_EQ(map->update(&key, &value, BPF_ANY, 0), 0);
    EXPECT_EQ(testing::u64_at(map->lookup(&key, 0)), 7U);
    EXPECT_EQ(map->update(&key, &value, BPF_NOEXIST, 0), -EEXIST);
    EXPECT_EQ(map->update(&key, &value, BPF_EXIST, 0), 0);
    EXPECT_EQ(map->update(&key, &value, BPF_EXIST + 1, 0), -EINVAL);
    EXPECT_EQ(map->update(&key, &value, BPF_F_LOCK, 0), -EINVAL);
    EXPECT_EQ(map->erase(&key), -EINVAL);
    key = 3;
    EXPECT_EQ(map->lookup(&key, 0), nullptr);
    EXPECT_EQ(map->update(&key, &value, BPF_ANY, 0), -E2BIG);
    EXPECT_EQ(map->user_lookup(&key, &value), -ENOENT);
}

TEST(Array, IteratesInOrder) {
    const auto map =
        make({.type = MapType::Array, .key_size = 4, .value_size = 1, .max_entries = 4});
    std::vector<uint32_t> keys;
    uint32_t key = 0;
    for (int error = map->next_key(nullptr, &key); error == 0; error = map->next_key(&key, &key))
        keys.push_back(key);
    EXPECT_EQ(keys, (std::vector<uint32_t>{0, 1, 2, 3}));
    key = 99;
    EXPECT_EQ(map->next_key(&key, &key), 0);
    EXPECT_EQ(key, 0U);
}

TEST(Array, ForEachCountsTheCallThatStops) {
    const auto map =
        make({.type = MapType::Array, .key_size = 4, .value_size = 4, .max_entries = 10});
    uint32_t seen = 0;
    const auto stop_at_3 = [&](const void* key, void* value) {
        EXPECT_EQ(testing::u32_at(key), seen++);
        EXPECT_EQ(value, map->lookup(key, 0));
        return seen == 3;
    };
    EXPECT_EQ(map->for_each(stop_at_3, 0, 0), 3);
    EXPECT_EQ(map->for_each(stop_at_3, 1, 0), -EINVAL);
    EXPECT_EQ(map->for_each([](const void*, void*) { return false; }, 0, 0), 10);
}

TEST(Array, GivesItsBaseForInlining) {
    const auto map =
        make({.type = MapType::Array, .key_size = 4, .value_size = 12, .max_entries = 5});
    const auto* array = map->as<ArrayMap>();
    ASSERT_NE(array, nullptr);
    EXPECT_EQ(array->stride(), 16U);
    const uint32_t key = 3;
    EXPECT_EQ(map->lookup(&key, 0), array->base() + 3 * array->stride());
    EXPECT_EQ(array->direct_value().size(), 4U * 16 + 12);
}

TEST(Array, KnowsWhichValueAnAddressLiesIn) {
    const auto map =
        make({.type = MapType::Array, .key_size = 4, .value_size = 12, .max_entries = 5});
    const uint32_t key = 4;
    auto* value = static_cast<uint8_t*>(map->lookup(&key, 0));
    EXPECT_EQ(map->value_at(value, 12).data(), value);
    EXPECT_EQ(map->value_at(value, 12).size(), 12U);
    EXPECT_EQ(map->value_at(value + 5, 7).data(), value);
    EXPECT_TRUE(map->value_at(value, 13).empty());
    EXPECT_TRUE(map->value_at(value + 5, 8).empty());
    EXPECT_TRUE(map->value_at(value - 4, 8).empty());  // the padding before
    EXPECT_TRUE(map->value_at(value + 16, 1).empty());
    EXPECT_TRUE(map->value_at(&key, 1).empty());
}

TEST(Array, OfGlobalDataCostsOnlyWhatIsTouched) {
    const auto map = make(
        {.type = MapType::Array, .key_size = 4, .value_size = 1 << 20, .max_entries = 1 << 16});
    const uint32_t key = (1 << 16) - 1;
    auto* value = static_cast<uint8_t*>(map->lookup(&key, 0));
    value[(1 << 20) - 1] = 5;
    EXPECT_EQ(map->value_at(value + (1 << 20) - 1, 1).data(), value);
}

TEST(PercpuArray, HasACopyForEachCpu) {
    const auto map =
        make({.type = MapType::PercpuArray, .key_size = 4, .value_size = 4, .max_entries = 2});
    const uint32_t cpus = possible_cpus(), key = 1;
    ASSERT_EQ(map->user_value_size(), size_t{8} * cpus);
    std::vector<uint64_t> values(cpus);
    for (uint32_t cpu = 0; cpu < cpus; ++cpu) {
        const uint32_t value = 100 + cpu;
        EXPECT_EQ(map->update(&key, &value, BPF_ANY, cpu), 0);
    }
    EXPECT_EQ(map->user_lookup(&key, values.data()), 0);
    for (uint32_t cpu = 0; cpu < cpus; ++cpu) {
        EXPECT_EQ(values[cpu], 100 + cpu);
        EXPECT_EQ(map->lookup_percpu(&key, cpu), map->lookup(&key, cpu));
        EXPECT_EQ(map->value_at(map->lookup(&key, cpu), 4).size(), 4U);
        values[cpu] = cpu;
    }
    EXPECT_EQ(map->lookup_percpu(&key, cpus), nullptr);
    EXPECT_EQ(map->user_update(&key, values.data(), BPF_EXIST), 0);
    EXPECT_EQ(testing::u32_at(map->lookup(&key, cpus - 1)), cpus - 1);
    EXPECT_EQ(map->user_update(&key, values.data(), BPF_NOEXIST), -EEXIST);
}

TEST(Array, LeavesSpecialFieldsAlone) {
    struct Value {
        uint64_t before;
        uint32_t lock, after_lock;
        uint64_t timer[2];
        uint64_t after;
    };
    const auto map = make({.type = MapType::Array,
                           .key_size = 4,
                           .value_size = sizeof(Value),
                           .max_entries = 1,
                           .lock_offset = 8,
                           .timer_offset = 16});
    int released = 0;
    map->on_release([&](Map&, uint8_t* value) {
        EXPECT_EQ(reinterpret_cast<Value*>(value)->timer[0], 5U);
        ++released;
    });
    const uint32_t key = 0;
    auto* live = static_cast<Value*>(map->lookup(&key, 0));
    live->timer[0] = 5;
    const Value given{1, 77, 2, {88, 99}, 3};
    EXPECT_EQ(map->user_update(&key, &given, BPF_F_LOCK), 0);
    EXPECT_EQ(live->before, 1U);
    EXPECT_EQ(live->lock, 0U);
    EXPECT_EQ(live->after_lock, 2U);
    EXPECT_EQ(live->timer[0], 0U);  // what the old value owned is gone
    EXPECT_EQ(live->after, 3U);
    EXPECT_EQ(released, 1);

    live->timer[0] = 5;
    Value read{};
    EXPECT_EQ(map->user_lookup(&key, &read, BPF_F_LOCK), 0);
    EXPECT_EQ(read.timer[0], 0U);
    EXPECT_EQ(read.after, 3U);
    EXPECT_EQ(map->freeze(), -kEnotsupp);
}

TEST(Map, KeepsItsPermissions) {
    uint32_t key = 0, value = 1;
    MapDef def{.type = MapType::Array, .key_size = 4, .value_size = 4, .max_entries = 1};

    const auto frozen = make(def);
    EXPECT_EQ(frozen->freeze(), 0);
    EXPECT_EQ(frozen->freeze(), -EPERM);
    EXPECT_EQ(frozen->user_update(&key, &value, BPF_ANY), -EPERM);
    EXPECT_EQ(frozen->user_erase(&key), -EPERM);
    EXPECT_EQ(frozen->user_lookup(&key, &value), 0);
    EXPECT_EQ(frozen->update(&key, &value, BPF_ANY, 0), 0);  // freezing is about user space

    def.flags = BPF_F_RDONLY;
    const auto rdonly = make(def);
    EXPECT_EQ(rdonly->user_update(&key, &value, BPF_ANY), -EPERM);
    EXPECT_EQ(rdonly->freeze(), -EPERM);
    EXPECT_EQ(rdonly->def().flags, 0U);

    def.flags = BPF_F_WRONLY | BPF_F_RDONLY_PROG;
    const auto wronly = make(def);
    EXPECT_EQ(wronly->user_lookup(&key, &value), -EPERM);
    EXPECT_EQ(wronly->next_key(nullptr, &key), -EPERM);
    EXPECT_TRUE(wronly->prog_may_read());
    EXPECT_FALSE(wronly->prog_may_write());
}

TEST(Map, RefusesWhatTheTypeHasNot) {
    const auto map =
        make({.type = MapType::Array, .key_size = 4, .value_size = 4, .max_entries = 1});
    uint32_t key = 0, value = 0;
    EXPECT_EQ(map->push(&value, 0), -EOPNOTSUPP);
    EXPECT_EQ(map->pop(&value), -EOPNOTSUPP);
    EXPECT_EQ(map->peek(&value), -EOPNOTSUPP);
    EXPECT_EQ(map->lookup_percpu(&key, 0), nullptr);
    EXPECT_EQ(map->user_lookup_and_delete(&key, &value), -kEnotsupp);
    EXPECT_EQ(map->user_lookup(&key, &value, BPF_ANY + 1), -EINVAL);
}

}  // namespace
}  // namespace skep::maps
