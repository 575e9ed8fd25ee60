// SPDX-License-Identifier: Apache-2.0
#include "maps/redirect_map.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include "maps/local_storage.hpp"
#include "maps/maps_testing.hpp"

namespace skep::maps {
namespace {

TEST(Devmap, HoldsInterfaces) {
    const auto map =
        testing::make({.type = MapType::Devmap, .key_size = 4, .value_size = 4, .max_entries = 3});
    auto* devices = map->as<RedirectMap>();
    ASSERT_NE(devices, nullptr);
    uint32_t key = 1, value = 7;
    EXPECT_EQ(map->lookup(&key, 0), nullptr);
    EXPECT_EQ(map->user_update(&key, &value, BPF_EXIST), 0);
    EXPECT_EQ(testing::u32_at(devices->target(1)), 7U);
    EXPECT_EQ(testing::u32_at(map->lookup(&key, 0)), 7U);
    EXPECT_EQ(map->user_update(&key, &value, BPF_NOEXIST), -EEXIST);
    value = 0;
    EXPECT_EQ(map->user_update(&key, &value, BPF_ANY), 0);
    EXPECT_EQ(devices->target(1), nullptr);
    EXPECT_EQ(map->user_lookup(&key, &value), -ENOENT);
    EXPECT_EQ(map->user_erase(&key), 0);
    EXPECT_EQ(map->next_key(nullptr, &key), 0);
    EXPECT_EQ(key, 0U);
    key = 3;
    EXPECT_EQ(map->user_update(&key, &value, BPF_ANY), -E2BIG);
    EXPECT_EQ(map->user_erase(&key), -EINVAL);
    EXPECT_FALSE(map->prog_may_write());
}

TEST(DevmapHash, HasAnyKeys) {
    const auto map = testing::make(
        {.type = MapType::DevmapHash, .key_size = 4, .value_size = 8, .max_entries = 1});
    uint32_t key = 1000;
    uint32_t value[2] = {7, 0};
    EXPECT_EQ(map->user_update(&key, value, BPF_EXIST), 0) << "the kernel does not check";
    EXPECT_EQ(map->user_update(&key, value, BPF_NOEXIST), -EEXIST);
    EXPECT_EQ(testing::u32_at(map->as<RedirectMap>()->target(1000)), 7U);
    key = 2000;
    EXPECT_EQ(map->user_update(&key, value, BPF_ANY), -E2BIG);
    EXPECT_EQ(map->user_erase(&key), -ENOENT);
    value[0] = 0;
    EXPECT_EQ(map->user_update(&key, value, BPF_ANY), -EINVAL);
    EXPECT_EQ(map->next_key(nullptr, &key), 0);
    EXPECT_EQ(key, 1000U);
    EXPECT_EQ(map->user_erase(&key), 0);
    EXPECT_EQ(map->next_key(nullptr, &key), -ENOENT);
}

TEST(Cpumap, HoldsQueueSizes) {
    const auto map = testing::make(
        {.type = MapType::Cpumap, .key_size = 4, .value_size = 4, .max_entries = 4096});
    uint32_t key = 0, value = 64;
    EXPECT_EQ(map->user_update(&key, &value, BPF_ANY), 0);
    EXPECT_EQ(testing::u32_at(map->as<RedirectMap>()->target(0)), 64U);
    EXPECT_EQ(map->lookup(&key, 0), nullptr);
    value = 16385;
    EXPECT_EQ(map->user_update(&key, &value, BPF_ANY), -EOVERFLOW);
    key = 4095;
    value = 1;
    EXPECT_EQ(map->user_update(&key, &value, BPF_ANY), -ENODEV);
}

TEST(Xskmap, HidesItsValuesFromUserSpace) {
    const auto map =
        testing::make({.type = MapType::Xskmap, .key_size = 4, .value_size = 4, .max_entries = 2});
    uint32_t key = 0, value = 9;
    EXPECT_EQ(map->user_update(&key, &value, BPF_EXIST), -ENOENT);
    EXPECT_EQ(map->user_update(&key, &value, BPF_NOEXIST), 0);
    EXPECT_EQ(map->user_update(&key, &value, BPF_NOEXIST), -EEXIST);
    EXPECT_EQ(map->user_lookup(&key, &value), -EOPNOTSUPP);
    EXPECT_EQ(testing::u32_at(map->as<RedirectMap>()->target(0)), 9U);
}

TEST(LocalStorage, HasAValueForEachObject) {
    struct Value {
        uint64_t count, pointer;
    };
    const auto map = testing::make({.type = MapType::TaskStorage,
                                    .key_size = 4,
                                    .value_size = sizeof(Value),
                                    .flags = BPF_F_NO_PREALLOC,
                                    .kptr_offsets = {8}});
    int released = 0;
    map->on_release([&](Map& which, uint8_t*) { released += &which == map.get(); });
    auto* tasks = map->as<LocalStorage>();
    ASSERT_NE(tasks, nullptr);
    EXPECT_EQ(tasks->get(42, nullptr, 0), nullptr);
    const Value init{5, 6};
    auto* value = static_cast<Value*>(tasks->get(42, &init, BPF_LOCAL_STORAGE_GET_F_CREATE));
    ASSERT_NE(value, nullptr);
    EXPECT_EQ(value->count, 5U);
    EXPECT_EQ(value->pointer, 0U);
    EXPECT_EQ(tasks->get(42, nullptr, BPF_LOCAL_STORAGE_GET_F_CREATE), value);
    EXPECT_EQ(tasks->get(42, nullptr, 2), nullptr) << "flags";
    auto* other = static_cast<Value*>(tasks->get(43, nullptr, BPF_LOCAL_STORAGE_GET_F_CREATE));
    EXPECT_EQ(other->count, 0U);
    EXPECT_EQ(map->value_at(value, sizeof(Value)).data(), reinterpret_cast<uint8_t*>(value));

    int key = 42;
    Value read{};
    EXPECT_EQ(map->user_lookup(&key, &read), 0);
    EXPECT_EQ(read.count, 5U);
    EXPECT_EQ(tasks->remove(42), 0);
    EXPECT_EQ(tasks->remove(42), -ENOENT);
    EXPECT_EQ(released, 1);

    static_cast<Value*>(tasks->get(43, nullptr, 0))->count = 9;
    tasks->get(44, nullptr, BPF_LOCAL_STORAGE_GET_F_CREATE);
    tasks->rename(43, 44);
    EXPECT_EQ(tasks->get(43, nullptr, 0), nullptr);
    EXPECT_EQ(static_cast<Value*>(tasks->get(44, nullptr, 0))->count, 9U);
    tasks->rename(45, 44);
    EXPECT_EQ(tasks->get(44, nullptr, 0), nullptr) << "45 has none";
    EXPECT_EQ(map->user_update(&key, &init, BPF_EXIST), -ENOENT);
    EXPECT_EQ(map->next_key(nullptr, &key), -kEnotsupp);
}

}  // namespace
}  // namespace skep::maps
