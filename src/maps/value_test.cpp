// SPDX-License-Identifier: Apache-2.0
#include "maps/value.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace skep::maps {
namespace {

TEST(CopyWords, CopiesAnySizeAndAlignment) {
    std::vector<uint8_t> from(80), to(80);
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i + 1);
    for (size_t a = 0; a < 8; ++a) {
        for (size_t b = 0; b < 8; ++b) {
            for (size_t size = 0; size < 40; ++size) {
                std::ranges::fill(to, 0);
                copy_words(to.data() + b, from.data() + a, size);
                EXPECT_EQ(std::memcmp(to.data() + b, from.data() + a, size), 0);
                EXPECT_EQ(to[b + size], 0);
            }
        }
    }
}

TEST(ValueLayout, SkipsAndClearsSpecialFields) {
    const ValueLayout layout(48, 4, 16, {40});
    std::vector<uint8_t> to(48, 1), from(48, 2);
    layout.copy(to.data(), from.data());
    for (size_t i = 0; i < 48; ++i) {
        const bool special = (i >= 4 && i < 8) || (i >= 16 && i < 32) || i >= 40;
        EXPECT_EQ(to[i], special ? 1 : 2) << i;
    }
    layout.clear_owned(to.data());
    EXPECT_EQ(to[4], 1);
    EXPECT_EQ(to[16], 0);
    EXPECT_EQ(to[47], 0);
    layout.clear_special(to.data());
    EXPECT_EQ(to[4], 0);
    layout.clear_content(from.data());
    EXPECT_EQ(from[0], 0);
    EXPECT_EQ(from[4], 2);
    EXPECT_EQ(from[39], 0);
    EXPECT_EQ(from[40], 2);
}

TEST(ValueLayout, CopiesUnderTheLock) {
    struct Value {
        uint32_t lock = 0, a = 0;
        uint64_t b = 0;
    };
    const ValueLayout layout(sizeof(Value), 0, {}, {});
    Value live;
    std::vector<std::thread> writers;
    for (uint32_t writer = 1; writer <= 3; ++writer)
        writers.emplace_back([&, writer] {
            const Value mine{9, writer, writer};
            for (int i = 0; i < 5000; ++i) layout.copy_locked(&live, &mine, &live);
        });
    for (int i = 0; i < 5000; ++i) {
        Value seen;
        layout.copy_locked(&seen, &live, &live);
        EXPECT_EQ(seen.a, seen.b);
        EXPECT_EQ(seen.lock, 0U);
    }
    for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace skep::maps
