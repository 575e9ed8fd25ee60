// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/emitter.hpp"

#include <algorithm>
#include <bit>

#include "engine/jit/offsets.hpp"
#include "platform/limits.hpp"

namespace skep::engine::jit {

namespace {

using x86::Alu;
using x86::Cond;
using enum x86::Reg;
using enum x86::Width;

constexpr x86::Reg kRegs[11] = {rax, rsi, rdx, rcx, r8, r9, rbx, r13, r14, r15, rbp};

bool is_jump(OpCode code) {
    return code >= OpCode::Jeq64K && code <= OpCode::MayGoto;
}
bool is_back_jump(OpCode code) {
    return code == OpCode::JaBack ||
           (code < OpCode::Ja && is_jump(code) &&
            (int(code) - int(OpCode::Jeq64K)) % (2 * kBackForms) >= kBackForms);
}
bool is_function_address(const Op& op) {
    return OpCode(op.code) == OpCode::Lddw && op.src == isa::kPseudoFunc;
}

/// Those that stay within machine code.
bool may_call(OpCode code) {
    if (is_checked_access(code)) return true;
    return code >= OpCode::PlainCallHelper && code != OpCode::LoadEvent && code != OpCode::Exit;
}

/// What lets a verified program go on for long: iterators, callbacks, may_goto. Without them, no
/// path through it is longer than what the verifier has looked at.
bool may_go_on(const Op& op) {
    return OpCode(op.code) == OpCode::CallKfunc || OpCode(op.code) == OpCode::MayGoto ||
           is_function_address(op);
}

}  // namespace

x86::Reg Emitter::reg(uint8_t number) {
    return kRegs[number];
}

Emitter::Emitter(std::span<const Op> ops, std::span<const Call> calls, const Trampoline& trampoline,
                 Features features)
    : ops_(ops),
      calls_(calls),
      trampoline_(trampoline),
      features_(features),
      counts_(std::ranges::any_of(ops, may_go_on)) {
    a_.reserve(256 + 8 * ops.size());
    labels_.resize(ops.size(), Label{kNoLabel});
    lengths_.resize(ops.size());
    step_ = a_.label();
    probe_ = a_.label();
    fault_ = a_.label();
    out_of_budget_ = a_.label();
    too_deep_ = a_.label();
}

std::span<const uint8_t> Emitter::emit() {
    find_functions();
    find_labels();
    for (size_t i = 0; i < functions_.size(); i++) {
        a_.bind(function_labels_[i]);
        entries_.push_back({functions_[i].begin, uint32_t(a_.size())});
        emit_function(functions_[i]);
    }
    emit_asides();
    emit_stubs();
    return a_.finish();
}

/// Each begins where something calls it, and ends where the next begins.
void Emitter::find_functions() {
    std::vector<uint32_t> starts = {0};
    for (uint32_t i = 0; i < ops_.size(); i++) {
        if (code(i) == OpCode::CallLocal)
            starts.push_back(uint32_t(int64_t(i) + ops_[i].off));
        else if (is_function_address(ops_[i]))
            starts.push_back(
                uint32_t((ops_[i].imm - reinterpret_cast<uint64_t>(ops_.data())) / sizeof(Op)));
    }
    std::ranges::sort(starts);
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    for (size_t i = 0; i < starts.size(); i++) {
        functions_.push_back(
            {.begin = starts[i],
             .end = i + 1 < starts.size() ? starts[i + 1] : uint32_t(ops_.size())});
        look_at(functions_.back());
        function_labels_.push_back(a_.label());
    }
}

void Emitter::look_at(Function& function) {
    for (uint32_t i = function.begin; i < function.end; i++) {
        const Op& op = ops_[i];
        const OpCode what = code(i);
        if (function.begin != 0)
            for (const uint8_t used : {op.dst, op.src})
                if (used >= 6 && used <= 9) function.saved |= uint8_t(1 << (used - 6));
        function.calls |= may_call(what);
        function.loops |= counts_ && is_back_jump(what);
        function.may_goto |= what == OpCode::MayGoto;
        if (what == OpCode::Lddw) i++;
    }
}

void Emitter::find_labels() {
    for (uint32_t i = 0; i < ops_.size(); i++) {
        if (!is_jump(code(i))) continue;
        Label& target = labels_[size_t(int64_t(i) + ops_[i].off)];
        if (target.index == kNoLabel) target = a_.label();
    }
}

x86::Label Emitter::function_label(uint32_t insn) const {
    const auto found = std::ranges::lower_bound(functions_, insn, {}, &Function::begin);
    return function_labels_[size_t(found - functions_.begin())];
}

void Emitter::prologue() {
    const Function& f = *function_;
    for (int i = 0; i < 4; i++)
        if (f.saved >> i & 1) a_.push(kRegs[6 + i]);
    // A call pushes 8 bytes onto a multiple of 16.
    const int pushed = std::popcount(f.saved), slots = f.may_goto ? 1 : 0;
    const int padding = f.calls && (pushed + slots) % 2 == 0 ? 1 : 0;
    if (slots + padding) a_.alu(Alu::Sub, W64, rsp, 8 * (slots + padding));
    if (f.may_goto) a_.store({rsp, 0}, int32_t(platform::kMaxLoops), 8);
    load_budget();
}

void Emitter::epilogue() {
    const Function& f = *function_;
    store_budget();
    const int pushed = std::popcount(f.saved), slots = f.may_goto ? 1 : 0;
    const int padding = f.calls && (pushed + slots) % 2 == 0 ? 1 : 0;
    if (slots + padding) a_.alu(Alu::Add, W64, rsp, 8 * (slots + padding));
    for (int i = 3; i >= 0; i--)
        if (f.saved >> i & 1) a_.pop(kRegs[6 + i]);
}

bool Emitter::falls_through(uint32_t insn) const {
    const OpCode what = code(insn);
    return what != OpCode::Exit && what != OpCode::Ja && what != OpCode::JaBack &&
           what != OpCode::Invalid;
}

void Emitter::emit_function(const Function& function) {
    function_ = &function;
    prologue();
    bool reached = true;
    for (uint32_t i = function.begin; i < function.end;) {
        if (is_target(i)) {
            a_.bind(label_of(i));
            reached = true;
        }
        const uint32_t done = reached ? emit_op(i) : 1;
        reached = reached && (code(i) == OpCode::Lddw || falls_through(i + done - 1));
        lengths_[i] = uint32_t(a_.size() - accounted_);
        accounted_ = a_.size();
        i += done;
    }
}

uint32_t Emitter::emit_op(uint32_t insn) {
    const Op& op = ops_[insn];
    const bool alone = insn + 1 >= function_->end || is_target(insn + 1);
    if (!alone)
        if (const uint32_t done = emit_pair(op, ops_[insn + 1])) return done;
    if (OpCode(op.code) == OpCode::Lddw) {
        a_.move(dst(op), op.imm);
        return 2;
    }
    if (emit_alu(op) || emit_memory(op) || emit_jump(insn)) return 1;
    switch (OpCode(op.code)) {
        case OpCode::PlainCallHelper:
        case OpCode::CallKfunc: emit_call(insn); break;
        case OpCode::CallLocal: emit_local_call(insn); break;
        case OpCode::TailCall: emit_tail_call(insn); break;
        case OpCode::Exit:
            epilogue();
            a_.ret();
            break;
        default: emit_step(insn);
    }
    return 1;
}

void Emitter::emit_asides() {
    for (const Aside& aside : asides_) {
        a_.bind(aside.from);
        if (aside.kind == Aside::Kind::BackJump) {
            // Paid for before the jump was decided: only one that is taken costs.
            const Label taken = a_.label();
            compare(aside.insn);
            a_.jump(condition(aside.insn), taken);
            a_.jump(aside.back);
            a_.bind(taken);
        }
        a_.store(kAt, int32_t(aside.insn), 4);
        a_.jump(aside.kind == Aside::Kind::TooDeep ? too_deep_ : out_of_budget_);
    }
}

void Emitter::emit_stubs() {
    const auto stop = [&](Label label, void (*function)(Execution&)) {
        a_.bind(label);
        a_.load(rsp, kNativeSp, 8);  // a multiple of 16, and nobody returns
        a_.load(rdi, kExecution, 8);
        call_function(reinterpret_cast<uint64_t>(function));
    };
    if (uses_step_) {
        a_.bind(step_);
        for (int i = 0; i <= 10; i++) a_.store(saved_register(i), kRegs[i], 8);
        a_.alu(Alu::Sub, W64, rsp, 8);
        a_.load(rdi, kExecution, 8);
        call_function(reinterpret_cast<uint64_t>(&NativeRun::step));
        a_.alu(Alu::Add, W64, rsp, 8);
        a_.alu(Alu::Cmp, W64, kBudgetLeft, 0);
        a_.jump(Cond::Less, fault_);
        for (int i = 0; i <= 10; i++) a_.load(kRegs[i], saved_register(i), 8);
        a_.ret();
    } else {
        a_.bind(step_);
    }
    a_.bind(probe_);
    if (uses_probe_) {
        for (int i = 0; i <= 5; i++) a_.store(saved_register(i), kRegs[i], 8);
        a_.store(saved_register(6), kBudget, 8);
        a_.move(W64, rsi, kScratch);
        a_.move(W64, rdx, kScratch2);
        a_.alu(Alu::Sub, W64, rsp, 8);
        a_.load(rdi, kExecution, 8);
        call_function(reinterpret_cast<uint64_t>(&NativeRun::probe_load));
        a_.alu(Alu::Add, W64, rsp, 8);
        a_.move(W64, kScratch, rax);
        for (int i = 0; i <= 5; i++) a_.load(kRegs[i], saved_register(i), 8);
        a_.load(kBudget, saved_register(6), 8);
        a_.ret();
    }
    stop(too_deep_, &NativeRun::too_deep);
    a_.jump(fault_);
    stop(out_of_budget_, &NativeRun::out_of_budget);
    a_.bind(fault_);
    a_.move(rax, reinterpret_cast<uint64_t>(trampoline_.fault));
    a_.jump(rax);
}

}  // namespace skep::engine::jit
