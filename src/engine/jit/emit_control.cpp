// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/emitter.hpp"
#include "engine/jit/offsets.hpp"

// Jumps, calls, and what the budget has to do with them.

namespace skep::engine::jit {

namespace {

using x86::Alu;
using x86::Cond;
using enum x86::Reg;
using enum x86::Width;

/// By the order of opcodes.def.
constexpr Cond kConditions[] = {Cond::Equal,      Cond::NotEqual, Cond::Above,
                                Cond::AboveEqual, Cond::Below,    Cond::BelowEqual,
                                Cond::NotEqual,   Cond::Greater,  Cond::GreaterEqual,
                                Cond::Less,       Cond::LessEqual};
constexpr int kJumpForms = 2 * kBackForms;
static_assert((int(OpCode::Ja) - int(OpCode::Jeq64K)) / kJumpForms == std::size(kConditions));

}  // namespace

x86::Cond Emitter::condition(uint32_t insn) const {
    return kConditions[(int(code(insn)) - int(OpCode::Jeq64K)) / kJumpForms];
}

/// Sets the flags for condition().
void Emitter::compare(uint32_t insn) {
    const Op& op = ops_[insn];
    const int index = int(code(insn)) - int(OpCode::Jeq64K);
    const Width width = index & 2 ? W32 : W64;
    const bool by_register = index & 1;
    const bool is_set = code(insn) >= OpCode::Jset64K && code(insn) < OpCode::Jsgt64K;
    if (is_set && by_register)
        a_.test(width, dst(op), src(op));
    else if (is_set)
        a_.test(width, dst(op), int32_t(op.imm));
    else if (by_register)
        a_.compare(width, dst(op), src(op));
    else if (op.imm == 0)
        a_.test(width, dst(op), dst(op));
    else
        a_.compare(width, dst(op), int32_t(op.imm));
}

bool Emitter::emit_jump(uint32_t insn) {
    const OpCode what = code(insn);
    if (what < OpCode::Jeq64K || what > OpCode::MayGoto) return false;
    const Op& op = ops_[insn];
    const Label target = label_of(uint32_t(int64_t(insn) + op.off));
    if (what == OpCode::Ja) {
        if (op.off != 1) a_.jump(target);
    } else if (what == OpCode::JaBack) {
        spend(insn, 1 - op.off);
        a_.jump(target);
    } else if (what == OpCode::MayGoto) {
        const Mem left{rsp, 0};
        a_.alu(Alu::Cmp, W64, left, 0);
        a_.jump(Cond::Equal, target);
        a_.alu(Alu::Sub, W64, left, 1);
    } else if (!counts_ || (int(what) - int(OpCode::Jeq64K)) % kJumpForms < kBackForms) {
        compare(insn);
        a_.jump(condition(insn), target);
    } else {
        const int32_t cost = 1 - op.off;
        const Label from = a_.label(), back = a_.label();
        a_.alu(Alu::Sub, W64, kBudget, cost);
        a_.jump(Cond::Sign, from);
        compare(insn);
        a_.jump(condition(insn), target);
        a_.bind(back);
        a_.alu(Alu::Add, W64, kBudget, cost);
        asides_.push_back({Aside::Kind::BackJump, insn, from, back});
    }
    return true;
}

void Emitter::spend(uint32_t insn, int32_t count) {
    if (!counts_) return;
    if (function_->loops)
        a_.alu(Alu::Sub, W64, kBudget, count);
    else
        a_.alu(Alu::Sub, W64, kBudgetLeft, count);
    const Label from = a_.label();
    a_.jump(Cond::Sign, from);
    asides_.push_back({Aside::Kind::OutOfBudget, insn, from});
}

void Emitter::store_budget() {
    if (function_->loops) a_.store(kBudgetLeft, kBudget, 8);
}
void Emitter::load_budget() {
    if (function_->loops) a_.load(kBudget, kBudgetLeft, 8);
}

void Emitter::call_function(uint64_t function) {
    a_.move(rax, function);
    a_.call(rax);
}

/// A helper or another C++ function with such arguments; a fault ends the program.
void Emitter::call_helper(uint32_t insn, uint64_t function) {
    store_budget();
    a_.store(kAt, int32_t(insn), 4);
    a_.load(rdi, kExecution, 8);
    call_function(function);
    if (function_->loops) {
        load_budget();
        a_.test(W64, kBudget, kBudget);
    } else {
        a_.alu(Alu::Cmp, W64, kBudgetLeft, 0);
    }
    a_.jump(Cond::Less, fault_);
}

void Emitter::emit_call(uint32_t insn) {
    call_helper(insn, reinterpret_cast<uint64_t>(calls_[ops_[insn].imm].fn));
}

void Emitter::emit_local_call(uint32_t insn) {
    const Label too_deep = a_.label();
    asides_.push_back({Aside::Kind::TooDeep, insn, too_deep});
    spend(insn, 1);
    store_budget();
    a_.alu(Alu::Cmp, W32, kDepth, isa::kMaxFrames - 2);
    a_.jump(Cond::Above, too_deep);
    a_.alu(Alu::Add, W32, kDepth, 1);
    a_.alu(Alu::Sub, W64, kFrame, isa::kStackSize);
    a_.call(function_label(uint32_t(int64_t(insn) + ops_[insn].off)));
    a_.alu(Alu::Add, W64, kFrame, isa::kStackSize);
    a_.alu(Alu::Sub, W32, kDepth, 1);
    load_budget();
}

void Emitter::emit_tail_call(uint32_t insn) {
    const Label failed = a_.label();
    call_helper(insn, reinterpret_cast<uint64_t>(&NativeRun::tail_call));
    a_.test(W64, rax, rax);
    a_.jump(Cond::Equal, failed);
    epilogue();
    a_.move(W64, rdi, r12);  // for optimised code
    a_.load(rsi, kEvent, 8);
    a_.load(rsi, {rsi, int32_t(offsetof(Event, ctx))}, 8);
    a_.jump(rax);
    a_.bind(failed);
    a_.move(rax, errno_result(ENOENT));
}

/// The interpreter does it.
void Emitter::emit_step(uint32_t insn) {
    uses_step_ = true;
    store_budget();
    a_.store(kAt, int32_t(insn), 4);
    a_.call(step_);
    load_budget();
    if (code(insn) != OpCode::PacketAbs && code(insn) != OpCode::PacketInd) return;
    const Label went_on = a_.label();
    a_.alu(Alu::Cmp, W64, saved_register(11), 0);
    a_.jump(Cond::NotEqual, went_on);
    epilogue();
    a_.ret();
    a_.bind(went_on);
}

}  // namespace skep::engine::jit
