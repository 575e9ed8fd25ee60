// SPDX-License-Identifier: Apache-2.0
#include "engine/coverage.hpp"

#include "engine/testing.hpp"

namespace skep::engine {
namespace {

const Env kEnv;

TEST(Coverage, CountsRunsAndJumps) {
    // Five iterations: the jump back is taken four times.
    const auto object = Object::load(
        object_of("r0 = 0\nr1 = 5\nr0 += r1\nr1 += -1\nif r1 != 0 goto -3\nif r0 == 1 goto +1\n"
                  "exit\nr0 = 2 ll\nexit"),
        kEnv, {.coverage = true});
    ASSERT_TRUE(object);
    const Prog& prog = *(*object)->find_prog("test");
    ASSERT_TRUE(prog.coverage());
    const Coverage& coverage = *prog.coverage();
    EXPECT_EQ(run_object(**object).r0, 15u);
    EXPECT_EQ(run_object(**object).r0, 15u);
    EXPECT_EQ(coverage.size(), 10u);
    EXPECT_EQ(coverage.runs(0), 2u);
    EXPECT_EQ(coverage.runs(2), 10u);
    EXPECT_FALSE(coverage.jumps(2));
    EXPECT_TRUE(coverage.jumps(4));
    EXPECT_EQ(coverage.runs(4), 10u);
    EXPECT_EQ(coverage.taken(4), 8u);
    EXPECT_TRUE(coverage.jumps(5));
    EXPECT_EQ(coverage.taken(5), 0u);
    EXPECT_EQ(coverage.runs(6), 2u);
    EXPECT_EQ(coverage.runs(7), 0u);
    EXPECT_TRUE(coverage.counted(7));
    EXPECT_FALSE(coverage.counted(8));  // the second half of `r0 = 2 ll`
}

TEST(Coverage, FollowsCallsAndFaults) {
    const auto object =
        Object::load(object_of("main:\nr1 = 1\ncall one\nr2 = 0\nr0 = *(u64 *)(r2 + 0)\nexit\n"
                               "one:\nif r1 == 1 goto +1\nr1 = 2\nr0 = r1\nexit\n"),
                     kEnv, {.coverage = true});
    ASSERT_TRUE(object);
    const Outcome outcome = run_object(**object);
    ASSERT_TRUE(outcome.fault);
    EXPECT_EQ(outcome.fault->insn, 3u);
    const Coverage& coverage = *(*object)->find_prog("test")->coverage();
    EXPECT_EQ(coverage.runs(3), 1u);
    EXPECT_EQ(coverage.runs(4), 0u);
    EXPECT_EQ(coverage.taken(5), 1u);
    EXPECT_EQ(coverage.runs(6), 0u);
    EXPECT_EQ(coverage.runs(8), 1u);
}

TEST(Coverage, IsNothingWhereNobodyAsks) {
    const auto object = Object::load(object_of("r0 = 0\nexit"), kEnv);
    ASSERT_TRUE(object);
    EXPECT_FALSE((*object)->find_prog("test")->coverage());
}

}  // namespace
}  // namespace skep::engine
