// SPDX-License-Identifier: Apache-2.0
#include "verifier/rules.hpp"

#include <array>

namespace skep::verifier {
namespace {

constexpr RuleInfo kRules[] = {
    {Rule::None, "None", "", "no rule is broken", ""},
#define RULE(id, wording, explanation, fix) {Rule::id, #id, wording, explanation, fix},
#include "verifier/rules.def"
#undef RULE
};

}  // namespace

std::span<const RuleInfo> rules() {
    return std::span(kRules).subspan(1);
}

const RuleInfo& rule_info(Rule rule) {
    return kRules[static_cast<size_t>(rule)];
}

}  // namespace skep::verifier
