// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "isa/insn.hpp"
#include "platform/helper_access.hpp"

// Random programs of packet types: a few steps, each a helper with constant arguments, an access to
// the context or a legacy load. All that they come to know goes into the return value, so that two
// places that ran one agree only where each step had the same result.

namespace skep::kernel_test {

using Random = std::mt19937;

struct StepProgram {
    std::vector<isa::Insn> insns = {};
    std::vector<std::string> steps = {};  ///< in words, for messages

    std::string to_string() const;
};

/// `size` is that of the packet it will run on: what is near its end is worth trying. The result of
/// a cgroup_skb program, whose return value may only be 0 or 1, is its mark. A `still` program
/// moves no headers and keeps the packet's length.
StepProgram random_program(Random& random, const platform::ProgKind& kind, uint32_t size,
                           bool still = false);

/// Frames of all sorts: IPv4, IPv6, tagged, odd types and lengths, random bytes; 14 to 1500 bytes.
std::vector<uint8_t> random_frame(Random& random);

}  // namespace skep::kernel_test
