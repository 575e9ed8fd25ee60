// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/helpers.hpp"

namespace skep::engine {

/// Stands in for a helper: asks Env::mock. Null for a number that no helper has.
HelperFn mocked_helper(platform::HelperId id);

}  // namespace skep::engine
