// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "object/spec.hpp"

// Is it true what the verifier believes? One program that it accepts, run on random inputs:
//
//     traced     checked, and before each instruction every live register must be inside one of the
//                states that were recorded there (RecordedStates); what is dead code must not be
//                reached, branches that go one way must go it
//     checked    no access may be refused
//     unchecked  the same result, packet, context and maps as checked; and once more as machine
//                code
//
// The first thing that is not so is the answer, in words.

namespace skep::verifier_test {

struct Soundness {
    bool accepted = false;      ///< by the embedded platform; the rest says nothing otherwise
    bool unchecked = false;     ///< it could be run without checks
    bool compared = false;      ///< its states were few enough to be recorded
    uint64_t instructions = 0;  ///< executed and compared with states
    std::string complaint;      ///< empty: all is as it should be
};

/// The first program of `object`. Inputs follow from `seed`.
Soundness check_soundness(const object::ObjectSpec& object, uint64_t seed);

/// As long as there is a complaint, the object with fewer instructions.
object::ObjectSpec minimise_unsound(const object::ObjectSpec& object, uint64_t seed);

}  // namespace skep::verifier_test
