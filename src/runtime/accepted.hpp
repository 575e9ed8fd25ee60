// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/prog.hpp"

namespace skep::runtime {

/// Whether the verifier has accepted a program of this object; else an error with its reason, and
/// its explanation as the hint.
Result<void> accepted(const object::ObjectSpec& object, const engine::Prog& prog);

}  // namespace skep::runtime
