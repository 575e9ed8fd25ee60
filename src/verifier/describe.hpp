// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "verifier/state.hpp"

// What a register or a stack slot holds, for people: "a number from 0 to 255", "a pointer into the
// packet, 14 bytes from its start, of which 34 bytes are known to be there".

namespace skep::verifier {

std::string describe(const Scalar& value);
std::string describe(const RegState& reg);
std::string describe(const StackSlot& slot);

/// "packet", "stack", "value of map 'counts'": what a pointer points into; empty for a number.
std::string describe_target(const RegState& reg);

}  // namespace skep::verifier
