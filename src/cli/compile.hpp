// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace skep::cli {

/// Whether a file of this name is BPF C rather than an object.
bool is_source(const std::string& path);

/// BPF C through the newest clang that is installed, to an object with BTF. What clang says goes to
/// stderr. Malformed where it does not compile, Unsupported where there is no clang.
Result<Bytes> compile(const std::string& path);

}  // namespace skep::cli
