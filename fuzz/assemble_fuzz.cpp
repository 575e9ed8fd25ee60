// SPDX-License-Identifier: Apache-2.0
// Any text as assembler: an error has a place in it, and what assembles is legal and prints as text
// that assembles to the same.
#include <algorithm>

#include "isa/assemble.hpp"
#include "isa/decode.hpp"
#include "isa/disasm.hpp"

using namespace skep;
using namespace skep::isa;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view source(reinterpret_cast<const char*>(data), size);
    const HelperNumber helper = [](std::string_view name) -> std::optional<int32_t> {
        if (name.starts_with("bpf_")) return static_cast<int32_t>(name.size());
        return std::nullopt;
    };
    const auto assembly = assemble(source, helper);
    if (!assembly) {
        const AsmError& error = assembly.error();
        SKEP_CHECK(error.line >= 1 && error.line <= 1 + std::ranges::count(source, '\n'));
        SKEP_CHECK(error.column >= 1 && error.column <= size + 1);
        (void)render(error, source, "fuzz");
        return 0;
    }
    SKEP_CHECK(assembly->lines.size() == assembly->insns.size());
    std::string text;
    for (size_t i = 0; i < assembly->insns.size(); text += '\n') {
        SKEP_CHECK(check(assembly->insns, i));
        i += append_text(text, assembly->insns, i);
    }
    const auto again = assemble(text);
    SKEP_CHECK(again && again->insns == assembly->insns);
    return 0;
}
