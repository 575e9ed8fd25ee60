// SPDX-License-Identifier: Apache-2.0
#include "optimiser/op_kinds.hpp"
#include "optimiser/translator.hpp"
#include "verifier/verify.hpp"

// Loads, stores and atomic operations, and what is known of the memory behind them: the verifier
// says which kind of memory an instruction touches on every path, and two kinds never overlap.

namespace skep::optimiser {

using verifier::Region;

void Translator::make_scopes() {
    const auto kind = [&](std::string_view name) {
        return LLVMGetMDKindIDInContext(context_, name.data(), unsigned(name.size()));
    };
    alias_scope_ = kind("alias.scope");
    no_alias_ = kind("noalias");
    invariant_ = kind("invariant.load");
    const auto text = [&](std::string_view name) {
        return LLVMMDStringInContext2(context_, name.data(), name.size());
    };
    LLVMMetadataRef name = text("memory");
    const LLVMMetadataRef domain = LLVMMDNodeInContext2(context_, &name, 1);
    constexpr std::string_view kNames[] = {"state", "stack", "ctx", "packet", "map"};
    constexpr size_t kScopes = std::size(kNames);
    LLVMMetadataRef scopes[kScopes];
    for (size_t i = 0; i < kScopes; i++) {
        LLVMMetadataRef scope[] = {text(kNames[i]), domain};
        scopes[i] = LLVMMDNodeInContext2(context_, scope, 2);
    }
    const auto list = [&](LLVMMetadataRef* nodes, size_t count) {
        return LLVMMetadataAsValue(context_, LLVMMDNodeInContext2(context_, nodes, count));
    };
    for (size_t i = 0; i < kScopes; i++) {
        scopes_[i] = list(&scopes[i], 1);
        LLVMMetadataRef others[kScopes];
        size_t count = 0;
        for (size_t j = 0; j < kScopes; j++)
            if (j != i) others[count++] = scopes[j];
        others_[i] = list(others, count);
    }
    // Whatever it is, a program does not see the engine's own state.
    others_[size_t(Scope::Any)] = list(&scopes[size_t(Scope::State)], 1);
}

void Translator::mark(Value access, Scope scope) {
    if (const Value own = scopes_[size_t(scope)]) LLVMSetMetadata(access, alias_scope_, own);
    LLVMSetMetadata(access, no_alias_, others_[size_t(scope)]);
}

Translator::Scope Translator::scope(uint32_t insn) const {
    if (insn >= in_.regions.size()) return Scope::Any;
    switch (Region(in_.regions[insn])) {
        case Region::Stack: return Scope::Stack;
        case Region::Ctx: return Scope::Ctx;
        case Region::Packet: return Scope::Packet;
        case Region::MapValue: return Scope::Map;
        default: return Scope::Any;
    }
}

/// Whether other threads may write to it.
bool Translator::is_shared(uint32_t insn) const {
    const Scope where = scope(insn);
    return where != Scope::Stack && where != Scope::Ctx && where != Scope::Packet;
}

LLVMValueRef Translator::state_field(size_t offset) {
    Value index = number(offset);
    return LLVMBuildGEP2(b_, integer(1), state_, &index, 1, "");
}

LLVMValueRef Translator::load_state(size_t offset, Type type, bool constant) {
    const Value value = LLVMBuildLoad2(b_, type, state_field(offset), "");
    mark(value, Scope::State);
    if (constant)
        LLVMSetMetadata(value, invariant_,
                        LLVMMetadataAsValue(context_, LLVMMDNodeInContext2(context_, nullptr, 0)));
    return value;
}

void Translator::store_state(size_t offset, Value value) {
    mark(LLVMBuildStore(b_, value, state_field(offset)), Scope::State);
}

LLVMValueRef Translator::address(uint32_t insn, uint8_t reg) {
    const Op& op = in_.ops[insn];
    if (reg == kFrameReg && function_->own_stack) {
        // The variable ends where r10 points to.
        const int32_t words = (-function_->lowest + 7) / 8;
        Value index = number(uint64_t(int64_t{words} * 8 + op.off));
        return LLVMBuildGEP2(b_, integer(1), stack_, &index, 1, "");
    }
    Value offset = number(uint64_t(int64_t{op.off}));
    return LLVMBuildGEP2(b_, integer(1), pointer(reg), &offset, 1, "");
}

LLVMValueRef Translator::pointer(uint8_t reg) {
    if (are_pointers_ >> reg & 1) return LLVMBuildLoad2(b_, pointer_, pointers_[reg], "");
    return LLVMBuildIntToPtr(b_, get(reg), pointer_, "");
}

/// Arithmetic whose result is a pointer (pointers_after()); false: it is none.
bool Translator::emit_pointer(const Op& op) {
    const auto is = [&](uint8_t reg) { return (are_pointers_ >> reg & 1) != 0; };
    const auto add = [&](uint8_t base, Value offset) {
        set_pointer(op.dst, LLVMBuildGEP2(b_, integer(1), pointer(base), &offset, 1, ""));
        return true;
    };
    switch (OpCode(op.code)) {
        case OpCode::Mov64X:
            if (!is(op.src)) return false;
            set_pointer(op.dst, pointer(op.src));
            return true;
        case OpCode::Add64K: return is(op.dst) && add(op.dst, number(op.imm));
        case OpCode::Sub64K: return is(op.dst) && add(op.dst, number(0 - op.imm));
        case OpCode::Add64X:
            if (is(op.dst) == is(op.src)) return false;
            return is(op.dst) ? add(op.dst, get(op.src)) : add(op.src, get(op.dst));
        case OpCode::Sub64X:
            return is(op.dst) && !is(op.src) && add(op.dst, LLVMBuildNeg(b_, get(op.src), ""));
        default: return false;
    }
}

LLVMValueRef Translator::load(uint32_t insn, uint8_t base, unsigned size) {
    const Value value = LLVMBuildLoad2(b_, integer(size), address(insn, base), "");
    LLVMSetAlignment(value, 1);
    LLVMSetVolatile(value, is_shared(insn));
    mark(value, scope(insn));
    return value;
}

void Translator::store(uint32_t insn, Value value, unsigned size) {
    const Value done = LLVMBuildStore(b_, narrow(value, size), address(insn, in_.ops[insn].dst));
    LLVMSetAlignment(done, 1);
    mark(done, scope(insn));
}

bool Translator::emit_memory(uint32_t insn) {
    const Op& op = in_.ops[insn];
    const OpCode what = code(insn);
    const unsigned size = access_size(what);
    if (between(what, OpCode::PlainLoadB, OpCode::PlainLoadDW)) {
        set(op.dst, widen(load(insn, op.src, size)));
    } else if (between(what, OpCode::PlainLoadSxB, OpCode::PlainLoadSxW)) {
        set(op.dst, widen_signed(load(insn, op.src, size)));
    } else if (between(what, OpCode::PlainStoreB, OpCode::PlainStoreDW)) {
        store(insn, get(op.src), size);
    } else if (is_store_of_number(what)) {
        store(insn, number(op.imm), size);
    } else if (between(what, OpCode::ProbeLoadB, OpCode::ProbeLoadSxW)) {
        const Value from = LLVMBuildAdd(b_, get(op.src), number(uint64_t(int64_t{op.off})), "");
        const Value execution = load_state(offsetof(engine::RunState, execution), i64_, true);
        set(op.dst, call(in_.probe_load,
                         {execution, from, number(uint64_t(what) - uint64_t(OpCode::ProbeLoadB))}));
    } else if (what == OpCode::LoadEvent) {
        const Value event = load_state(offsetof(engine::RunState, event), pointer_, true);
        Value index = number(op.imm);
        const Value value =
            LLVMBuildLoad2(b_, pointer_, LLVMBuildGEP2(b_, integer(1), event, &index, 1, ""), "");
        mark(value, Scope::State);
        set_pointer(op.dst, value);
    } else {
        return emit_atomic(insn);
    }
    return true;
}

namespace {

struct Atomic {
    LLVMAtomicRMWBinOp what;
    bool fetches;
};
/// From PlainAtomicAddW on. Without fetch there is no order, with it there is.
constexpr Atomic kAtomics[] = {
    {LLVMAtomicRMWBinOpAdd, false}, {LLVMAtomicRMWBinOpOr, false}, {LLVMAtomicRMWBinOpAnd, false},
    {LLVMAtomicRMWBinOpXor, false}, {LLVMAtomicRMWBinOpAdd, true}, {LLVMAtomicRMWBinOpOr, true},
    {LLVMAtomicRMWBinOpAnd, true},  {LLVMAtomicRMWBinOpXor, true}, {LLVMAtomicRMWBinOpXchg, true}};

}  // namespace

bool Translator::emit_atomic(uint32_t insn) {
    const Op& op = in_.ops[insn];
    const OpCode what = code(insn);
    const unsigned size = access_size(what);
    if (size == 0) return false;
    if (is_load(what)) {
        const Value value = load(insn, op.src, size);
        LLVMSetAlignment(value, size);
        LLVMSetOrdering(value, LLVMAtomicOrderingAcquire);
        set(op.dst, widen(value));
        return true;
    }
    const Value where = address(insn, op.dst), operand = narrow(get(op.src), size);
    if (is_store(what)) {
        const Value done = LLVMBuildStore(b_, operand, where);
        LLVMSetAlignment(done, size);
        LLVMSetOrdering(done, LLVMAtomicOrderingRelease);
        mark(done, scope(insn));
        return true;
    }
    if (what >= OpCode::PlainCmpXchgW) {
        const Value pair = LLVMBuildAtomicCmpXchg(b_, where, narrow(get(0), size), operand,
                                                  LLVMAtomicOrderingSequentiallyConsistent,
                                                  LLVMAtomicOrderingSequentiallyConsistent, false);
        mark(pair, scope(insn));
        set(0, widen(LLVMBuildExtractValue(b_, pair, 0, "")));
        return true;
    }
    const Atomic& atomic = kAtomics[(int(what) - int(OpCode::PlainAtomicAddW)) / 2];
    const Value before = LLVMBuildAtomicRMW(
        b_, atomic.what, where, operand,
        atomic.fetches ? LLVMAtomicOrderingSequentiallyConsistent : LLVMAtomicOrderingMonotonic,
        false);
    mark(before, scope(insn));
    if (atomic.fetches) set(op.src, widen(before));
    return true;
}

}  // namespace skep::optimiser
