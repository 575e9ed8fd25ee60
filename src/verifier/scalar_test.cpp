// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "isa/insn.hpp"
#include "verifier/branch.hpp"
#include "verifier/scalar_alu.hpp"

// Concrete numbers are carried along: what is said of a register must be true of its value, after
// any sequence of operations and of branches taken.

namespace skep::verifier {
namespace {

class Source {
  public:
    explicit Source(uint32_t seed) : random_(seed) {}

    uint64_t below(uint64_t bound) { return random_() % bound; }
    /// Numbers near the edges of the widths, where bounds go wrong.
    uint64_t number() {
        static constexpr uint64_t kEdges[] = {
            0,          1,           0x7fff,     0xffff,     0x7fffffff,      0x80000000,
            0xffffffff, 0x100000000, 1ull << 63, UINT64_MAX, UINT64_MAX >> 1, 0xffffffff80000000};
        const uint64_t edge = kEdges[below(std::size(kEdges))];
        switch (below(4)) {
            case 0: return edge;
            case 1: return edge + below(5) - 2;
            case 2: return below(256);
            default: return random_();
        }
    }
    /// Something true about `value`.
    Scalar about(uint64_t value) {
        Scalar scalar = Scalar::unknown();
        if (below(4) == 0) return Scalar::constant(value);
        if (below(2)) {
            scalar.bits.mask = number();
            scalar.bits.value = value & ~scalar.bits.mask;
        }
        const auto around = [&](uint64_t spread) { return below(spread ? spread : 1); };
        if (below(2)) {
            const uint64_t spread = around(1ull << below(40));
            scalar.umin = value < spread ? 0 : value - spread;
            scalar.umax = value > UINT64_MAX - spread ? UINT64_MAX : value + spread;
        }
        if (below(2)) {
            const int64_t spread = int64_t(around(1ull << below(40)));
            if (__builtin_sub_overflow(int64_t(value), spread, &scalar.smin))
                scalar.smin = INT64_MIN;
            if (__builtin_add_overflow(int64_t(value), spread, &scalar.smax))
                scalar.smax = INT64_MAX;
        }
        if (below(2)) {
            const uint32_t low = uint32_t(value), spread = uint32_t(around(1ull << below(20)));
            scalar.u32_min = low < spread ? 0 : low - spread;
            scalar.u32_max = low > UINT32_MAX - spread ? UINT32_MAX : low + spread;
        }
        scalar.sync();
        return scalar;
    }

