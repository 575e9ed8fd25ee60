// SPDX-License-Identifier: Apache-2.0
#include "verifier/rules.hpp"

#include <gtest/gtest.h>

namespace skep::verifier {
namespace {

TEST(Rules, EachIsAtItsPlaceAndSaysWhatToDo) {
    EXPECT_GT(rules().size(), 50u);
    for (const RuleInfo& rule : rules()) {
        EXPECT_EQ(&rule_info(rule.rule), &rule);
        EXPECT_FALSE(rule.explanation.empty()) << rule.id;
        EXPECT_FALSE(rule.fix.empty()) << rule.id;
    }
}

}  // namespace
}  // namespace skep::verifier
