// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "engine/helpers.hpp"
#include "optimiser/op_kinds.hpp"
#include "optimiser/translator.hpp"

// Jumps, calls, and what the budget has to do with them.
//
// Verified loops end: a path is at most as long as what the verifier has followed. So only programs
// with callbacks, iterators or may_goto have a budget; theirs is the interpreter's, to the
// instruction.

namespace skep::optimiser {

using engine::RunState;

namespace {

/// By the order of opcodes.def; Jset is none of them.
constexpr LLVMIntPredicate kConditions[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntUGT, LLVMIntUGE,
                                            LLVMIntULT, LLVMIntULE, LLVMIntNE,  LLVMIntSGT,
                                            LLVMIntSGE, LLVMIntSLT, LLVMIntSLE};
constexpr int kJumpForms = 2 * engine::kBackForms;
static_assert((int(OpCode::Ja) - int(OpCode::Jeq64K)) / kJumpForms == std::size(kConditions));

}  // namespace

LLVMValueRef Translator::compare(uint32_t insn) {
    const Op& op = in_.ops[insn];
    const int index = int(code(insn)) - int(OpCode::Jeq64K);
    const unsigned size = index & 2 ? 4 : 8;
    Value a = narrow(get(op.dst), size);
    Value b = narrow(index & 1 ? get(op.src) : number(op.imm), size);
    if (code(insn) >= OpCode::Jset64K && code(insn) < OpCode::Jsgt64K) {
        a = LLVMBuildAnd(b_, a, b, "");
        b = LLVMConstNull(LLVMTypeOf(a));
    }
    return LLVMBuildICmp(b_, kConditions[index / kJumpForms], a, b, "");
}

bool Translator::emit_jump(uint32_t insn) {
    const OpCode what = code(insn);
    if (!is_jump(what)) return false;
    Block to = blocks_[target(insn)];
    const Block next = block();
    if (what == OpCode::MayGoto) {
        const Value left = LLVMBuildLoad2(b_, i64_, may_goto_, "");
        const Block count = block();
        LLVMBuildCondBr(b_, LLVMBuildICmp(b_, LLVMIntEQ, left, number(0), ""), to, count);
        go_on_in(count);
        LLVMBuildStore(b_, LLVMBuildSub(b_, left, number(1), ""), may_goto_);
        LLVMBuildBr(b_, next);
    } else {
        const bool back = (int(what) - int(OpCode::Jeq64K)) % kJumpForms >= int(engine::kBackForms);
        const Block taken = back && counts_ ? block() : to;
        LLVMBuildCondBr(b_, compare(insn), taken, next);
        if (taken != to) {
            go_on_in(taken);
            spend(insn, uint32_t(1 - in_.ops[insn].off));
            LLVMBuildBr(b_, to);
        }
    }
    go_on_in(next);
    return true;
}

void Translator::spend(uint32_t insn, uint32_t count) {
    if (!counts_) return;
    const Value left = LLVMBuildSub(b_, load_state(offsetof(RunState, budget_left), i64_, false),
                                    number(count), "");
    store_state(offsetof(RunState, budget_left), left);
    const Block out = block(), next = block();
    LLVMBuildCondBr(b_, LLVMBuildICmp(b_, LLVMIntSLT, left, number(0), ""), out, next);
    go_on_in(out);
    stop_with(insn, in_.out_of_budget);
    go_on_in(next);
}

LLVMValueRef Translator::call(uint64_t function, std::initializer_list<Value> arguments,
                              bool returns) {
    std::vector<Type> types(arguments.size(), i64_);
    std::vector<Value> values(arguments);
    const Type type = LLVMFunctionType(returns ? i64_ : LLVMVoidTypeInContext(context_),
                                       types.data(), unsigned(types.size()), false);
    const Value at = LLVMBuildIntToPtr(b_, number(function), pointer_, "");
    return LLVMBuildCall2(b_, type, at, values.data(), unsigned(values.size()), "");
}

void Translator::stop_if_faulted() {
    const Value left = load_state(offsetof(RunState, budget_left), i64_, false);
    if (!fault_) {
        const Block here = LLVMGetInsertBlock(b_);
        fault_ = block();
        go_on_in(fault_);
        call(in_.stop, {LLVMBuildPtrToInt(b_, state_, i64_, "")}, false);
        LLVMBuildUnreachable(b_);
        go_on_in(here);
    }
    const Block next = block();
    LLVMBuildCondBr(b_, LLVMBuildICmp(b_, LLVMIntSLT, left, number(0), ""), fault_, next);
    go_on_in(next);
}

/// Calls `function`, which leaves a fault, and ends the run.
void Translator::stop_with(uint32_t insn, uint64_t function) {
    store_state(offsetof(RunState, at), number32(insn));
    call(function, {load_state(offsetof(RunState, execution), i64_, true)}, false);
    call(in_.stop, {LLVMBuildPtrToInt(b_, state_, i64_, "")}, false);
    LLVMBuildUnreachable(b_);
}

/// A helper or another C++ function with such arguments; a fault ends the program.
LLVMValueRef Translator::call_engine(uint32_t insn, uint64_t function) {
    store_state(offsetof(RunState, at), number32(insn));
    const Value execution = load_state(offsetof(RunState, execution), i64_, true);
    const Value result = call(function, {execution, get(1), get(2), get(3), get(4), get(5)});
    stop_if_faulted();
    return result;
}

void Translator::emit_call(uint32_t insn) {
    for (const ArrayLookup& lookup : in_.lookups)
        if (lookup.insn == insn) return emit_lookup(lookup);
    set(0, call_engine(insn, in_.calls[in_.ops[insn].imm]));
}

/// Whether r2 has just been made `r10 + number`.
bool Translator::key_is_on_stack(uint32_t insn) const {
    for (uint32_t i = insn; i > function_->begin && !blocks_[i]; i--) {
        const Op& op = in_.ops[i - 1];
        if (is_jump(code(i - 1))) return false;
        if (op.dst != 2 || is_store(code(i - 1))) continue;
        if (code(i - 1) == OpCode::Mov64X) return op.src == kFrameReg;
        if (code(i - 1) != OpCode::Add64K) return false;
    }
    return false;
}

/// ArrayMap::lookup().
void Translator::emit_lookup(const ArrayLookup& lookup) {
    const Value key = LLVMBuildIntToPtr(b_, get(2), pointer_, "");
    const Value index = LLVMBuildLoad2(b_, i32_, key, "");
    LLVMSetAlignment(index, 1);
    const bool mine = key_is_on_stack(lookup.insn);
    LLVMSetVolatile(index, !mine);
    mark(index, mine ? Scope::Stack : Scope::Any);
    const Value inside = LLVMBuildICmp(b_, LLVMIntULT, index, number32(lookup.entries), "");
    Value at = LLVMBuildAdd(b_, number(lookup.base),
                            LLVMBuildMul(b_, widen(index), number(lookup.stride), ""), "");
    if (lookup.cpu_stride != 0) {
        const Value cpu = widen(load_state(offsetof(RunState, cpu), i32_, true));
        at = LLVMBuildAdd(b_, at, LLVMBuildMul(b_, cpu, number(lookup.cpu_stride), ""), "");
    }
    set(0, LLVMBuildSelect(b_, inside, at, number(0), ""));
}

void Translator::emit_local_call(uint32_t insn) {
    const Function& callee = function_at(target(insn));
    spend(insn, 1);
    // How deep a run is matters to what the engine is asked for.
    Value depth = nullptr;
    if (!callee.leaf) {
        depth = load_state(offsetof(RunState, depth), i32_, false);
        const Block deep = block(), next = block();
        LLVMBuildCondBr(b_, LLVMBuildICmp(b_, LLVMIntUGT, depth, number32(isa::kMaxFrames - 2), ""),
                        deep, next);
        go_on_in(deep);
        stop_with(insn, in_.too_deep);
        go_on_in(next);
        store_state(offsetof(RunState, depth), LLVMBuildAdd(b_, depth, number32(1), ""));
    }
    const Value frame = LLVMBuildSub(b_, get(kFrameReg), number(isa::kStackSize), "");
    Value arguments[] = {state_, get(1), get(2), get(3), get(4), get(5), frame};
    const Value result = LLVMBuildCall2(b_, function_type_, callee.value, arguments, 7, "");
    LLVMSetInstructionCallConv(result, LLVMFastCallConv);
    set(0, result);
    if (depth) store_state(offsetof(RunState, depth), depth);
}

/// The engine goes on with the next program once this one has left; no function of a verified
/// program makes a tail call but the first.
void Translator::emit_tail_call(uint32_t insn) {
    const Value leaves = call_engine(insn, in_.tail_call);
    const Block leave = block(), failed = block();
    LLVMBuildCondBr(b_, LLVMBuildICmp(b_, LLVMIntNE, leaves, number(0), ""), leave, failed);
    go_on_in(leave);
    LLVMBuildRet(b_, number(0));
    go_on_in(failed);
    set(0, number(engine::errno_result(ENOENT)));
}

/// The interpreter does it.
void Translator::emit_step(uint32_t insn) {
    const auto saved = [](uint8_t i) { return offsetof(RunState, registers) + 8 * size_t{i}; };
    for (uint8_t i = 0; i <= 10; i++) store_state(saved(i), get(i));
    store_state(offsetof(RunState, at), number32(insn));
    call(in_.step, {load_state(offsetof(RunState, execution), i64_, true)}, false);
    stop_if_faulted();
    for (uint8_t i = 0; i < 10; i++) set(i, load_state(saved(i), i64_, false));
    if (code(insn) != OpCode::PacketAbs && code(insn) != OpCode::PacketInd) return;
    const Block left = block(), next = block();
    const Value went_on = load_state(saved(11), i64_, false);
    LLVMBuildCondBr(b_, LLVMBuildICmp(b_, LLVMIntEQ, went_on, number(0), ""), left, next);
    go_on_in(left);
    LLVMBuildRet(b_, get(0));
    go_on_in(next);
}

}  // namespace skep::optimiser
