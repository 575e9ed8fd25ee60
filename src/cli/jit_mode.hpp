// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "engine/object.hpp"

namespace skep::cli {

/// What --jit may say. The last is not there yet, and says so.
inline const std::vector<std::string> kJitModes = {"off", "baseline", "auto", "optimising"};

inline Result<engine::Jit> jit_mode(std::string_view name) {
    if (name == "off") return engine::Jit::Off;
    if (name == "baseline") return engine::Jit::Baseline;
    if (name == "auto") return engine::Jit::Auto;
    if (name == "optimising")
        return std::unexpected(Error{ErrorCode::Unsupported,
                                     "--jit optimising: this build has no optimising tier",
                                     "baseline is the best that it has, and what auto takes", 0});
    return std::unexpected(Error{ErrorCode::Usage, "--jit takes off, baseline or auto", "", 0});
}

}  // namespace skep::cli
