// SPDX-License-Identifier: Apache-2.0
#include "maps/map_of_maps.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <atomic>
#include <set>
#include <thread>

#include "maps/maps_testing.hpp"
#include "maps/rcu.hpp"

namespace skep::maps {
namespace {

const MapDef kInner{.type = MapType::Array, .key_size = 4, .value_size = 8, .max_entries = 2};

std::shared_ptr<Map> inner(const MapDef& def = kInner) {
    return testing::make(def);
}

std::unique_ptr<Map> outer(MapType type, const MapDef& template_def = kInner) {
    return testing::make({.type = type,
                          .key_size = 4,
                          .value_size = 4,
                          .max_entries = 3,
                          .inner = inner(template_def)});
}

TEST(MapOfMaps, GivesProgramsTheMapAndUserSpaceItsId) {
    for (const MapType type : {MapType::ArrayOfMaps, MapType::HashOfMaps}) {
        const auto map = outer(type);
        auto* maps = map->as<MapOfMaps>();
        ASSERT_NE(maps, nullptr);
        uint32_t key = 1, id = 0;
        const auto first = inner(), second = inner();
        EXPECT_EQ(map->lookup(&key, 0), nullptr);
        EXPECT_EQ(map->user_lookup(&key, &id), -ENOENT);
        EXPECT_EQ(maps->set_map(&key, first, 10, BPF_ANY), 0);
        EXPECT_EQ(map->lookup(&key, 0), first.get());
        EXPECT_EQ(maps->map_at(&key), first);
        EXPECT_EQ(maps->set_map(&key, second, 11, BPF_ANY), 0);
        EXPECT_EQ(map->lookup(&key, 0), second.get());
        EXPECT_EQ(map->user_lookup(&key, &id), 0);
        EXPECT_EQ(id, 11U);
        EXPECT_EQ(map->user_update(&key, &id, BPF_ANY), -EBADF);
        EXPECT_EQ(map->user_erase(&key), 0);
        EXPECT_EQ(map->user_erase(&key), -ENOENT);
        EXPECT_EQ(map->lookup(&key, 0), nullptr);
        rcu::barrier();
        EXPECT_EQ(first.use_count(), 1);
        EXPECT_EQ(second.use_count(), 1);
    }
}

TEST(MapOfMaps, ObeysFlagsAndLimits) {
    uint32_t key = 0;
    const auto array = outer(MapType::ArrayOfMaps), hash = outer(MapType::HashOfMaps);
    EXPECT_EQ(array->as<MapOfMaps>()->set_map(&key, inner(), 1, BPF_EXIST), -EINVAL);
    EXPECT_EQ(hash->as<MapOfMaps>()->set_map(&key, inner(), 1, BPF_EXIST), -ENOENT);
    EXPECT_EQ(hash->as<MapOfMaps>()->set_map(&key, inner(), 1, BPF_NOEXIST), 0);
    EXPECT_EQ(hash->as<MapOfMaps>()->set_map(&key, inner(), 1, BPF_NOEXIST), -EEXIST);
    for (key = 1; key < 3; ++key)
        EXPECT_EQ(hash->as<MapOfMaps>()->set_map(&key, inner(), 1, BPF_ANY), 0);
    EXPECT_EQ(hash->as<MapOfMaps>()->set_map(&key, inner(), 1, BPF_ANY), -E2BIG);
    EXPECT_EQ(array->as<MapOfMaps>()->set_map(&key, inner(), 1, BPF_ANY), -E2BIG);
    std::set<uint32_t> keys;
    for (int error = hash->next_key(nullptr, &key); error == 0; error = hash->next_key(&key, &key))
        keys.insert(key);
    EXPECT_EQ(keys, (std::set<uint32_t>{0, 1, 2}));
}

TEST(MapOfMaps, TakesOnlyMapsLikeItsTemplate) {
    const auto map = outer(MapType::ArrayOfMaps);
    auto* maps = map->as<MapOfMaps>();
    const uint32_t key = 0;
    MapDef other = kInner;
    other.max_entries = 3;
    EXPECT_EQ(maps->set_map(&key, inner(other), 1, BPF_ANY), -EINVAL);
    other = kInner;
    other.value_size = 4;
    EXPECT_EQ(maps->set_map(&key, inner(other), 1, BPF_ANY), -EINVAL);
    other = kInner;
    other.type = MapType::Hash;
    EXPECT_EQ(maps->set_map(&key, inner(other), 1, BPF_ANY), -EINVAL);
    EXPECT_EQ(maps->set_map(&key, nullptr, 1, BPF_ANY), -EINVAL);

    MapDef flexible = kInner;
    flexible.flags = BPF_F_INNER_MAP;
    const auto any_size = outer(MapType::ArrayOfMaps, flexible);
    flexible.max_entries = 100;
    EXPECT_EQ(any_size->as<MapOfMaps>()->set_map(&key, inner(flexible), 1, BPF_ANY), 0);
}

TEST(MapOfMaps, RefusesTemplatesAsTheKernelDoes) {
    MapDef def{.type = MapType::HashOfMaps, .key_size = 4, .value_size = 4, .max_entries = 3};
    EXPECT_EQ(Map::create(def).error().sys_errno, EBADF);
    def.inner = outer(MapType::ArrayOfMaps);
    EXPECT_EQ(Map::create(def).error().sys_errno, EINVAL);
    def.inner =
        inner({.type = MapType::ProgArray, .key_size = 4, .value_size = 4, .max_entries = 2});
    EXPECT_EQ(Map::create(def).error().sys_errno, kEnotsupp);
    def.inner = inner();
    def.value_size = 8;
    EXPECT_EQ(Map::create(def).error().sys_errno, EINVAL);
}

TEST(MapOfMaps, IsReadWhileItIsReplaced) {
    for (const MapType type : {MapType::ArrayOfMaps, MapType::HashOfMaps}) {
        const auto map = outer(type);
        auto* maps = map->as<MapOfMaps>();
        const uint32_t zero = 0, one = 1;
        maps->set_map(&zero, inner(), 1, BPF_ANY);
        std::atomic<bool> stop = false;
        std::thread reader([&] {
            while (!stop) {
                const rcu::ReadGuard running;
                auto* found = static_cast<Map*>(map->lookup(&zero, 0));
                ASSERT_NE(found, nullptr);
                ASSERT_EQ(testing::u64_at(found->lookup(&zero, 0)), 0U) << "another key's map";
            }
        });
        const uint64_t marked = 1;
        for (int i = 0; i < 200; ++i) {
            maps->set_map(&zero, inner(), 1, BPF_ANY);
            auto other = inner();
            other->update(&zero, &marked, BPF_ANY, 0);
            maps->set_map(&one, std::move(other), 1, BPF_ANY);
            map->user_erase(&one);
        }
        stop = true;
        reader.join();
    }
    rcu::barrier();
}

}  // namespace
}  // namespace skep::maps
