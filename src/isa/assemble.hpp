// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isa/insn.hpp"

// Text to eBPF: the syntax of clang's assembler and of what append_text() prints, one instruction a
// line or several with ';' between them. docs/isa.md is the reference.
//
//     auto assembly = assemble(R"(
//         count_to:              // a label that is called is a function
//             r0 = 0
//         again:
//             r0 += 1
//             if r0 s< r1 goto again
//             exit
//     )");
//     if (!assembly) puts(render(assembly.error(), source, "count.s").c_str());
//
// Each instruction is checked as it is read (a write to r10 is an error with its position), the
// program as a whole is not: run validate() on what is to be a complete one.

namespace skep::isa {

/// A function: the first label of the program, one that is called or whose address is taken, one
/// declared by .globl, and each "<name>:" of llvm-objdump's output.
struct AsmFunction {
    std::string name;
    uint32_t insn;
    bool operator==(const AsmFunction&) const = default;
};

struct Assembly {
    std::vector<Insn> insns;
    std::vector<uint32_t> lines;         ///< the source line of each insn, from 1
    std::vector<AsmFunction> functions;  ///< ascending by insn
};

struct AsmError {
    uint32_t line;    ///< from 1
    uint32_t column;  ///< in bytes, from 1
    std::string message;
    std::string hint;  ///< what to write instead; may be empty
};

/// The number of a helper by its name ("bpf_map_lookup_elem" or "map_lookup_elem", as the caller
/// likes), or nothing.
using HelperNumber = std::function<std::optional<int32_t>(std::string_view name)>;

/// The first error ends it. `helper` resolves `call NAME` where NAME is no label.
std::expected<Assembly, AsmError> assemble(std::string_view source,
                                           const HelperNumber& helper = {});

/// "file.s:3:9: MESSAGE", the line with a caret below the place, and the hint.
std::string render(const AsmError& error, std::string_view source, std::string_view file);

}  // namespace skep::isa
