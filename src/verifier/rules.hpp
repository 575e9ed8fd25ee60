// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

// The rules that a program can break, as data (rules.def): a refusal names one, and whoever shows
// it to people takes the explanation and the advice from here.
//
//     const RuleInfo& rule = rule_info(verdict.rule);
//     fmt::print("{}\n  {}\n", rule.explanation, rule.fix);

namespace skep::verifier {

enum class Rule : uint16_t {
    None,
#define RULE(id, wording, explanation, fix) id,
#include "verifier/rules.def"
#undef RULE
};

struct RuleInfo {
    Rule rule;
    std::string_view id;           ///< "PacketBounds"
    std::string_view wording;      ///< the kernel's message, or the part that all its forms share
    std::string_view explanation;  ///< one sentence: what is wrong
    std::string_view fix;          ///< what to change
};

std::span<const RuleInfo> rules();
const RuleInfo& rule_info(Rule rule);

}  // namespace skep::verifier
