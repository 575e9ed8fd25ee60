// SPDX-License-Identifier: Apache-2.0
#include "engine/coverage.hpp"

#include "engine/ops.hpp"

namespace skep::engine {

namespace {

bool is_conditional(const isa::Insn& insn) {
    const uint8_t kind = insn.cls();
    if (kind != isa::kJmp && kind != isa::kJmp32) return false;
    const uint8_t operation = insn.operation();
    return operation != isa::kJa && operation != isa::kCall && operation != isa::kExit &&
           operation != isa::kJcond;
}

}  // namespace

Coverage::Coverage(isa::InsnView insns, std::vector<Op>& ops) : counts_(insns.size()) {
    for (size_t i = 0; i < insns.size(); i += size_t(insns[i].slots())) {
        counts_[i].code = ops[i].code;
        counts_[i].counted = true;
        counts_[i].jumps = is_conditional(insns[i]);
        ops[i].code = uint16_t(OpCode::Counted);
    }
}

}  // namespace skep::engine
