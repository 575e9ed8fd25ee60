// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace skep::engine {
class Prog;
}

namespace skep::engine::jit {

class NativeCode;

// What profilers and debuggers want to know of a program's machine code: its functions, and which
// source line each piece comes from.

struct CodeMap {
    struct Symbol {
        std::string name;  ///< "bpf_prog_count", as in Linux; of functions "bpf_prog_count_helper"
        const uint8_t* begin;
        size_t size;
    };
    struct Line {
        const uint8_t* begin;   ///< up to the next one
        std::string_view file;  ///< of the program's BTF
        uint32_t line;
    };

    std::span<const uint8_t> code;
    std::vector<Symbol> symbols;  ///< ascending, without gaps
    std::vector<Line> lines;      ///< ascending; none without BTF
};

CodeMap code_map(const Prog& prog, const NativeCode& code);

}  // namespace skep::engine::jit
