// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "object/spec.hpp"
#include "skep/runtime.hpp"

namespace skep::runtime {

/// Puts LoadOptions::globals into the initial values of the spec's data maps, by BTF. Usage where
/// there is no such variable, or its size is another.
Result<void> set_globals(object::ObjectSpec& spec, const LoadOptions& options);

/// Other sizes for maps; Usage where there is no such map.
Result<void> set_max_entries(object::ObjectSpec& spec, const LoadOptions& options);

}  // namespace skep::runtime
