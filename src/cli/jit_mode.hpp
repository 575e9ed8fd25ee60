// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "engine/jit/optimise.hpp"
#include "engine/object.hpp"

namespace skep::cli {

/// What --jit may say.
inline const std::vector<std::string> kJitModes = {"off", "baseline", "optimising", "auto"};

/// An Error of code Unsupported where the optimising tier is asked for and not there.
inline Result<engine::Jit> jit_mode(std::string_view name) {
    if (name == "off") return engine::Jit::Off;
    if (name == "baseline") return engine::Jit::Baseline;
    if (name == "auto") return engine::Jit::Auto;
    if (name == "optimising") {
        SKEP_TRY(engine::jit::optimiser());
        return engine::Jit::Optimising;
    }
    return std::unexpected(
        Error{ErrorCode::Usage, "--jit takes off, baseline, optimising or auto", "", 0});
}

}  // namespace skep::cli
