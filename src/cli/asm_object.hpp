// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "isa/assemble.hpp"

namespace skep::cli {

struct AsmObjectOptions {
    std::string section;  ///< of the first function
    std::string license;
};

/// Assembled text as the smallest object that libbpf loads: the first function alone in its
/// section, the others in .text, a symbol for each, relocations for calls and addresses. Malformed
/// where a jump leaves its function.
Result<Bytes> assembled_object(const isa::Assembly& assembly, const AsmObjectOptions& options);

}  // namespace skep::cli
