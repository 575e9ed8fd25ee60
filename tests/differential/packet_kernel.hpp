// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.hpp"

// BPF_PROG_TEST_RUN: a loaded program on one packet, in the running kernel.

namespace skep::kernel_test {

struct KernelRun {
    int error = 0;  ///< errno; the rest is valid only where it is 0
    uint32_t retval = 0;
    Bytes data = {};
    Bytes ctx = {};
};

/// `ctx` is the struct that goes in; as many bytes come out. `flags` are the command's.
KernelRun run_in_kernel(int prog, ByteView data, ByteView ctx, uint32_t flags = 0);

/// Moves this process into a network namespace of its own, with its loopback up: what programs send
/// off stays there. Why not, where that is not possible.
std::optional<std::string> enter_own_network();

}  // namespace skep::kernel_test
