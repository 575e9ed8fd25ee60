// SPDX-License-Identifier: Apache-2.0
#include "maps/lpm_trie.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "maps/maps_testing.hpp"
#include "maps/rcu.hpp"

namespace skep::maps {
namespace {

using Key = std::vector<uint8_t>;  // struct bpf_lpm_trie_key

std::unique_ptr<Map> trie(uint32_t bytes, uint32_t entries) {
    return testing::make({.type = MapType::LpmTrie,
                          .key_size = 4 + bytes,
                          .value_size = 4,
                          .max_entries = entries,
                          .flags = BPF_F_NO_PREALLOC});
}

Key prefix(const std::string& address, uint32_t length) {
    Key key(8);
    std::memcpy(key.data(), &length, 4);
    EXPECT_EQ(inet_pton(AF_INET, address.c_str(), key.data() + 4), 1);
    return key;
}

int put(Map& map, const Key& key, uint32_t value, uint64_t flags = BPF_ANY) {
    return map.update(key.data(), &value, flags, 0);
}
uint32_t get(Map& map, const Key& key) {
    const void* found = map.lookup(key.data(), 0);
    return found ? testing::u32_at(found) : 0;
}

TEST(LpmTrie, FindsTheMostSpecificPrefix) {
    const auto map = trie(4, 10);
    EXPECT_EQ(get(*map, prefix("10.1.2.3", 32)), 0U);
    EXPECT_EQ(put(*map, prefix("10.0.0.0", 8), 8), 0);
    EXPECT_EQ(put(*map, prefix("10.1.0.0", 16), 16), 0);
    EXPECT_EQ(put(*map, prefix("10.1.2.0", 23), 23), 0);
    EXPECT_EQ(put(*map, prefix("10.1.2.3", 32), 32), 0);
    EXPECT_EQ(get(*map, prefix("10.1.2.3", 32)), 32U);
    EXPECT_EQ(get(*map, prefix("10.1.2.4", 32)), 23U);
    EXPECT_EQ(get(*map, prefix("10.1.3.4", 32)), 23U);
    EXPECT_EQ(get(*map, prefix("10.1.4.4", 32)), 16U);
    EXPECT_EQ(get(*map, prefix("10.2.4.4", 32)), 8U);
    EXPECT_EQ(get(*map, prefix("11.2.4.4", 32)), 0U);
    EXPECT_EQ(get(*map, prefix("10.1.2.3", 31)), 23U) << "the key is a prefix itself";
    EXPECT_EQ(get(*map, prefix("10.1.2.3", 22)), 16U);
    EXPECT_EQ(get(*map, prefix("10.1.2.3", 33)), 0U) << "too long";
    EXPECT_EQ(put(*map, prefix("0.0.0.0", 0), 99), 0);
    EXPECT_EQ(get(*map, prefix("11.2.4.4", 32)), 99U);
    EXPECT_EQ(get(*map, prefix("11.2.4.4", 0)), 99U);
    EXPECT_EQ(map->erase(prefix("10.1.2.0", 23).data()), 0);
    EXPECT_EQ(get(*map, prefix("10.1.2.4", 32)), 16U);
}

TEST(LpmTrie, ObeysFlagsAndLimits) {
    const auto map = trie(4, 2);
    const Key one = prefix("10.0.0.0", 8), two = prefix("10.0.0.0", 9),
              three = prefix("11.0.0.0", 8);
    EXPECT_EQ(put(*map, one, 1, BPF_EXIST), -ENOENT);
    EXPECT_EQ(put(*map, one, 1, BPF_NOEXIST), 0);
    EXPECT_EQ(put(*map, one, 1, BPF_NOEXIST), -EEXIST);
    EXPECT_EQ(put(*map, two, 1, BPF_ANY), 0);
    EXPECT_EQ(put(*map, three, 1, BPF_ANY), -ENOSPC);
    EXPECT_EQ(put(*map, two, 2, BPF_EXIST), 0);
    EXPECT_EQ(put(*map, two, 2, 3), -EINVAL);
    EXPECT_EQ(put(*map, prefix("11.0.0.0", 33), 1), -EINVAL);
    EXPECT_EQ(map->erase(prefix("11.0.0.0", 33).data()), -EINVAL);
    EXPECT_EQ(map->erase(three.data()), -ENOENT);
    EXPECT_EQ(map->erase(two.data()), 0);
    EXPECT_EQ(put(*map, three, 3, BPF_ANY), 0);
}

TEST(LpmTrie, IteratesOverTheInnerBeforeTheOuter) {
    // The example of kernel/bpf/lpm_trie.c.
    const auto map = trie(4, 10);
    const std::vector<Key> order = {prefix("192.168.0.0", 24), prefix("192.168.1.0", 24),
                                    prefix("192.168.128.0", 24), prefix("192.168.0.0", 16)};
    for (const Key& key : {order[3], order[1], order[0], order[2]}) put(*map, key, 1);
    std::vector<Key> seen;
    Key key(8);
    for (int error = map->next_key(nullptr, key.data()); error == 0;
         error = map->next_key(key.data(), key.data()))
        seen.push_back(key);
    EXPECT_EQ(seen, order);
    ASSERT_EQ(map->next_key(prefix("1.2.3.4", 32).data(), key.data()), 0);
    EXPECT_EQ(key, order[0]) << "an unknown key starts over";
}

TEST(LpmTrie, KnowsWhichValueAnAddressLiesIn) {
    const auto map = trie(4, 10);
    put(*map, prefix("10.0.0.0", 8), 1);
    auto* value = static_cast<uint8_t*>(map->lookup(prefix("10.0.0.0", 8).data(), 0));
    EXPECT_EQ(map->value_at(value + 1, 3).data(), value);
    EXPECT_TRUE(map->value_at(value + 1, 4).empty());
    EXPECT_TRUE(map->value_at(value - 1, 1).empty());
}

/// The plain truth: all prefixes in a list.
class Model {
  public:
    explicit Model(uint32_t bytes) : bytes_(bytes) {}

