// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/scalar.hpp"

// What arithmetic makes of numbers of which something is known.
//
//     scalar_alu(isa::kAdd, false, dst, src);     // dst += src
//
// Precise as Linux 6.18 is. An operation of which it keeps nothing leaves an unknown number.

namespace skep::verifier {

/// `operation` is isa::kAdd and its like (also kNeg, of dst alone); kMov and kEnd are not for here.
/// `legacy`: as Linux before 6.14 did it, where less was known of some results.
void scalar_alu(uint8_t operation, bool is_32bit, Scalar& dst, const Scalar& src,
                bool legacy = false);

/// Whether anything can be known of the result: shifts need a constant within the width.
bool scalar_alu_is_tracked(uint8_t operation, bool is_32bit, const Scalar& src);

/// dst += src, without telling the parts of the result from each other.
void scalar_add_no_sync(Scalar& dst, const Scalar& src);

}  // namespace skep::verifier
