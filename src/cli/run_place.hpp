// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/run.hpp"

namespace skep::cli {

/// Where `skep run` runs: what --in says. `auto` is this process, unless an option or a program
/// needs the kernel. Usage where the options do not go together.
Result<Place> choose_place(const RunOptions& options, const std::vector<std::string>& child,
                           const object::ObjectSpec& spec);

}  // namespace skep::cli
