// SPDX-License-Identifier: Apache-2.0
#include "engine/reachable.hpp"

#include <gmock/gmock.h>

#include "isa/assemble.hpp"

namespace skep::engine {
namespace {

using ::testing::ElementsAre;

std::vector<bool> reachable(std::string_view text) {
    const auto program = isa::assemble(text);
    EXPECT_TRUE(program) << text;
    return reachable_insns(program->insns);
}

TEST(Reachable, ABranchOnAConstantGoesOneWay) {
    EXPECT_THAT(reachable("r1 = 0\nif r1 == 0 goto +1\ncall 0x99\nr0 = 0\nexit"),
                ElementsAre(true, true, false, true, true));
    EXPECT_THAT(reachable("r1 = 1\nif r1 == 0 goto +1\ncall 0x99\nr0 = 0\nexit"),
                ElementsAre(true, true, true, true, true));
}

TEST(Reachable, WhatIsNotConstantGoesBothWays) {
    EXPECT_THAT(reachable("if r1 == 0 goto +1\ncall 0x99\nr0 = 0\nexit"),
                ElementsAre(true, true, true, true));
    // Two ways to instruction 3, with different values.
    EXPECT_THAT(reachable("r2 = 0\nif r1 == 0 goto +1\nr2 = 1\nif r2 == 0 goto +1\ncall 0x99\n"
                          "r0 = 0\nexit"),
                ElementsAre(true, true, true, true, true, true, true));
}

TEST(Reachable, LoopsLoseTheirCounters) {
    EXPECT_THAT(reachable("r1 = 0\nr1 += 1\nif r1 != 5 goto -2\ncall 0x99\nr0 = 0\nexit"),
                ElementsAre(true, true, true, true, true, true));
}

TEST(Reachable, NarrowConstantsAreTruncated) {
    EXPECT_THAT(reachable("r1 = -1\nw2 = w1\nr3 = 0xffffffff ll\nif r2 == r3 goto +1\ncall 0x99\n"
                          "r0 = 0\nexit"),
                ElementsAre(true, true, true, false, true, false, true, true));
}

}  // namespace
}  // namespace skep::engine
