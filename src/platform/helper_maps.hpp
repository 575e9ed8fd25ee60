// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "platform/helpers.hpp"
#include "platform/types.hpp"

namespace skep::platform {

/// Whether a map of that type may be the helper's map argument. Sockmap and sockhash are allowed
/// where any program type may use them so. helper_maps.def is the table.
bool helper_takes_map(HelperId helper, MapType type);

}  // namespace skep::platform
