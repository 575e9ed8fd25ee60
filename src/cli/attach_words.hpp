// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "skep/link.hpp"

// What the options of `skep run` say about where to attach.

namespace skep::cli {

/// "input", "ipv6/output", "postrouting:100": [ipv4/|ipv6/]HOOK[:PRIORITY].
Result<NetfilterHook> netfilter_hook(const std::string& text);

/// "page-faults", "cpu-clock", "cache-misses:1000": NAME[:PERIOD], perf's names; without a period
/// 99 times a second.
Result<PerfEvent> perf_event(const std::string& text);

}  // namespace skep::cli
