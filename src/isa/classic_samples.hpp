// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <random>
#include <vector>

#include "isa/classic.hpp"

// For tests only: classic filters, random and compiled, and packets for them. A filter's effect is
// seen by how many bytes of a packet it keeps, so filters end in a hash of A that is below the
// packets' length.

namespace skep::isa::testing {

constexpr size_t kPacketSize = 1200;  // more than the 1023 that finish() can return

using Rng = std::mt19937;

inline uint32_t below(Rng& rng, uint32_t limit) {
    return static_cast<uint32_t>(rng() % limit);
}

template <size_t N>
uint32_t pick(Rng& rng, const uint32_t (&values)[N]) {
    return values[below(rng, N)];
}

/// Ancillary loads that give the same in two sockets, and that eBPF can express.
constexpr uint32_t kSteadyAncillary[] = {0, 4, 8, 12, 16, 20, 24, 32, 40, 44, 48, 60};

/// Ends the program with "return a 10-bit hash of A".
void finish(std::vector<ClassicInsn>& program);

/// Known instructions with operands that mostly make sense; about half of the programs are valid.
std::vector<ClassicInsn> random_program(Rng& rng);

/// Half of them are such that attribute searches find something: small numbers every 2 bytes.
Bytes random_packet(Rng& rng);

/// What tcpdump makes of the expression for Ethernet; empty where it is no expression.
std::vector<ClassicInsn> compile_filter(const char* expression);

}  // namespace skep::isa::testing
