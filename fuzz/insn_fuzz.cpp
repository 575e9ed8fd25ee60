// SPDX-License-Identifier: Apache-2.0
// Any bytes as eBPF: what is legal prints as text that assembles to the same bytes.
#include "isa/assemble.hpp"
#include "isa/decode.hpp"
#include "isa/disasm.hpp"

using namespace skep;
using namespace skep::isa;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const auto insns = decode({data, size});
    if (!insns) return 0;
    (void)validate(*insns);
    (void)listing(*insns);
    std::string text;
    std::vector<Insn> legal;
    for (size_t i = 0; i < insns->size();) {
        const bool known = check(*insns, i).has_value();
        std::string line;
        const size_t slots = append_text(line, *insns, i);
        SKEP_CHECK(known == (line != "<unknown>"));
        if (known) {
            text += line + '\n';
            legal.insert(legal.end(), insns->begin() + long(i), insns->begin() + long(i + slots));
        }
        i += slots;
    }
    const auto assembly = assemble(text);
    SKEP_CHECK(assembly && assembly->insns == legal);
    return 0;
}
