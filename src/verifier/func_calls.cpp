// SPDX-License-Identifier: Apache-2.0
// Calls inside the program: static functions are followed, global ones are verified on their own,
// callbacks are followed as often as it takes to see that one more time changes nothing.
#include "verifier/calls.hpp"
#include "verifier/explore.hpp"
#include "verifier/liveness.hpp"
#include "verifier/log.hpp"

namespace skep::verifier {

using isa::Insn;

void init_function(FuncState& frame, int32_t callsite, uint16_t frameno, uint16_t subprog) {
    frame = FuncState{};
    frame.callsite = callsite;
    frame.frameno = frameno;
    frame.subprog = subprog;
    frame.callback_ret_range = {0, 0, false};
    RegState& pointer = frame.regs[isa::kMaxRegister];
    pointer.set_pointer(kPtrToStack);
    pointer.frameno = uint8_t(frameno);
}

bool Analysis::setup_func_entry(uint32_t subprog, uint32_t callsite, SetCallee set_callee,
                                VerifierState& into) {
    if (into.curframe + 1 >= isa::kMaxFrames)
        return refuse(Rule::CallDepth, "the call stack of {} frames is too deep",
                      into.curframe + 2);
    const uint32_t frameno = into.curframe + 1;
    into.frames[frameno] = frames.make();
    FuncState& callee = into.frame_mut(frameno);
    init_function(callee, int32_t(callsite), uint16_t(frameno), uint16_t(subprog));
    if (!set_callee(*this, into.frame(into.curframe), callee, callsite)) {
        into.frames[frameno].reset();
        return false;
    }
    ++into.curframe;
    return true;
}

namespace {

bool pass_arguments(Analysis&, const FuncState& caller, FuncState& callee, uint32_t) {
    for (size_t i = 1; i <= 5; ++i) callee.regs[i] = caller.regs[i];
    return true;
}

bool call_global(Analysis& a, uint32_t index) {
    SubprogInfo& subprog = a.subprogs[index];
    const VerifierState& state = *a.state;
    if (state.active_locks)
        return a.refuse(Rule::LockHeld,
                        "global function calls are not allowed while holding a lock,\nuse static "
                        "function instead");
    if (subprog.might_sleep && (state.active_rcu_locks || state.active_preempt_locks ||
                                state.active_irq_id || !a.in_sleepable()))
        return a.refuse(Rule::GlobalFunction,
                        "global functions that may sleep are not allowed in non-sleepable "
                        "context,\ni.e., in a RCU/IRQ/preempt-disabled section, or in\na "
                        "non-sleepable BPF program context");
    if (!check_subprog_args(a, subprog)) {
        a.refusal.reason +=
            fmt::format("\nCaller passes invalid args into func#{} ('{}')", index, subprog.name);
        return false;
    }
    a.log("Func#{} ('{}') is global and assumed valid.\n", index, subprog.name);
    if (subprog.changes_pkt_data) a.invalidate_packet_pointers();
    subprog.called = true;
    a.clear_caller_saved();
    a.mark_reg_unknown(0);
    return true;
}

}  // namespace

bool check_subprog_args(Analysis& a, SubprogInfo& subprog) {
    using platform::ArgBase;
    if (!prepare_func_args(a, subprog)) return false;
    for (int i = 0; i < subprog.arg_count; ++i) {
        const int regno = i + 1;
        const ArgInfo& arg = subprog.args[size_t(i)];
        const RegState& reg = a.reg(regno);
        switch (arg.base) {
            case ArgBase::Anything:
                if (reg.type != kScalar)
                    return a.refuse(Rule::HelperArgument, "R{} is not a scalar", regno);
                break;
            case ArgBase::Arena:
                if (reg.type != kPtrToArena && reg.type != kScalar)
                    return a.refuse(Rule::ArenaAccess, "R{} is not a pointer to arena or scalar.",
                                    regno);
                break;
            case ArgBase::Ctx:
                if (!a.check_ptr_off_reg(reg, regno, reg.type != kPtrToCtx)) return false;
                if (reg.type != kPtrToCtx)
                    return a.refuse(Rule::HelperArgument, "arg#{} expects pointer to ctx", i);
                break;
            default:
                if (!check_global_arg(a, regno, arg)) return false;
        }
    }
    return true;
}

bool check_func_call(Analysis& a, const Insn& insn) {
    const uint32_t target = uint32_t(int64_t{a.insn_index} + insn.imm + 1);
    const int subprog = a.find_subprog(target);
    if (subprog < 0)
        return a.refuse(Rule::Internal, "verifier bug. No program starts at insn {}", target);
    if (a.subprogs[size_t(subprog)].global) return call_global(a, uint32_t(subprog));
    // The callee's slots are another chain's: what this instruction did ends here.
    if (!a.setup_func_entry(uint32_t(subprog), a.insn_index, pass_arguments, *a.state))
        return false;
    FuncState& caller = a.state->frame_mut(a.state->curframe - 1);
    for (size_t i = 0; i < kCallerSaved; ++i) caller.regs[i].clear();
    a.liveness->chain_changed();
    a.insn_index = target - 1;
    if (a.logging) log_call(a);
    a.scratch_all();
    return true;
}

bool Analysis::push_callback_call(const Insn&, uint32_t index, uint32_t subprog,
                                  SetCallee set_callee, bool is_async, bool is_sleepable_async) {
    SubprogInfo& callee_info = subprogs[subprog];
    callee_info.is_cb = true;
    if (is_async) {
        callee_info.is_async_cb = true;
        VerifierState* later = push_async_callback(subprog, index, is_sleepable_async);
        if (!later) return false;
        FuncState& callee = later->frame_mut(0);
        callee.async_entry_cnt = state->cur().async_entry_cnt + 1;
        return set_callee(*this, state->cur(), callee, index);
    }
    VerifierState* into = push_state(callee_info.start, index, false);
    if (!into || !setup_func_entry(subprog, index, set_callee, *into)) return false;
    ++into->callback_unroll_depth;
    ++into->frame_mut(into->curframe - 1).callback_depth;
    state->cur_mut().callback_depth = 0;
    return true;
}

bool leave_function(Analysis& a) {
    VerifierState& state = *a.state;
    const RegState& r0 = state.reg(0);
    if (r0.type == kPtrToStack)
        return a.refuse(Rule::StackPointer, "cannot return stack pointer to the caller");
    const bool in_callback = state.cur().in_callback_fn;
    const uint32_t callsite = uint32_t(state.cur().callsite);
    if (in_callback) {
        if (r0.type != kScalar) return a.refuse(Rule::CallbackReturn, "R0 not a scalar value");
        if (!a.mark_chain_precision(0)) return false;
        const ReturnValueRange range = state.cur().callback_ret_range;
        const Scalar& value = state.reg(0).value;
        if (value.smin < range.lowest || value.smax > range.highest)
            return refuse_return_value(a, state.reg(0), range, "At callback return", "R0");
        if (!a.aux[callsite].calls_callback)
            return a.refuse(Rule::Internal, "verifier bug: in callback at {}, callsite {}",
                            a.insn_index, callsite);
    } else {
        const RegState result = r0;
        state.frame_mut(state.curframe - 1).regs[0] = result;
    }
    // A callback may be called again: back to the call itself.
    a.insn_index = in_callback ? callsite : callsite + 1;
    if (a.logging) log_return(a);
    state.frames[state.curframe].reset();
    --state.curframe;
    a.liveness->chain_changed();
    a.scratch_all();
    if (!in_callback) return true;
    VerifierState* previous = a.find_prev_entry(&state, a.insn_index);
    return !previous || a.widen_imprecise_scalars(*previous, state);
}

}  // namespace skep::verifier
