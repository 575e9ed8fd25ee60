// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "object/spec.hpp"

namespace skep::verifier_test {

/// A random program from its seed: always the same one. Made of what real programs are made of (ALU
/// mixes, packet and map accesses behind checks, spills, branches, bounded loops, helper calls,
/// functions, callbacks), with a rough idea of what registers hold, so that about half are
/// accepted; now and then the idea is ignored, or a bound is off by a few, so that the others are
/// refused for all kinds of reasons.
object::ObjectSpec generate_program(uint64_t seed);

}  // namespace skep::verifier_test
