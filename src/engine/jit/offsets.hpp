// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <type_traits>

#include "engine/jit/x86.hpp"
#include "engine/run_state.hpp"

// Where machine code finds the parts of RunState, by r12.

namespace skep::engine::jit {

static_assert(std::is_standard_layout_v<RunState>);

#define SKEP_STATE(name, field)                           \
    inline constexpr x86::Mem name {                      \
        x86::Reg::r12, int32_t(offsetof(RunState, field)) \
    }
SKEP_STATE(kExecution, execution);
SKEP_STATE(kEvent, event);
SKEP_STATE(kBudgetLeft, budget_left);
SKEP_STATE(kNativeSp, native_sp);
SKEP_STATE(kDepth, depth);
SKEP_STATE(kAt, at);
SKEP_STATE(kRegisters, registers);
SKEP_STATE(kStackTop, stack_top);
#undef SKEP_STATE

inline constexpr x86::Mem saved_register(int number) {
    return {kRegisters.base, kRegisters.disp + 8 * number};
}

}  // namespace skep::engine::jit
