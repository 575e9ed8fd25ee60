// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "verifier/scalar.hpp"

// What comparisons of numbers tell: whether a branch can go either way, and what is known of both
// operands where it was taken and where it was not.
//
//     Scalar a = Scalar::unknown(), five = Scalar::constant(5);
//     refine(isa::kJlt, false, a, five);            // in the branch a < 5: a.umax is 4
//     refine_not(isa::kJlt, false, a, five);        // in the other one: a.umin is 5
//
// Precise as Linux 6.18 is.

namespace skep::verifier {

/// The outcome of "if a OP b" where it is the same for all values; nothing where it depends.
std::optional<bool> branch_outcome(uint8_t operation, bool is_32bit, const Scalar& a,
                                   const Scalar& b);

/// Both operands, given that the comparison is true (or false). Bounds are synced.
void refine(uint8_t operation, bool is_32bit, Scalar& a, Scalar& b);
void refine_not(uint8_t operation, bool is_32bit, Scalar& a, Scalar& b);

/// The comparison with its operands exchanged: a < b is b > a.
uint8_t swapped(uint8_t operation);

}  // namespace skep::verifier
