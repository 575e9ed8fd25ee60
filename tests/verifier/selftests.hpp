// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/result.hpp"

// The kernel's own tests of its verifier, where a kernel source tree is at hand (it is never part
// of this repository): SKEP_KERNEL_SOURCE=/path, or what a Debian linux-source package leaves
// unpacked under /usr/src.

namespace skep::verifier_test {

/// The source tree, or why there is none.
Result<std::string> kernel_source();

/// Compiles progs/verifier_*.c into a directory of the build tree, unless they are there already.
Result<std::string> compiled_selftests();

/// What Linux 6.18 says where Linux 6.12's annotations say otherwise: name -> accepted
/// (overruled.txt).
Result<std::map<std::string, bool>> read_overruled(const std::string& path);

/// First words of lines, comments left out: known_gaps.txt.
Result<std::set<std::string>> read_names(const std::string& path);

}  // namespace skep::verifier_test
