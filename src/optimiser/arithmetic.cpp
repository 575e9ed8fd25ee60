// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "optimiser/op_kinds.hpp"
#include "optimiser/translator.hpp"

namespace skep::optimiser {

bool Translator::emit_alu(const Op& op) {
    const auto what = OpCode(op.code);
    if (!between(what, OpCode::Add64K, OpCode::Nop)) return false;
    if (what >= OpCode::Neg64) return emit_move(op), true;
    const int index = int(what) - int(OpCode::Add64K);
    const unsigned size = index & 2 ? 4 : 8;
    const Value b = narrow(index & 1 ? get(op.src) : number(op.imm), size);
    const Value result =
        calculate(OpCode(int(what) - index % 4), narrow(get(op.dst), size), b, size * 8);
    set(op.dst, size == 8 ? result : widen(result));
    return true;
}

LLVMValueRef Translator::calculate(OpCode what, Value a, Value b, unsigned bits) {
    const auto count = [&] {
        return LLVMBuildAnd(b_, b, LLVMConstInt(LLVMTypeOf(b), bits - 1, false), "");
    };
    switch (what) {
        case OpCode::Add64K: return LLVMBuildAdd(b_, a, b, "");
        case OpCode::Sub64K: return LLVMBuildSub(b_, a, b, "");
        case OpCode::Mul64K: return LLVMBuildMul(b_, a, b, "");
        case OpCode::Div64K: return divide(false, false, a, b);
        case OpCode::Mod64K: return divide(false, true, a, b);
        case OpCode::Sdiv64K: return divide(true, false, a, b);
        case OpCode::Smod64K: return divide(true, true, a, b);
        case OpCode::Or64K: return LLVMBuildOr(b_, a, b, "");
        case OpCode::And64K: return LLVMBuildAnd(b_, a, b, "");
        case OpCode::Xor64K: return LLVMBuildXor(b_, a, b, "");
        case OpCode::Lsh64K: return LLVMBuildShl(b_, a, count(), "");
        case OpCode::Rsh64K: return LLVMBuildLShr(b_, a, count(), "");
        case OpCode::Arsh64K: return LLVMBuildAShr(b_, a, count(), "");
        default: return b;  // Mov
    }
}

/// RFC 9669, section 4.1. What LLVM would leave undefined is divided by 1, and the result chosen.
LLVMValueRef Translator::divide(bool is_signed, bool modulo, Value a, Value b) {
    const Type type = LLVMTypeOf(a);
    const Value zero = LLVMConstInt(type, 0, false), one = LLVMConstInt(type, 1, false);
    const Value by_zero = LLVMBuildICmp(b_, LLVMIntEQ, b, zero, "");
    Value special = by_zero, by_minus_one = nullptr;
    if (is_signed) {
        by_minus_one = LLVMBuildICmp(b_, LLVMIntEQ, b, LLVMConstAllOnes(type), "");
        special = LLVMBuildOr(b_, by_zero, by_minus_one, "");
    }
    const Value divisor = LLVMBuildSelect(b_, special, one, b, "");
    Value result;
    if (is_signed)
        result = modulo ? LLVMBuildSRem(b_, a, divisor, "") : LLVMBuildSDiv(b_, a, divisor, "");
    else
        result = modulo ? LLVMBuildURem(b_, a, divisor, "") : LLVMBuildUDiv(b_, a, divisor, "");
    if (is_signed)
        result =
            LLVMBuildSelect(b_, by_minus_one, modulo ? zero : LLVMBuildNeg(b_, a, ""), result, "");
    return LLVMBuildSelect(b_, by_zero, modulo ? a : zero, result, "");
}

LLVMValueRef Translator::swap_bytes(Value value) {
    constexpr char kName[] = "llvm.bswap";
    Type type = LLVMTypeOf(value);
    const Value function = LLVMGetIntrinsicDeclaration(
        module_, LLVMLookupIntrinsicID(kName, std::strlen(kName)), &type, 1);
    return LLVMBuildCall2(b_, LLVMFunctionType(type, &type, 1, false), function, &value, 1, "");
}

void Translator::emit_move(const Op& op) {
    const auto part = [&](uint8_t reg, unsigned size) { return narrow(get(reg), size); };
    const auto sign_32 = [&](unsigned size) {
        return widen(LLVMBuildSExt(b_, part(op.src, size), i32_, ""));
    };
    switch (OpCode(op.code)) {
        case OpCode::Neg64: return set(op.dst, LLVMBuildNeg(b_, get(op.dst), ""));
        case OpCode::Neg32: return set(op.dst, widen(LLVMBuildNeg(b_, part(op.dst, 4), "")));
        case OpCode::MovSx64B: return set(op.dst, widen_signed(part(op.src, 1)));
        case OpCode::MovSx64H: return set(op.dst, widen_signed(part(op.src, 2)));
        case OpCode::MovSx64W: return set(op.dst, widen_signed(part(op.src, 4)));
        case OpCode::MovSx32B: return set(op.dst, sign_32(1));
        case OpCode::MovSx32H: return set(op.dst, sign_32(2));
        case OpCode::Le16: return set(op.dst, widen(part(op.dst, 2)));
        case OpCode::Le32: return set(op.dst, widen(part(op.dst, 4)));
        case OpCode::Be16: return set(op.dst, widen(swap_bytes(part(op.dst, 2))));
        case OpCode::Be32: return set(op.dst, widen(swap_bytes(part(op.dst, 4))));
        case OpCode::Be64: return set(op.dst, swap_bytes(get(op.dst)));
        default: return;  // Nop
    }
}

}  // namespace skep::optimiser
