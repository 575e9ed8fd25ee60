// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

// Functions of programs and libraries, for user probes in many of them at once.

namespace skep::kernel {

/// The file of a program or library: a path as it is, "bash" along PATH, "libc.so.6" where the
/// dynamic linker looks.
Result<std::string> resolve_binary(const std::string& name);

/// Where in the file the functions begin whose names match one of the patterns ('*' and '?'),
/// ascending, each once. An error where there is none.
Result<std::vector<uint64_t>> function_offsets(const std::string& path,
                                               const std::vector<std::string>& patterns);

/// Whether this kernel makes probes in its own functions.
bool has_kernel_probes();

}  // namespace skep::kernel
