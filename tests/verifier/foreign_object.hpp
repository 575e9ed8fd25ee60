// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "object/spec.hpp"

// Objects that were made for other loaders than libbpf (iproute2, Cilium's, Open vSwitch's, the
// kernel's samples), read all the same: what they say about loading is left out, so that their
// programs can be verified. For tests and benchmarks only.

namespace skep::verifier_test {

/// The object, with
/// - what follows the five words of a legacy map definition taken as zero,
/// - ways to pin that libbpf does not know taken as none,
/// - symbols in code that have neither type nor size taken as functions,
/// - relocations with addends (all of them 0) taken as those without,
/// - programs whose section says nothing given the type that file and section suggest,
/// - map sizes that user space sets before loading set to something.
Result<object::ObjectSpec> read_any_object(const std::string& path);

}  // namespace skep::verifier_test
