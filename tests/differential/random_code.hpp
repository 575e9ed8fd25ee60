// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <random>
#include <vector>

#include "isa/insn.hpp"

namespace skep::kernel_test {

inline constexpr uint32_t kSeedBytes = 80;  ///< of the packet: what registers start with

/// A random program of type sched_cls that any Linux of the last years accepts: registers r0 and r2
/// to r9 start with unknown numbers from the packet; then every kind of arithmetic in both widths,
/// forward jumps of every kind, and loads, stores and atomic operations on the stack. Everything
/// ends up in the 32 bits that it returns. `cpu` (1 to 4) limits it to the instructions of that
/// version of the instruction set.
std::vector<isa::Insn> random_code(std::mt19937& random, size_t length, int cpu = 4);

}  // namespace skep::kernel_test
