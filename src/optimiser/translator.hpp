// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <llvm-c/Core.h>

#include <array>
#include <string>
#include <vector>

#include "engine/jit/optimiser.hpp"

// Operations of a verified program to LLVM's intermediate representation. Each operation is right
// as it stands, so nothing is checked here; what is left to do is LLVM's.
//
// A function of the program becomes one of LLVM's, (RunState*, r1 to r5, r10) -> r0, and those that
// C++ calls get an entry beside. Registers are variables that LLVM puts into SSA form. Nothing is
// ever undefined, since that would be undefined behaviour: registers and stack begin as zeros.
//
// The stack is the execution's where an address of it leaves the function (helpers ask whether an
// address is on it); otherwise it is the function's own, and becomes registers.
//
// Registers that hold pointers on every path are variables of LLVM's pointers, too, beside the
// number: only by these does it see which addresses follow each other, so that it makes one load of
// four bytes, or works on vectors.
//
// What is volatile: loads from what others may write meanwhile. LLVM is free to do an ordinary load
// twice, and a number that has been compared with a bound must stay the same.

namespace skep::optimiser {

using engine::Op;
using engine::OpCode;
using engine::jit::ArrayLookup;
using engine::jit::OptimiserInput;

class Translator {
  public:
    Translator(LLVMContextRef context, LLVMModuleRef module, const OptimiserInput& input);
    ~Translator();
    Translator(const Translator&) = delete;
    Translator& operator=(const Translator&) = delete;

    /// Why it cannot be; empty: it is.
    std::string translate();

  private:
    using Value = LLVMValueRef;
    using Type = LLVMTypeRef;
    using Block = LLVMBasicBlockRef;

    struct Function {
        uint32_t begin = 0;
        uint32_t end = 0;
        bool entry = false;    // C++ may call it
        bool address = false;  // its address is taken
        bool leaf = true;      // calls nothing
        bool may_goto = false;
        bool own_stack = true;
        bool loads_stack = false;
        int32_t lowest = 0;  // offset of the stack that it uses
        Value value = nullptr;
    };
    /// What an access may be told apart by.
    enum class Scope : uint8_t { State, Stack, Ctx, Packet, Map, Any };

    // translator.cpp: functions and blocks.
    bool find_functions();
    void look_at(Function& function);
    bool touches_stack(Function& function, const Op& op);
    void declare(Function& function);
    void find_pointers(const Function& function);
    uint16_t pointers_after(uint32_t insn, uint16_t pointers) const;
    void make_entry(const Function& function);
    void make_body(const Function& function);
    bool emit_op(uint32_t insn);  // false: nothing follows it

    // lines.cpp
    void begin_lines();
    void end_lines();
    void give_lines(Value function, uint32_t begin);
    void at(uint32_t insn);

    // arithmetic.cpp
    bool emit_alu(const Op& op);
    Value calculate(OpCode what, Value a, Value b, unsigned bits);
    Value divide(bool is_signed, bool modulo, Value a, Value b);
    void emit_move(const Op& op);
    Value swap_bytes(Value value);

    // memory.cpp
    bool emit_memory(uint32_t insn);
    bool emit_atomic(uint32_t insn);
    Value address(uint32_t insn, uint8_t reg);
    Value pointer(uint8_t reg);
    bool emit_pointer(const Op& op);
    Value load(uint32_t insn, uint8_t base, unsigned size);
    void store(uint32_t insn, Value value, unsigned size);
    void mark(Value access, Scope scope);
    Scope scope(uint32_t insn) const;
    bool is_shared(uint32_t insn) const;
    Value load_state(size_t offset, Type type, bool constant);
    void store_state(size_t offset, Value value);
    Value state_field(size_t offset);
    void make_scopes();

    // control.cpp
    bool emit_jump(uint32_t insn);
    Value compare(uint32_t insn);
    void spend(uint32_t insn, uint32_t count);
    Value call(uint64_t function, std::initializer_list<Value> arguments, bool returns = true);
    Value call_engine(uint32_t insn, uint64_t function);
    void emit_call(uint32_t insn);
    void emit_lookup(const ArrayLookup& lookup);
    bool key_is_on_stack(uint32_t insn) const;
    void emit_local_call(uint32_t insn);
    void emit_tail_call(uint32_t insn);
    void emit_step(uint32_t insn);
    void stop_if_faulted();
    void stop_with(uint32_t insn, uint64_t function);

    Value number(uint64_t value) const { return LLVMConstInt(i64_, value, false); }
    Value number32(uint32_t value) const { return LLVMConstInt(i32_, value, false); }
    Type integer(unsigned size) const { return LLVMIntTypeInContext(context_, size * 8); }
    Value get(uint8_t reg) { return LLVMBuildLoad2(b_, i64_, registers_[reg], ""); }
    void set(uint8_t reg, Value value) { LLVMBuildStore(b_, value, registers_[reg]); }
    void set_pointer(uint8_t reg, Value value) {
        LLVMBuildStore(b_, value, pointers_[reg]);
        set(reg, LLVMBuildPtrToInt(b_, value, i64_, ""));
    }
    Value narrow(Value value, unsigned size) {
        return size == 8 ? value : LLVMBuildTrunc(b_, value, integer(size), "");
    }
    Value widen(Value value) { return LLVMBuildZExt(b_, value, i64_, ""); }
    Value widen_signed(Value value) { return LLVMBuildSExt(b_, value, i64_, ""); }
    Block block() { return LLVMAppendBasicBlockInContext(context_, function_->value, ""); }
    void go_on_in(Block block) { LLVMPositionBuilderAtEnd(b_, block); }
    OpCode code(uint32_t insn) const { return OpCode(in_.ops[insn].code); }
    uint32_t target(uint32_t insn) const { return uint32_t(int64_t(insn) + in_.ops[insn].off); }
    Function& function_at(uint32_t insn);
    void add_attribute(Value function, const char* name);

    LLVMContextRef context_;
    LLVMModuleRef module_;
    const OptimiserInput& in_;
    LLVMBuilderRef b_;
    LLVMDIBuilderRef lines_ = nullptr;
    LLVMMetadataRef file_ = nullptr, subprogram_ = nullptr;
    Type i64_, i32_, pointer_, function_type_, entry_type_;
    std::vector<Function> functions_;
    std::vector<Block> blocks_;          // by instruction that is jumped to
    std::vector<uint16_t> pointers_at_;  // by instruction: which registers hold pointers
    bool counts_ = false;                // whether the program has a budget
    unsigned alias_scope_ = 0, no_alias_ = 0, invariant_ = 0;
    std::array<Value, size_t(Scope::Any) + 1> scopes_{}, others_{};
    // Of the function that is being made.
    const Function* function_ = nullptr;
    std::array<Value, 11> registers_{}, pointers_{};
    uint16_t are_pointers_ = 0;  // before the operation that is being made: a bit a register
    Value state_ = nullptr, stack_ = nullptr, may_goto_ = nullptr;
    Block fault_ = nullptr;
};

}  // namespace skep::optimiser
