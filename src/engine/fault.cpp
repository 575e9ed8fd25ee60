// SPDX-License-Identifier: Apache-2.0
#include "engine/fault.hpp"

#include <fmt/core.h>

namespace skep::engine {

std::string Fault::to_string() const {
    std::string text = fmt::format("program '{}', instruction {}", prog, insn);
    if (reg >= 0) text += fmt::format(" (r{} = {:#x})", reg, value);
    text += ": " + message;
    if (!source.empty()) text += "\n  " + source;
    return text;
}

}  // namespace skep::engine