    static uint32_t length(const Key& key) { return testing::u32_at(key.data()); }
    static bool bit(const Key& key, uint32_t index) {
        return key[4 + index / 8] >> (7 - index % 8) & 1;
    }
    static bool contains(const Key& outer, const Key& inner) {
        if (length(outer) > length(inner)) return false;
        for (uint32_t i = 0; i < length(outer); ++i)
            if (bit(outer, i) != bit(inner, i)) return false;
        return true;
    }
    /// Before in postorder: inside, or to the left.
    static bool before(const Key& a, const Key& b) {
        if (contains(b, a)) return length(a) > length(b);
        if (contains(a, b)) return false;
        uint32_t i = 0;
        while (bit(a, i) == bit(b, i)) ++i;
        return !bit(a, i);
    }

    std::pair<Key, uint32_t>* find(const Key& key) {
        const auto found = std::ranges::find_if(all_, [&](const auto& each) {
            return length(each.first) == length(key) && contains(each.first, key);
        });
        return found == all_.end() ? nullptr : &*found;
    }
    int update(const Key& key, uint32_t value, uint64_t flags, uint32_t max) {
        if (flags > BPF_EXIST || length(key) > 8 * bytes_) return -EINVAL;
        if (auto* found = find(key)) {
            if (flags == BPF_NOEXIST) return -EEXIST;
            *found = {key, value};
            return 0;
        }
        if (flags == BPF_EXIST) return -ENOENT;
        if (all_.size() == max) return -ENOSPC;
        all_.emplace_back(key, value);
        return 0;
    }
    int erase(const Key& key) {
        if (length(key) > 8 * bytes_) return -EINVAL;
        auto* found = find(key);
        if (!found) return -ENOENT;
        std::swap(*found, all_.back());
        all_.pop_back();
        return 0;
    }
    uint32_t lookup(const Key& key) const {
        const std::pair<Key, uint32_t>* best = nullptr;
        if (length(key) > 8 * bytes_) return 0;
        for (const auto& each : all_)
            if (contains(each.first, key) && (!best || length(each.first) > length(best->first)))
                best = &each;
        return best ? best->second : 0;
    }
    std::vector<Key> in_order() const {
        std::vector<Key> keys;
        for (const auto& each : all_) keys.push_back(each.first);
        std::ranges::sort(keys, before);
        return keys;
    }

