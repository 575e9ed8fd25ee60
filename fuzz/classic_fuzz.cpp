// SPDX-License-Identifier: Apache-2.0
// Any bytes as classic BPF, in memory and as text: the decimal form comes back, and a valid filter
// translates to a valid program, unless it asks for what eBPF lacks.
#include <algorithm>

#include "isa/classic_text.hpp"
#include "isa/classic_to_ebpf.hpp"
#include "isa/decode.hpp"

using namespace skep;
using namespace skep::isa;

static void check_program(ClassicView program) {
    (void)classic_text(program, ClassicStyle::Text);
    (void)classic_text(program, ClassicStyle::C);
    if (program.size() <= kClassicMaxInsns) {
        const auto again = parse_classic(classic_text(program, ClassicStyle::Decimal));
        SKEP_CHECK(again && std::ranges::equal(*again, program));
    }
    const bool valid = validate_classic(program).has_value();
    const auto insns = classic_to_ebpf(program, {.hatype = 1});
    SKEP_CHECK(valid == (insns || insns.error().code == ErrorCode::Unsupported));
    SKEP_CHECK(!insns || validate(*insns));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (const auto program = decode_classic({data, size})) check_program(*program);
    if (const auto program = parse_classic({reinterpret_cast<const char*>(data), size}))
        check_program(*program);
    return 0;
}
