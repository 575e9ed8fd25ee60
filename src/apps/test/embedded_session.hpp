// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "apps/test/session.hpp"
#include "engine/object.hpp"

namespace skep::test {

struct EmbeddedOptions {
    bool coverage = false;
    engine::Jit jit = engine::Jit::Off;  ///< as in RunOptions
    /// With each program, when the session ends: to read its coverage.
    std::function<void(const engine::Prog&)> finished = {};
};

/// Loads the object into this process, for this test; both outlive the session. The error has the
/// code Unsupported where this runtime lacks what the programs need.
Result<std::unique_ptr<Session>> load_embedded(const object::ObjectSpec& spec, const TestFile& file,
                                               const Test& test, const EmbeddedOptions& options);

}  // namespace skep::test