  private:
    uint32_t bytes_;
    std::vector<std::pair<Key, uint32_t>> all_;
};

struct Shape {
    uint32_t bytes, entries, values;  ///< byte values: few make deep tries
};

class LpmModel : public ::testing::TestWithParam<Shape> {};

TEST_P(LpmModel, Agrees) {
    const Shape shape = GetParam();
    const auto map = trie(shape.bytes, shape.entries);
    Model model(shape.bytes);
    std::mt19937 random(shape.bytes * 100 + shape.values);
    for (int step = 0; step < 6000; ++step) {
        Key key(4 + shape.bytes);
        for (uint32_t i = 0; i < shape.bytes; ++i)
            key[4 + i] = static_cast<uint8_t>(random() % shape.values * 255 / (shape.values - 1));
        uint32_t length = random() % (8 * shape.bytes + 2);
        if (random() % 3 == 0) length = length / 8 * 8;
        std::memcpy(key.data(), &length, 4);
        switch (random() % 4) {
            case 0: {
                const uint64_t flags = random() % 16 ? uint64_t{BPF_ANY} : random() % 4;
                const uint32_t value = 1 + step;
                ASSERT_EQ(put(*map, key, value, flags),
                          model.update(key, value, flags, shape.entries));
                break;
            }
            case 1: ASSERT_EQ(map->erase(key.data()), model.erase(key)); break;
            default: ASSERT_EQ(get(*map, key), model.lookup(key)) << step;
        }
        if (step % 500 == 0) {
            std::vector<Key> seen;
            Key next(4 + shape.bytes);
            for (int error = map->next_key(nullptr, next.data()); error == 0;
                 error = map->next_key(next.data(), next.data()))
                seen.push_back(next);
            ASSERT_EQ(seen, model.in_order());
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, LpmModel,
                         ::testing::Values(Shape{1, 100, 256}, Shape{2, 100, 4}, Shape{4, 300, 3},
                                           Shape{4, 50, 2}, Shape{4, 1000, 16}, Shape{16, 300, 2},
                                           Shape{6, 200, 2}, Shape{256, 60, 2}));

TEST(LpmTrie, IsReadWhileItIsWritten) {
    const auto map = trie(4, 500);
    for (uint32_t i = 0; i < 100; ++i)
        ASSERT_EQ(put(*map, prefix("10.0." + std::to_string(i) + ".0", 24), 1000 + i), 0);
    std::atomic<bool> stop = false;
    std::thread reader([&] {
        std::mt19937 random(1);
        while (!stop) {
            const uint32_t i = random() % 100;
            const Key key = prefix("10.0." + std::to_string(i) + ".7", 32);
            const rcu::ReadGuard guard;
            const uint32_t value = get(*map, key);
            ASSERT_TRUE(value == 1000 + i || value == 2000 + i) << value;
        }
    });
    std::mt19937 random(2);
    for (int step = 0; step < 3000; ++step) {
        const uint32_t i = random() % 100;
        const Key inner = prefix("10.0." + std::to_string(i) + ".0", 25 + random() % 5);
        switch (random() % 3) {
            case 0: put(*map, prefix("10.0." + std::to_string(i) + ".0", 24), 1000 + i); break;
            case 1: put(*map, inner, 2000 + i); break;
            default: map->erase(inner.data());
        }
    }
    stop = true;
    reader.join();
}

TEST(LpmTrie, RecyclesWhatWasReplaced) {
    const auto map = trie(4, 1);
    const Key key = prefix("10.0.0.0", 8);
    for (uint32_t i = 1; i < 20'000; ++i) ASSERT_EQ(put(*map, key, i), 0);
    EXPECT_EQ(get(*map, key), 19'999U);
}

}  // namespace
}  // namespace skep::maps
