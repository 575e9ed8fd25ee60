// SPDX-License-Identifier: Apache-2.0
#include "verifier/recorded_states.hpp"

#include "verifier/program_parts.hpp"

namespace skep::verifier {

namespace {

KnownRegister known(const RegState& reg) {
    KnownRegister out{.type = reg.type,
                      .off = reg.type == kScalar ? 0 : reg.off,
                      .value = reg.value,
                      .frameno = reg.frameno,
                      .packet_range = reg.packet_range};
    if (reg.map) {
        out.map = reg.map->index;
        out.is_inner_map = reg.map->is_inner;
    }
    return out;
}

}  // namespace

void RecordedStates::record(uint32_t insn, const VerifierState& state, uint16_t live) {
    if (count_ >= kMost) return;
    ++count_;
    KnownState& kept = states_[insn].emplace_back();
    kept.frame = state.curframe;
    kept.live = live;
    for (size_t r = 0; r < kRegs; ++r) kept.regs[r] = known(state.cur().regs[r]);
}

}  // namespace skep::verifier
