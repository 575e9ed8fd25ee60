// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "engine/calls.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/jit/native_run.hpp"
#include "engine/jit/x86.hpp"
#include "engine/ops.hpp"

// Operations to x86-64 machine code.
//
//     BPF r0   r1   r2   r3   r4  r5  r6   r7   r8   r9   r10
//     x86 rax  rsi  rdx  rcx  r8  r9  rbx  r13  r14  r15  rbp        r12: RunState
//
// A helper takes (Execution&, r1 to r5), so that a call of one sets rdi only. rdi and r10 are free
// to each operation, and so is r11, unless the program may go on for long (iterators, callbacks,
// may_goto): then, in functions with loops, it is what is left of the budget, which goes back into
// RunState before anything is called.
//
// A function of the program is a function of the machine: it saves those of rbx, r13 to r15 that it
// uses, and has a slot for may_goto. rbp is only BPF's frame pointer. rsp is a multiple of 16
// within functions that call.

namespace skep::engine::jit {

class Emitter {
  public:
    struct Features {
        bool bmi2 = false;
    };

    Emitter(std::span<const Op> ops, std::span<const Call> calls, const Trampoline& trampoline,
            Features features);

    /// Once.
    std::span<const uint8_t> emit();
    const std::vector<NativeCode::Function>& functions() const { return entries_; }
    /// Bytes by operation.
    const std::vector<uint32_t>& lengths() const { return lengths_; }

  private:
    using Reg = x86::Reg;
    using Width = x86::Width;
    using Label = x86::Label;
    using Mem = x86::Mem;

    static constexpr Reg kState = Reg::r12;
    static constexpr Reg kFrame = Reg::rbp;   // r10
    static constexpr Reg kBudget = Reg::r11;  // in functions with loops
    static constexpr Reg kScratch = Reg::r10;
    static constexpr Reg kScratch2 = Reg::rdi;

    /// What the second operand of an operation is, and how wide it works.
    struct Form {
        Width width;
        bool by_register;
    };
    struct Function {
        uint32_t begin = 0;
        uint32_t end = 0;
        uint8_t saved = 0;  // of r6 to r9: a bit each
        bool calls = false;
        bool loops = false;  // and the budget counts them
        bool may_goto = false;
    };
    /// Code behind the program.
    struct Aside {
        enum class Kind : uint8_t { BackJump, OutOfBudget, TooDeep };
        Kind kind;
        uint32_t insn;
        Label from;
        Label back = {};  // of a BackJump
    };

    // emitter.cpp: the program as a whole.
    void find_functions();
    void find_labels();
    void look_at(Function& function);
    void emit_function(const Function& function);
    void prologue();
    void epilogue();
    void emit_asides();
    void emit_stubs();
    /// Returns how many operations it has dealt with.
    uint32_t emit_op(uint32_t insn);

    // emit_alu.cpp
    bool emit_alu(const Op& op);
    uint32_t emit_pair(const Op& op, const Op& next);
    void emit_simple(x86::Alu alu, Form form, const Op& op);
    void emit_and(Form form, const Op& op);
    void emit_multiply(Form form, const Op& op);
    void emit_shift(x86::Shift shift, Form form, const Op& op);
    void emit_divide(bool is_signed, bool modulo, Form form, const Op& op);
    bool divide_by_constant(bool is_signed, bool modulo, Width width, Reg dst, int64_t divisor);
    void divide_by_product(bool modulo, Width width, Reg dst, uint64_t divisor);
    void divide_slowly(bool is_signed, bool modulo, Width width, Reg dst);
    bool emit_move(const Op& op);

    // emit_memory.cpp
    bool emit_memory(const Op& op);
    bool emit_atomic(const Op& op);
    void fetch_by_loop(x86::Alu alu, Width width, const Op& op);
    void emit_probe(const Op& op);

    // emit_control.cpp: jumps and calls.
    bool emit_jump(uint32_t insn);
    void compare(uint32_t insn);
    x86::Cond condition(uint32_t insn) const;
    void spend(uint32_t insn, int32_t count);
    void emit_call(uint32_t insn);
    void emit_local_call(uint32_t insn);
    void emit_tail_call(uint32_t insn);
    void emit_step(uint32_t insn);
    void call_helper(uint32_t insn, uint64_t function);
    void call_function(uint64_t function);
    void store_budget();
    void load_budget();

    static Reg reg(uint8_t number);
    Reg dst(const Op& op) const { return reg(op.dst); }
    Reg src(const Op& op) const { return reg(op.src); }
    OpCode code(uint32_t insn) const { return OpCode(ops_[insn].code); }
    bool is_target(uint32_t insn) const { return labels_[insn].index != kNoLabel; }
    Label label_of(uint32_t insn) const { return labels_[insn]; }
    Label function_label(uint32_t insn) const;
    bool falls_through(uint32_t insn) const;

    static constexpr uint32_t kNoLabel = UINT32_MAX;

    std::span<const Op> ops_;
    std::span<const Call> calls_;
    const Trampoline& trampoline_;
    const Features features_;
    const bool counts_;  // the budget
    x86::Assembler a_;
    std::vector<Label> labels_;  // by instruction
    std::vector<Function> functions_;
    std::vector<Label> function_labels_;
    std::vector<NativeCode::Function> entries_;
    std::vector<uint32_t> lengths_;
    size_t accounted_ = 0;  // bytes, by lengths_
    std::vector<Aside> asides_;
    const Function* function_ = nullptr;  // that is being emitted
    Label step_, probe_, fault_, out_of_budget_, too_deep_;
    bool uses_step_ = false, uses_probe_ = false;
};

}  // namespace skep::engine::jit
