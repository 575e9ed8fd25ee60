// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

#include "platform/helpers.hpp"

namespace skep::engine {

class Execution;

// What programs get from their surroundings besides their event: time, chance, a place for their
// messages. One object for all programs of a runtime; tests and replay replace parts of it:
//
//     Env env;
//     env.printk = [](std::string_view line) { fmt::print("{}\n", line); };
//     env.clock = [&](Clock) { return packet.time_ns; };       // replay: the capture's own time
//
// The functions are called on the thread that runs the program.

enum class Clock : uint8_t { Monotonic, Boot, Tai, Real, Coarse };

struct Env {
    /// bpf_trace_printk() and bpf_trace_vprintk(): one line without its newline.
    std::function<void(std::string_view line)> printk = {};
    /// Nanoseconds; empty: the machine's clocks.
    std::function<uint64_t(Clock clock)> clock = {};
    /// bpf_get_prandom_u32(); empty: a generator of the execution's own.
    std::function<uint32_t()> random = {};

    /// What the helpers in Object::Options::mocked do instead; their arguments have been checked.
    std::function<uint64_t(Execution& x, platform::HelperId helper,
                           const std::array<uint64_t, 5>& args)>
        mock = {};

    uint64_t now(Clock which) const;
};

}  // namespace skep::engine
