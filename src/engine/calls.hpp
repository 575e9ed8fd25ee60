// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "engine/helpers.hpp"
#include "platform/embedded.hpp"
#include "platform/helpers.hpp"

// Calls from a program into the engine, resolved when the program is loaded.

namespace skep::engine {

struct Call {
    HelperFn fn = nullptr;
    const platform::HelperProto* proto = nullptr;  ///< of a helper
    const platform::KfuncInfo* kfunc = nullptr;    ///< of a kernel function

    std::string_view name() const { return proto ? proto->name : kfunc->name; }
};

/// Whether the arguments in r1 to r5 are what the prototype asks for; otherwise the execution has a
/// fault afterwards.
bool check_arguments(Execution& execution, const platform::HelperProto& proto,
                     const uint64_t* registers);

}  // namespace skep::engine