  private:
    std::mt19937_64 random_;
};

uint64_t compute(uint8_t operation, bool is_32bit, uint64_t x, uint64_t y) {
    const unsigned by = unsigned(y) & (is_32bit ? 31 : 63);
    uint64_t result = 0;
    switch (operation) {
        case isa::kAdd: result = x + y; break;
        case isa::kSub: result = x - y; break;
        case isa::kMul: result = x * y; break;
        case isa::kAnd: result = x & y; break;
        case isa::kOr: result = x | y; break;
        case isa::kXor: result = x ^ y; break;
        case isa::kNeg: result = -x; break;
        case isa::kLsh: result = x << by; break;
        case isa::kRsh: result = is_32bit ? uint32_t(x) >> by : x >> by; break;
        case isa::kArsh:
            result = is_32bit ? uint64_t(int32_t(uint32_t(x)) >> by) : uint64_t(int64_t(x) >> by);
            break;
        default: break;
    }
    return is_32bit ? uint32_t(result) : result;
}

constexpr uint8_t kOperations[] = {isa::kAdd, isa::kSub, isa::kMul, isa::kAnd, isa::kOr,
                                   isa::kXor, isa::kNeg, isa::kLsh, isa::kRsh, isa::kArsh};

TEST(Scalar, AluHoldsEveryResult) {
    Source source(1);
    for (int round = 0; round < 100000; ++round) {
        const uint64_t x = source.number();
        const uint8_t operation = kOperations[source.below(std::size(kOperations))];
        const bool is_32bit = source.below(2), legacy = source.below(4) == 0;
        const bool shifts =
            operation == isa::kLsh || operation == isa::kRsh || operation == isa::kArsh;
        const uint64_t y = shifts ? source.below(is_32bit ? 32 : 64) : source.number();
        Scalar a = source.about(x);
        const Scalar b = shifts ? Scalar::constant(y) : source.about(y);
        ASSERT_TRUE(a.contains(x) && b.contains(y));
        scalar_alu(operation, is_32bit, a, b, legacy);
        ASSERT_TRUE(a.contains(compute(operation, is_32bit, x, y)))
            << int(operation) << ' ' << is_32bit << ' ' << x << ' ' << y;
        ASSERT_FALSE(a.is_contradiction());
    }
}

TEST(Scalar, AluIsExactOnConstants) {
    Source source(2);
    for (int round = 0; round < 20000; ++round) {
        const uint64_t x = source.number(), y = source.below(32);
        const bool is_32bit = source.below(2);
        for (const uint8_t operation : kOperations) {
            Scalar a = Scalar::constant(x);
            scalar_alu(operation, is_32bit, a, Scalar::constant(y));
            ASSERT_EQ(a, Scalar::constant(compute(operation, is_32bit, x, y))) << int(operation);
        }
    }
}

bool compare(uint8_t operation, bool is_32bit, uint64_t x, uint64_t y) {
    if (is_32bit) {
        const bool is_signed = operation == isa::kJslt || operation == isa::kJsle ||
                               operation == isa::kJsgt || operation == isa::kJsge;
        x = is_signed ? uint64_t(int64_t(int32_t(x))) : uint32_t(x);
        y = is_signed ? uint64_t(int64_t(int32_t(y))) : uint32_t(y);
    }
    switch (operation) {
        case isa::kJeq: return x == y;
        case isa::kJne: return x != y;
        case isa::kJset: return x & y;
        case isa::kJlt: return x < y;
        case isa::kJle: return x <= y;
        case isa::kJgt: return x > y;
        case isa::kJge: return x >= y;
        case isa::kJslt: return int64_t(x) < int64_t(y);
        case isa::kJsle: return int64_t(x) <= int64_t(y);
        case isa::kJsgt: return int64_t(x) > int64_t(y);
        default: return int64_t(x) >= int64_t(y);
    }
}

TEST(Branch, OutcomesAndRefinementsAreTrueOfTheValues) {
    constexpr uint8_t kJumps[] = {isa::kJeq,  isa::kJne,  isa::kJset, isa::kJlt,
                                  isa::kJle,  isa::kJgt,  isa::kJge,  isa::kJslt,
                                  isa::kJsle, isa::kJsgt, isa::kJsge};
    Source source(3);
    for (int round = 0; round < 100000; ++round) {
        const uint64_t x = source.number(), y = source.below(3) ? source.number() : x;
        const uint8_t operation = kJumps[source.below(std::size(kJumps))];
        const bool is_32bit = source.below(2);
        Scalar a = source.about(x), b = source.about(y);
        const bool taken = compare(operation, is_32bit, x, y);
        const auto outcome = branch_outcome(operation, is_32bit, a, b);
        ASSERT_TRUE(!outcome || *outcome == taken) << int(operation) << ' ' << x << ' ' << y;
        (taken ? refine : refine_not)(operation, is_32bit, a, b);
        ASSERT_TRUE(a.contains(x) && b.contains(y))
            << int(operation) << ' ' << is_32bit << ' ' << taken << ' ' << x << ' ' << y;
    }
}

TEST(Branch, LearnsBounds) {
    Scalar a = Scalar::unknown(), five = Scalar::constant(5);
    refine(isa::kJlt, false, a, five);
    EXPECT_EQ(a.umax, 4u);
    EXPECT_EQ(a.bits, (Tnum{0, 7}));
    a = Scalar::unknown();
    refine_not(isa::kJlt, false, a, five);
    EXPECT_EQ(a.umin, 5u);
    refine(isa::kJset, false, a, five);
    EXPECT_EQ(branch_outcome(isa::kJeq, false, Scalar::constant(3), five), false);
    EXPECT_EQ(branch_outcome(isa::kJgt, false, Scalar::unknown(), five), std::nullopt);
}

TEST(Scalar, NarrowingInstructionsHoldEveryResult) {
    Source source(4);
    for (int round = 0; round < 50000; ++round) {
        const uint64_t x = source.number();
        const Scalar start = source.about(x);
        for (const uint8_t bytes : {1, 2, 4}) {
            Scalar a = start;
            a.truncate(bytes);
            ASSERT_TRUE(a.contains(x & ((1ull << bytes * 8) - 1)));
            a = start;
            a.sign_extend(bytes);
            const int64_t extended = bytes == 1 ? int8_t(x) : bytes == 2 ? int16_t(x) : int32_t(x);
            ASSERT_TRUE(a.contains(uint64_t(extended))) << x << ' ' << int(bytes);
            if (bytes == 4) continue;
            a = start;
            a.sign_extend32(bytes);
            a.zero_extend();
            a.sync();
            ASSERT_TRUE(a.contains(uint32_t(extended))) << x << ' ' << int(bytes);
        }
    }
}

TEST(Scalar, ByteSwapsHoldEveryResult) {
    Source source(5);
    for (int round = 0; round < 100000; ++round) {
        const uint64_t x = source.number();
        const Scalar start = source.about(x);
        for (const uint8_t bytes : {2, 4, 8}) {
            Scalar a = start;
            a.byte_swap(bytes, true);
            ASSERT_TRUE(a.contains(__builtin_bswap64(x) >> (64 - 8 * bytes))) << x;
            a = start;
            a.byte_swap(bytes, false);
            ASSERT_TRUE(a.contains(bytes == 8 ? x : x & ((1ull << bytes * 8) - 1))) << x;
        }
    }
    Scalar constant = Scalar::constant(0x1367);
    constant.byte_swap(2, true);
    EXPECT_EQ(constant, Scalar::constant(0x6713));
}

}  // namespace
}  // namespace skep::verifier
