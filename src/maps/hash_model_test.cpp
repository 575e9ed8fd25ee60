// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <map>
#include <random>
#include <vector>

#include "maps/maps_testing.hpp"

// Long random sequences of operations on a hash map, against std::map: every return code and the
// whole contents must agree.

namespace skep::maps {
namespace {

using Key = std::vector<uint8_t>;
using Value = std::vector<uint8_t>;

class Model {
  public:
    explicit Model(uint32_t max_entries) : max_entries_(max_entries) {}

    int update(const Key& key, const Value& value, uint64_t flags) {
        if (flags > BPF_EXIST) return -EINVAL;
        const auto found = elements_.find(key);
        if (found != elements_.end()) {
            if (flags == BPF_NOEXIST) return -EEXIST;
            found->second = value;
            return 0;
        }
        if (flags == BPF_EXIST) return -ENOENT;
        if (elements_.size() == max_entries_) return -E2BIG;
        elements_[key] = value;
        return 0;
    }
    int erase(const Key& key) { return elements_.erase(key) ? 0 : -ENOENT; }
    const Value* lookup(const Key& key) const {
        const auto found = elements_.find(key);
        return found == elements_.end() ? nullptr : &found->second;
    }
    const std::map<Key, Value>& elements() const { return elements_; }

  private:
    uint32_t max_entries_;
    std::map<Key, Value> elements_;
};

std::map<Key, Value> contents(Map& map) {
    std::map<Key, Value> result;
    Key key(map.def().key_size);
    Value value(map.def().value_size);
    for (int error = map.next_key(nullptr, key.data()); error == 0;
         error = map.next_key(key.data(), key.data())) {
        EXPECT_EQ(map.user_lookup(key.data(), value.data()), 0);
        EXPECT_TRUE(result.emplace(key, value).second) << "a key came twice";
    }
    return result;
}

struct Shape {
    uint32_t key_size, value_size, max_entries, keys;
};

class HashModel : public ::testing::TestWithParam<Shape> {};

TEST_P(HashModel, Agrees) {
    const Shape shape = GetParam();
    const auto map = testing::make({.type = MapType::Hash,
                                    .key_size = shape.key_size,
                                    .value_size = shape.value_size,
                                    .max_entries = shape.max_entries});
    Model model(shape.max_entries);
    std::mt19937 random(shape.key_size * 1000 + shape.max_entries);
    Key key(shape.key_size);
    Value value(shape.value_size), read(shape.value_size);
    for (int step = 0; step < 30000; ++step) {
        const uint32_t number = random() % shape.keys;
        for (uint32_t i = 0; i < shape.key_size; ++i)
            key[i] = static_cast<uint8_t>(number >> (8 * (i % 4)));
        for (uint8_t& byte : value) byte = static_cast<uint8_t>(random());
        switch (random() % 8) {
            case 0:
            case 1:
            case 2: {
                const uint64_t flags = random() % 4;
                ASSERT_EQ(map->update(key.data(), value.data(), flags, 0),
                          model.update(key, value, flags));
                break;
            }
            case 3:
            case 4: ASSERT_EQ(map->erase(key.data()), model.erase(key)); break;
            case 5: {
                const Value* expected = model.lookup(key);
                const int error = map->user_lookup_and_delete(key.data(), read.data());
                ASSERT_EQ(error, expected ? 0 : -ENOENT);
                ASSERT_TRUE(!expected || read == *expected);
                model.erase(key);
                break;
            }
            default: {
                const Value* expected = model.lookup(key);
                const void* found = map->lookup(key.data(), 0);
                ASSERT_EQ(found != nullptr, expected != nullptr);
                ASSERT_TRUE(!found || std::memcmp(found, expected->data(), expected->size()) == 0);
            }
        }
        ASSERT_TRUE(step % 3000 != 0 || contents(*map) == model.elements());
    }
    EXPECT_EQ(contents(*map), model.elements());
}

INSTANTIATE_TEST_SUITE_P(Shapes, HashModel,
                         ::testing::Values(Shape{4, 8, 1, 3}, Shape{4, 8, 10, 20},
                                           Shape{4, 4, 1000, 1500}, Shape{8, 8, 12, 16},
                                           Shape{8, 100, 500, 2000}, Shape{16, 8, 40, 45},
                                           Shape{16, 1, 700, 900}, Shape{5, 3, 100, 130},
                                           Shape{40, 24, 100, 130}, Shape{13, 8, 300, 290},
                                           Shape{1, 8, 256, 256}, Shape{2, 16, 9, 10}));

}  // namespace
}  // namespace skep::maps
