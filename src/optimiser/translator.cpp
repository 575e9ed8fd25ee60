// SPDX-License-Identifier: Apache-2.0
#include "optimiser/translator.hpp"

#include <algorithm>

#include "optimiser/op_kinds.hpp"
#include "platform/limits.hpp"

namespace skep::optimiser {

namespace {

constexpr uint16_t kAllPointers = 0x7ff;

}  // namespace

Translator::Translator(LLVMContextRef context, LLVMModuleRef module, const OptimiserInput& input)
    : context_(context),
      module_(module),
      in_(input),
      b_(LLVMCreateBuilderInContext(context)),
      i64_(LLVMInt64TypeInContext(context)),
      i32_(LLVMInt32TypeInContext(context)),
      pointer_(LLVMPointerTypeInContext(context, 0)),
      blocks_(input.ops.size()),
      pointers_at_(input.ops.size(), kAllPointers) {
    Type parameters[] = {pointer_, i64_, i64_, i64_, i64_, i64_, i64_};
    entry_type_ = LLVMFunctionType(i64_, parameters, 6, false);
    function_type_ = LLVMFunctionType(i64_, parameters, 7, false);
    make_scopes();
}

Translator::~Translator() {
    LLVMDisposeBuilder(b_);
}

std::string Translator::translate() {
    if (!find_functions()) return "a jump leads out of its function";
    for (Function& function : functions_) declare(function);
    begin_lines();
    for (const Function& function : functions_) {
        make_body(function);
        if (function.entry) make_entry(function);
    }
    end_lines();
    return {};
}

/// Each begins where something calls it, and ends where the next begins.
bool Translator::find_functions() {
    const auto add = [&](uint32_t begin, bool address) {
        const auto at = std::ranges::lower_bound(functions_, begin, {}, &Function::begin);
        if (at != functions_.end() && at->begin == begin)
            at->address |= address;
        else
            functions_.insert(at, {.begin = begin, .address = address});
    };
    add(0, false);
    for (uint32_t i = 0; i < in_.ops.size(); i++) {
        const Op& op = in_.ops[i];
        if (code(i) == OpCode::CallLocal) add(target(i), false);
        if (is_function_address(op))
            add(uint32_t((op.imm - reinterpret_cast<uint64_t>(in_.base)) / sizeof(Op)), true);
    }
    for (size_t i = 0; i < functions_.size(); i++) {
        Function& function = functions_[i];
        function.end =
            i + 1 < functions_.size() ? functions_[i + 1].begin : uint32_t(in_.ops.size());
        function.entry = function.begin == 0 || function.address;
        look_at(function);
        // What a callback or an iterator does can be done for long; all other loops end.
        counts_ |= function.address || function.may_goto;
        for (uint32_t j = function.begin; j < function.end; j++) {
            counts_ |= code(j) == OpCode::CallKfunc;
            if (is_jump(code(j)) && (target(j) < function.begin || target(j) >= function.end))
                return false;
            if (code(j) == OpCode::Lddw) j++;
        }
    }
    return true;
}

void Translator::look_at(Function& function) {
    for (uint32_t i = function.begin; i < function.end; i++) {
        const Op& op = in_.ops[i];
        const OpCode what = code(i);
        if (what == OpCode::Invalid) continue;
        function.leaf &= !may_call(what);
        function.may_goto |= what == OpCode::MayGoto;
        if ((op.dst == kFrameReg || op.src == kFrameReg) && what != OpCode::Lddw)
            function.own_stack &= touches_stack(function, op);
        if (what == OpCode::Lddw) i++;
    }
}

/// False where the operation does anything else with r10 than access the stack at an offset.
bool Translator::touches_stack(Function& function, const Op& op) {
    const auto what = OpCode(op.code);
    const unsigned size = access_size(what);
    if (size == 0) return false;
    const bool loads = is_load(what);
    const uint8_t base = loads ? op.src : op.dst, other = loads ? op.dst : op.src;
    if (base != kFrameReg || (other == kFrameReg && !is_store_of_number(what))) return false;
    if (op.off < -int32_t(isa::kStackSize) || op.off + int32_t(size) > 0) return false;
    function.lowest = std::min(function.lowest, op.off);
    function.loads_stack |= !is_store(what);
    return true;
}

Translator::Function& Translator::function_at(uint32_t insn) {
    return *std::ranges::lower_bound(functions_, insn, {}, &Function::begin);
}

void Translator::add_attribute(Value function, const char* name) {
    const unsigned kind = LLVMGetEnumAttributeKindForName(name, std::string_view(name).size());
    LLVMAddAttributeAtIndex(function, LLVMAttributeIndex(LLVMAttributeFunctionIndex),
                            LLVMCreateEnumAttribute(context_, kind, 0));
}

void Translator::declare(Function& function) {
    const std::string name = "f" + std::to_string(function.begin);
    function.value = LLVMAddFunction(module_, name.c_str(), function_type_);
    LLVMSetLinkage(function.value, LLVMInternalLinkage);
    LLVMSetFunctionCallConv(function.value, LLVMFastCallConv);
    add_attribute(function.value, "nounwind");
    // Loops stay loops: there is no memset() to call. Address 0 is one like others.
    LLVMAddTargetDependentFunctionAttr(function.value, "no-builtins", "");
    add_attribute(function.value, "null_pointer_is_valid");
}

/// What each operation finds in registers, over all paths: pointers are those of the context, of
/// the stack and to data that is known, and what is added to one is one. Starts from all being
/// pointers and takes away, until nothing changes.
void Translator::find_pointers(const Function& function) {
    constexpr uint16_t kContext = 1 << 1, kFrame = 1 << kFrameReg;
    pointers_at_[function.begin] = uint16_t(kFrame | (function.begin == 0 ? kContext : 0));
    for (bool changed = true; changed;) {
        changed = false;
        const auto flow = [&](uint32_t to, uint16_t pointers) {
            if (to >= function.end || (pointers_at_[to] & ~pointers) == 0) return;
            pointers_at_[to] &= pointers;
            changed |= true;
        };
        for (uint32_t i = function.begin; i < function.end; i++) {
            const uint16_t after = pointers_after(i, pointers_at_[i]);
            if (is_jump(code(i))) flow(target(i), after);
            const uint32_t next = code(i) == OpCode::Lddw ? i + 2 : i + 1;
            if (falls_through(code(i))) flow(next, after);
            i = next - 1;
        }
    }
}

uint16_t Translator::pointers_after(uint32_t insn, uint16_t pointers) const {
    const Op& op = in_.ops[insn];
    const OpCode what = code(insn);
    const auto is = [&](uint8_t reg) { return (pointers >> reg & 1) != 0; };
    const auto with = [&](uint8_t reg, bool pointer) {
        return uint16_t(pointer ? pointers | 1 << reg : pointers & ~(1 << reg));
    };
    if (is_jump(what) || is_store(what)) return pointers;
    if (may_call(what)) return uint16_t(pointers & (1 << kFrameReg));
    switch (what) {
        case OpCode::Mov64X: return with(op.dst, is(op.src));
        case OpCode::Add64K:
        case OpCode::Sub64K: return pointers;
        case OpCode::Add64X: return with(op.dst, is(op.dst) != is(op.src));
        case OpCode::Sub64X: return with(op.dst, is(op.dst) && !is(op.src));
        case OpCode::Lddw: return with(op.dst, op.src != isa::kPseudoImm);
        case OpCode::LoadEvent: return with(op.dst, true);
        default: break;
    }
    // Atomic operations change r0 or their source.
    if (access_size(what) != 0 && !is_load(what)) return uint16_t(pointers & ~(1 << op.src) & ~1);
    return with(op.dst, false);
}

/// The same function as C++ calls it: r10 follows from how deep the run is.
void Translator::make_entry(const Function& function) {
    Function entry;
    const std::string name = "skep_" + std::to_string(function.begin);
    entry.value = LLVMAddFunction(module_, name.c_str(), entry_type_);
    add_attribute(entry.value, "nounwind");
    function_ = &entry;
    give_lines(entry.value, function.begin);
    state_ = LLVMGetParam(entry.value, 0);
    go_on_in(block());
    Value frame = load_state(offsetof(engine::RunState, stack_top), i64_, true);
    if (function.address) {
        const Value depth = load_state(offsetof(engine::RunState, depth), i32_, false);
        frame = LLVMBuildSub(b_, frame, LLVMBuildMul(b_, widen(depth), number(isa::kStackSize), ""),
                             "");
    }
    Value arguments[7] = {state_};
    for (unsigned i = 1; i <= 5; i++) arguments[i] = LLVMGetParam(entry.value, i);
    arguments[6] = frame;
    const Value result = LLVMBuildCall2(b_, function_type_, function.value, arguments, 7, "");
    LLVMSetInstructionCallConv(result, LLVMFastCallConv);
    LLVMBuildRet(b_, result);
}

void Translator::make_body(const Function& function) {
    function_ = &function;
    give_lines(function.value, function.begin);
    fault_ = nullptr;
    state_ = LLVMGetParam(function.value, 0);
    go_on_in(block());
    find_pointers(function);
    for (uint8_t i = 0; i <= 10; i++) {
        registers_[i] = LLVMBuildAlloca(b_, i64_, "");
        pointers_[i] = LLVMBuildAlloca(b_, pointer_, "");
        const unsigned parameter = i == 10 ? 6 : i;
        set(i, i >= 1 && (i <= 5 || i == 10) ? LLVMGetParam(function.value, parameter) : number(0));
        LLVMBuildStore(b_, LLVMBuildIntToPtr(b_, get(i), pointer_, ""), pointers_[i]);
    }
    if (function.may_goto) {
        may_goto_ = LLVMBuildAlloca(b_, i64_, "");
        LLVMBuildStore(b_, number(platform::kMaxLoops), may_goto_);
    }
    if (function.own_stack && function.lowest < 0) {
        const auto words = unsigned(-function.lowest + 7) / 8;
        stack_ = LLVMBuildAlloca(b_, LLVMArrayType2(i64_, words), "");
        for (unsigned i = 0; function.loads_stack && i < words; i++) {
            Value index = number(i);
            LLVMBuildStore(b_, number(0), LLVMBuildGEP2(b_, i64_, stack_, &index, 1, ""));
        }
    }
    for (uint32_t i = function.begin; i < function.end; i++) {
        if (is_jump(code(i)) && !blocks_[target(i)]) blocks_[target(i)] = block();
        if (code(i) == OpCode::Lddw) i++;
    }
    bool reached = true;
    for (uint32_t i = function.begin; i < function.end; i++) {
        if (blocks_[i]) {
            if (reached) LLVMBuildBr(b_, blocks_[i]);
            go_on_in(blocks_[i]);
            reached = true;
        }
        if (reached) reached = emit_op(i);
        if (code(i) == OpCode::Lddw) i++;
    }
    if (reached) LLVMBuildUnreachable(b_);  // isa::validate(): no function ends so
}

bool Translator::emit_op(uint32_t insn) {
    const Op& op = in_.ops[insn];
    at(insn);
    are_pointers_ = pointers_at_[insn];
    switch (code(insn)) {
        case OpCode::Lddw:
            set_pointer(op.dst, LLVMBuildIntToPtr(b_, number(op.imm), pointer_, ""));
            set(op.dst, number(op.imm));
            return true;
        case OpCode::Exit: LLVMBuildRet(b_, get(0)); return false;
        case OpCode::PlainCallHelper:
        case OpCode::CallKfunc: emit_call(insn); return true;
        case OpCode::CallLocal: emit_local_call(insn); return true;
        case OpCode::TailCall: emit_tail_call(insn); return true;
        case OpCode::Invalid: stop_with(insn, in_.step); return false;
        case OpCode::Ja: LLVMBuildBr(b_, blocks_[target(insn)]); return false;
        case OpCode::JaBack:
            spend(insn, uint32_t(1 - op.off));
            LLVMBuildBr(b_, blocks_[target(insn)]);
            return false;
        default: break;
    }
    if (!emit_pointer(op) && !emit_alu(op) && !emit_memory(insn) && !emit_jump(insn))
        emit_step(insn);
    return true;
}

}  // namespace skep::optimiser
