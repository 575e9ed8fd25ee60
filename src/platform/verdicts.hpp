// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "platform/helper_access.hpp"

// What a program's return value may be and what it means:
//
//     verdict_name(ProgType::Xdp, 2)                                  // "XDP_PASS"
//     verdict_name(ProgType::SchedCls, -1, AttachType::TcxIngress)    // "TCX_NEXT"
//     verdict_name(ProgType::Kprobe, 42)                              // "42"
//     return_range({ProgType::CgroupSkb, AttachType::CgroupInetIngress})  // 0 to 1
//
// Constant data, safe from any thread. verdicts.def names the sources.

namespace skep::platform {

struct ReturnRange {
    int32_t lowest;
    int32_t highest;

    constexpr bool contains(int32_t value) const { return value >= lowest && value <= highest; }
};

/// The values that the Linux 6.18 verifier lets such programs return; nothing where any will do.
std::optional<ReturnRange> return_range(const ProgKind& kind);

/// The name of a return value, or its decimal number where it has none. SchedAct reads as SchedCls.
std::string verdict_name(ProgType type, int32_t value, AttachType attach = AttachType::None);

}  // namespace skep::platform
