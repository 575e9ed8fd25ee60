// SPDX-License-Identifier: Apache-2.0
#include "verifier/tnum.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace skep::verifier {
namespace {

constexpr int kWidth = 5;
constexpr uint64_t kAll = (1u << kWidth) - 1;

std::vector<Tnum> all_tnums() {
    std::vector<Tnum> result;
    for (uint64_t mask = 0; mask <= kAll; ++mask)
        for (uint64_t value = 0; value <= kAll; ++value)
            if (!(value & mask)) result.push_back({value, mask});
    return result;
}

template <typename Visit>
void for_members(Tnum set, const Visit& visit) {
    for (uint64_t bits = set.mask;; bits = (bits - 1) & set.mask) {
        visit(set.value | bits);
        if (!bits) break;
    }
}

/// All results of an operation on all members of all pairs of small tnums.
template <typename Abstract, typename Concrete>
void expect_sound(const Abstract& abstract, const Concrete& concrete) {
    const std::vector<Tnum> tnums = all_tnums();
    for (const Tnum a : tnums) {
        for (const Tnum b : tnums) {
            const Tnum result = abstract(a, b);
            ASSERT_EQ(result.value & result.mask, 0u);
            for_members(a, [&](uint64_t x) {
                for_members(b, [&](uint64_t y) {
                    ASSERT_TRUE(result.contains(concrete(x, y)))
                        << x << ' ' << y << ": " << result.value << '/' << result.mask;
                });
            });
        }
    }
}

TEST(Tnum, ArithmeticHoldsEveryResult) {
    expect_sound(tnum_add, [](uint64_t x, uint64_t y) { return x + y; });
    expect_sound(tnum_sub, [](uint64_t x, uint64_t y) { return x - y; });
    expect_sound(tnum_and, [](uint64_t x, uint64_t y) { return x & y; });
    expect_sound(tnum_or, [](uint64_t x, uint64_t y) { return x | y; });
    expect_sound(tnum_xor, [](uint64_t x, uint64_t y) { return x ^ y; });
    expect_sound(tnum_mul, [](uint64_t x, uint64_t y) { return x * y; });
    expect_sound([](Tnum a, Tnum) { return tnum_neg(a); }, [](uint64_t x, uint64_t) { return -x; });
}

TEST(Tnum, UnionHoldsBothAndIntersectionWhatIsInBoth) {
    expect_sound(tnum_union, [](uint64_t x, uint64_t) { return x; });
    expect_sound(tnum_union, [](uint64_t, uint64_t y) { return y; });
    for (const Tnum a : all_tnums())
        for (const Tnum b : all_tnums())
            for_members(a, [&](uint64_t x) {
                if (!b.contains(x)) return;
                ASSERT_TRUE(tnum_intersect(a, b).contains(x));
                ASSERT_TRUE(tnum_overlap(a, b));
            });
}

TEST(Tnum, ShiftsHoldEveryResult) {
    for (const Tnum small : all_tnums()) {
        // Spread over both ends so that the sign bits take part.
        const Tnum set{small.value | small.value << 59 | small.value << 28,
                       small.mask | small.mask << 59 | small.mask << 28};
        for (const uint8_t by : {0, 1, 5, 31}) {
            for_members(set, [&](uint64_t x) {
                ASSERT_TRUE(tnum_lsh(set, by).contains(x << by));
                ASSERT_TRUE(tnum_rsh(set, by).contains(x >> by));
                ASSERT_TRUE(tnum_arsh(set, by, 64).contains(uint64_t(int64_t(x) >> by)));
                ASSERT_TRUE(tnum_arsh(tnum_subreg(set), by, 32)
                                .contains(uint32_t(int32_t(uint32_t(x)) >> by)));
            });
        }
    }
}

TEST(Tnum, RangeIsTheSmallestThatHoldsAll) {
    for (uint64_t low = 0; low <= 64; ++low)
        for (uint64_t high = low; high <= 64; ++high)
            for (uint64_t x = low; x <= high; ++x) ASSERT_TRUE(Tnum::range(low, high).contains(x));
    EXPECT_EQ(Tnum::range(8, 15), (Tnum{8, 7}));
    EXPECT_EQ(Tnum::range(0, UINT64_MAX), Tnum::unknown());
    EXPECT_EQ(Tnum::range(7, 7), Tnum::constant(7));
}

TEST(Tnum, InclusionIsInclusionOfSets) {
    for (const Tnum a : all_tnums()) {
        for (const Tnum b : all_tnums()) {
            bool all = true;
            for_members(b, [&](uint64_t x) { all = all && a.contains(x); });
            ASSERT_EQ(tnum_in(a, b), all);
        }
    }
}

}  // namespace
}  // namespace skep::verifier
