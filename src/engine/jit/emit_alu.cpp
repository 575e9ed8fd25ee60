// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "engine/jit/emitter.hpp"
#include "engine/jit/offsets.hpp"

// Arithmetic.

namespace skep::engine::jit {

namespace {

using x86::Alu;
using x86::Cond;
using x86::Shift;
using enum x86::Reg;
using enum x86::Width;

__extension__ using Wide = unsigned __int128;

constexpr uint8_t bits(x86::Width width) {
    return width == W64 ? 64 : 32;
}

}  // namespace

bool Emitter::emit_alu(const Op& op) {
    const auto what = OpCode(op.code);
    if (what < OpCode::Add64K || what > OpCode::Nop) return false;
    if (what >= OpCode::Neg64) return emit_move(op);
    const int index = int(what) - int(OpCode::Add64K);
    const Form form{.width = index & 2 ? W32 : W64, .by_register = (index & 1) != 0};
    switch (OpCode(int(what) - index % 4)) {
        case OpCode::Add64K: emit_simple(Alu::Add, form, op); break;
        case OpCode::Sub64K: emit_simple(Alu::Sub, form, op); break;
        case OpCode::Or64K: emit_simple(Alu::Or, form, op); break;
        case OpCode::And64K: emit_and(form, op); break;
        case OpCode::Xor64K: emit_simple(Alu::Xor, form, op); break;
        case OpCode::Mul64K: emit_multiply(form, op); break;
        case OpCode::Div64K: emit_divide(false, false, form, op); break;
        case OpCode::Mod64K: emit_divide(false, true, form, op); break;
        case OpCode::Sdiv64K: emit_divide(true, false, form, op); break;
        case OpCode::Smod64K: emit_divide(true, true, form, op); break;
        case OpCode::Lsh64K: emit_shift(Shift::Left, form, op); break;
        case OpCode::Rsh64K: emit_shift(Shift::Right, form, op); break;
        case OpCode::Arsh64K: emit_shift(Shift::Arithmetic, form, op); break;
        default:  // Mov
            if (form.by_register)
                a_.move(form.width, dst(op), src(op));
            else
                a_.move(dst(op), form.width == W64 ? op.imm : uint32_t(op.imm));
    }
    return true;
}

void Emitter::emit_simple(Alu alu, Form form, const Op& op) {
    if (form.by_register)
        a_.alu(alu, form.width, dst(op), src(op));
    else
        a_.alu(alu, form.width, dst(op), int32_t(op.imm));
}

void Emitter::emit_and(Form form, const Op& op) {
    if (form.by_register || int32_t(op.imm) < 0) return emit_simple(Alu::And, form, op);
    // The upper half becomes 0 in any case.
    if (op.imm == 0xff)
        a_.zero_extend(dst(op), dst(op), 1);
    else if (op.imm == 0xffff)
        a_.zero_extend(dst(op), dst(op), 2);
    else
        a_.alu(Alu::And, W32, dst(op), int32_t(op.imm));
}

void Emitter::emit_multiply(Form form, const Op& op) {
    if (form.by_register) return a_.multiply(form.width, dst(op), src(op));
    const auto factor = int32_t(op.imm);
    if (factor == 0)
        a_.move(dst(op), 0);
    else if (factor > 1 && std::has_single_bit(uint32_t(factor)))
        a_.shift(Shift::Left, form.width, dst(op), uint8_t(std::countr_zero(uint32_t(factor))));
    else
        a_.multiply(form.width, dst(op), dst(op), factor);
}

void Emitter::emit_shift(Shift shift, Form form, const Op& op) {
    const Reg to = dst(op);
    if (!form.by_register) {
        const auto count = uint8_t(op.imm & (bits(form.width) - 1));
        if (count != 0)
            a_.shift(shift, form.width, to, count);
        else
            a_.move(form.width, to, to);
        return;
    }
    const Reg count = src(op);
    if (features_.bmi2) return a_.shift_by(shift, form.width, to, to, count);
    // Only cl counts.
    if (count == rcx && to != rcx) return a_.shift_by_cl(shift, form.width, to);
    a_.move(W64, kScratch, rcx);
    if (to == rcx) {
        a_.move(W64, rcx, count);
        a_.shift_by_cl(shift, form.width, kScratch);
    } else {
        a_.move(W64, rcx, count);
        a_.shift_by_cl(shift, form.width, to);
    }
    a_.move(W64, rcx, kScratch);
}

bool Emitter::emit_move(const Op& op) {
    switch (OpCode(op.code)) {
        case OpCode::Neg64: a_.negate(W64, dst(op)); return true;
        case OpCode::Neg32: a_.negate(W32, dst(op)); return true;
        case OpCode::MovSx64B: a_.sign_extend(W64, dst(op), src(op), 1); return true;
        case OpCode::MovSx64H: a_.sign_extend(W64, dst(op), src(op), 2); return true;
        case OpCode::MovSx64W: a_.sign_extend(W64, dst(op), src(op), 4); return true;
        case OpCode::MovSx32B: a_.sign_extend(W32, dst(op), src(op), 1); return true;
        case OpCode::MovSx32H: a_.sign_extend(W32, dst(op), src(op), 2); return true;
        case OpCode::Le16: a_.zero_extend(dst(op), dst(op), 2); return true;
        case OpCode::Le32: a_.move(W32, dst(op), dst(op)); return true;
        case OpCode::Be16:
            a_.rotate_16(dst(op));
            a_.zero_extend(dst(op), dst(op), 2);
            return true;
        case OpCode::Be32: a_.swap_bytes(W32, dst(op)); return true;
        case OpCode::Be64: a_.swap_bytes(W64, dst(op)); return true;
        default: return true;  // Nop
    }
}

/// What two operations can be together: how many they were, or 0.
uint32_t Emitter::emit_pair(const Op& op, const Op& next) {
    const auto what = OpCode(op.code), then = OpCode(next.code);
    // x = y + number
    if (what == OpCode::Mov64X && then == OpCode::Add64K && next.dst == op.dst &&
        op.src != op.dst) {
        a_.lea(dst(op), {src(op), int32_t(next.imm)});
        return 2;
    }
    // Cut off at the left, and extended again.
    if (what == OpCode::Lsh64K && (then == OpCode::Rsh64K || then == OpCode::Arsh64K) &&
        next.dst == op.dst && next.imm == op.imm &&
        (op.imm == 32 || op.imm == 48 || op.imm == 56)) {
        const auto size = uint32_t(64 - op.imm) / 8;
        if (then == OpCode::Arsh64K)
            a_.sign_extend(W64, dst(op), dst(op), size);
        else
            a_.zero_extend(dst(op), dst(op), size);
        return 2;
    }
    return 0;
}

void Emitter::emit_divide(bool is_signed, bool modulo, Form form, const Op& op) {
    const Width width = form.width;
    const Reg to = dst(op);
    if (!form.by_register) {
        const auto divisor = int32_t(op.imm);
        if (divide_by_constant(is_signed, modulo, width, to, divisor)) return;
        a_.move(kScratch, width == W64 ? op.imm : uint32_t(op.imm));
        return divide_slowly(is_signed, modulo, width, to);
    }
    const Label zero = a_.label(), done = a_.label(), minus_one = a_.label();
    a_.move(width, kScratch, src(op));
    a_.test(width, kScratch, kScratch);
    a_.jump(Cond::Equal, zero);
    if (is_signed) {
        a_.compare(width, kScratch, -1);  // which would trap for the lowest number
        a_.jump(Cond::Equal, minus_one);
    }
    divide_slowly(is_signed, modulo, width, to);
    a_.jump(done);
    if (is_signed) {
        a_.bind(minus_one);
        if (modulo)
            a_.move(to, 0);
        else
            a_.negate(width, to);
        a_.jump(done);
    }
    a_.bind(zero);
    if (!modulo)
        a_.move(to, 0);
    else if (width == W32)
        a_.move(W32, to, to);
    a_.bind(done);
}

/// Of what needs no division; false: it does.
bool Emitter::divide_by_constant(bool is_signed, bool modulo, Width width, Reg to,
                                 int64_t divisor) {
    const auto keep = [&] { a_.move(width, to, to); };
    if (divisor == 0) {
        if (modulo)
            keep();
        else
            a_.move(to, 0);
        return true;
    }
    if (divisor == 1 || (is_signed && divisor == -1)) {
        if (modulo)
            a_.move(to, 0);
        else if (divisor == 1)
            keep();
        else
            a_.negate(width, to);
        return true;
    }
    if (is_signed) return false;
    const uint64_t number = width == W64 ? uint64_t(divisor) : uint32_t(divisor);
    if (!std::has_single_bit(number)) {
        divide_by_product(modulo, width, to, number);
        return true;
    }
    if (!modulo)
        a_.shift(Shift::Right, width, to, uint8_t(std::countr_zero(number)));
    else  // below 2^32, since a 64-bit power of two is positive
        a_.alu(Alu::And, W32, to, int32_t(number - 1));
    return true;
}

/// The quotient is the upper half of a product (Granlund and Montgomery, Division by Invariant
/// Integers using Multiplication, figure 4.1): with l = ceil(log2(d)) and m = floor(2^N * (2^l - d)
/// / d) + 1, t is the upper half of m * n, and the quotient (t + (n - t) / 2) >> (l - 1).
void Emitter::divide_by_product(bool modulo, Width width, Reg to, uint64_t divisor) {
    const int log = bits(width) - (width == W64 ? std::countl_zero(divisor)
                                                : std::countl_zero(uint32_t(divisor)));
    const Wide d = divisor, power = Wide{1} << log;
    const auto factor = uint64_t(((power - d) << bits(width)) / d + 1);
    // n in kScratch, t in kScratch2.
    a_.move(width, kScratch, to);
    if (width == W32) {
        a_.move(kScratch2, factor);
        a_.multiply(W64, kScratch2, kScratch);
        a_.shift(Shift::Right, W64, kScratch2, 32);
    } else {
        // The upper half of a product of 64 bits is in rdx, and needs rax: r2 and r0.
        const bool keeps_rax = to != rax, keeps_rdx = to != rdx;
        if (keeps_rax) a_.store(saved_register(0), rax, 8);
        if (keeps_rdx) a_.store(saved_register(1), rdx, 8);
        a_.move(rax, factor);
        a_.multiply_high(W64, kScratch);
        a_.move(W64, kScratch2, rdx);
        if (keeps_rax) a_.load(rax, saved_register(0), 8);
        if (keeps_rdx) a_.load(rdx, saved_register(1), 8);
    }
    const bool is_rax_or_rdx = width == W64 && (to == rax || to == rdx);
    // Of `modulo`, n is needed once more.
    if (modulo && is_rax_or_rdx) a_.move(W64, to, kScratch);
    a_.alu(Alu::Sub, width, kScratch, kScratch2);
    a_.shift(Shift::Right, width, kScratch, 1);
    a_.alu(Alu::Add, width, kScratch, kScratch2);
    if (log > 1) a_.shift(Shift::Right, width, kScratch, uint8_t(log - 1));
    if (!modulo) return a_.move(width, to, kScratch);
    a_.multiply(width, kScratch, kScratch, int32_t(divisor));
    a_.alu(Alu::Sub, width, to, kScratch);
}

/// By kScratch, which is neither 0 nor, of a signed division, -1.
void Emitter::divide_slowly(bool is_signed, bool modulo, Width width, Reg to) {
    const bool keeps_rax = to != rax, keeps_rdx = to != rdx;
    if (keeps_rax) a_.store(saved_register(0), rax, 8);
    if (keeps_rdx) a_.move(W64, kScratch2, rdx);
    if (to != rax) a_.move(width, rax, to);
    if (is_signed) {
        a_.widen_rax(width);
        a_.divide_signed(width, kScratch);
    } else {
        a_.move(rdx, 0);
        a_.divide(width, kScratch);
    }
    const Reg result = modulo ? rdx : rax;
    if (to != result) a_.move(W64, to, result);
    if (keeps_rax) a_.load(rax, saved_register(0), 8);
    if (keeps_rdx) a_.move(W64, rdx, kScratch2);
}

}  // namespace skep::engine::jit
