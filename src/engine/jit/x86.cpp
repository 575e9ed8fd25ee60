// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/x86.hpp"

#include <algorithm>
#include <cstring>

#include "base/result.hpp"

namespace skep::engine::x86 {

namespace {

constexpr uint8_t code_of(Reg reg) {
    return uint8_t(reg);
}
constexpr bool wide(Width width) {
    return width == Width::W64;
}
constexpr bool is_byte(int64_t value) {
    return value == int8_t(value);
}

/// spl, bpl, sil and dil exist with a REX prefix only.
constexpr bool needs_rex_as_byte(Reg reg) {
    return reg >= Reg::rsp && reg <= Reg::rdi;
}

}  // namespace

void Assembler::grow() {
    code_.resize(std::max<size_t>(256, 2 * code_.size()));
}

void Assembler::imm32(int32_t value) {
    if (code_.size() - size_ < sizeof value) grow();
    std::memcpy(code_.data() + size_, &value, sizeof value);
    size_ += sizeof value;
}

void Assembler::imm64(uint64_t value) {
    if (code_.size() - size_ < sizeof value) grow();
    std::memcpy(code_.data() + size_, &value, sizeof value);
    size_ += sizeof value;
}

void Assembler::rex(bool is_wide, uint8_t reg, uint8_t rm, bool byte_register) {
    const uint8_t prefix = uint8_t(0x40 | is_wide << 3 | (reg >> 3) << 2 | rm >> 3);
    if (prefix != 0x40 || byte_register) byte(prefix);
}

void Assembler::op_rr(bool is_wide, std::initializer_list<uint8_t> opcode, uint8_t reg, Reg rm,
                      bool byte_register) {
    rex(is_wide, reg, code_of(rm), byte_register);
    bytes(opcode);
    byte(uint8_t(0xc0 | (reg & 7) << 3 | (code_of(rm) & 7)));
}

void Assembler::op_rm(bool is_wide, std::initializer_list<uint8_t> opcode, uint8_t reg, Mem rm,
                      bool byte_register) {
    const uint8_t base = code_of(rm.base) & 7;
    rex(is_wide, reg, code_of(rm.base), byte_register);
    bytes(opcode);
    // A base of rbp or r13 without displacement means something else, so these take a zero byte;
    // rsp and r12 need a SIB byte.
    const bool none = rm.disp == 0 && base != 5;
    const bool small = is_byte(rm.disp);
    byte(uint8_t((none ? 0x00 : small ? 0x40 : 0x80) | (reg & 7) << 3 | base));
    if (base == 4) byte(0x24);
    if (none) return;
    if (small)
        byte(uint8_t(rm.disp));
    else
        imm32(rm.disp);
}

void Assembler::move(Width width, Reg to, Reg from) {
    if (to == from && wide(width)) return;
    op_rr(wide(width), {0x89}, code_of(from), to);
}

void Assembler::move(Reg to, uint64_t imm) {
    if (imm == 0) {
        alu(Alu::Xor, Width::W32, to, to);
    } else if (imm <= UINT32_MAX) {
        rex(false, 0, code_of(to), false);
        byte(uint8_t(0xb8 | (code_of(to) & 7)));
        imm32(int32_t(imm));
    } else if (int64_t(imm) == int32_t(imm)) {
        op_rr(true, {0xc7}, 0, to);
        imm32(int32_t(imm));
    } else {
        rex(true, 0, code_of(to), false);
        byte(uint8_t(0xb8 | (code_of(to) & 7)));
        imm64(imm);
    }
}

void Assembler::load(Reg to, Mem from, uint32_t size) {
    switch (size) {
        case 1: return op_rm(false, {0x0f, 0xb6}, code_of(to), from);
        case 2: return op_rm(false, {0x0f, 0xb7}, code_of(to), from);
        case 4: return op_rm(false, {0x8b}, code_of(to), from);
        default: return op_rm(true, {0x8b}, code_of(to), from);
    }
}

void Assembler::load_signed(Reg to, Mem from, uint32_t size) {
    switch (size) {
        case 1: return op_rm(true, {0x0f, 0xbe}, code_of(to), from);
        case 2: return op_rm(true, {0x0f, 0xbf}, code_of(to), from);
        case 4: return op_rm(true, {0x63}, code_of(to), from);
        default: return op_rm(true, {0x8b}, code_of(to), from);
    }
}

void Assembler::store(Mem to, Reg from, uint32_t size) {
    if (size == 2) byte(0x66);
    if (size == 1)
        op_rm(false, {0x88}, code_of(from), to, needs_rex_as_byte(from));
    else
        op_rm(size == 8, {0x89}, code_of(from), to);
}

void Assembler::store(Mem to, int32_t imm, uint32_t size) {
    if (size == 2) byte(0x66);
    op_rm(size == 8, {uint8_t(size == 1 ? 0xc6 : 0xc7)}, 0, to);
    switch (size) {
        case 1: byte(uint8_t(imm)); break;
        case 2:
            byte(uint8_t(imm));
            byte(uint8_t(imm >> 8));
            break;
        default: imm32(imm);
    }
}

void Assembler::lea(Reg to, Mem from) {
    op_rm(true, {0x8d}, code_of(to), from);
}

void Assembler::zero_extend(Reg to, Reg from, uint32_t size) {
    switch (size) {
        case 1: return op_rr(false, {0x0f, 0xb6}, code_of(to), from, needs_rex_as_byte(from));
        case 2: return op_rr(false, {0x0f, 0xb7}, code_of(to), from);
        default: return op_rr(false, {0x8b}, code_of(to), from);
    }
}

void Assembler::sign_extend(Width width, Reg to, Reg from, uint32_t size) {
    switch (size) {
        case 1: return op_rr(wide(width), {0x0f, 0xbe}, code_of(to), from, needs_rex_as_byte(from));
        case 2: return op_rr(wide(width), {0x0f, 0xbf}, code_of(to), from);
        default: return op_rr(wide(width), {0x63}, code_of(to), from);
    }
}

void Assembler::push(Reg reg) {
    rex(false, 0, code_of(reg), false);
    byte(uint8_t(0x50 | (code_of(reg) & 7)));
}

void Assembler::pop(Reg reg) {
    rex(false, 0, code_of(reg), false);
    byte(uint8_t(0x58 | (code_of(reg) & 7)));
}

void Assembler::exchange(Reg a, Reg b) {
    op_rr(true, {0x87}, code_of(a), b);
}

void Assembler::alu(Alu op, Width width, Reg to, Reg from) {
    op_rr(wide(width), {uint8_t(uint8_t(op) << 3 | 1)}, code_of(from), to);
}

void Assembler::alu(Alu op, Width width, Reg to, int32_t imm) {
    op_rr(wide(width), {uint8_t(is_byte(imm) ? 0x83 : 0x81)}, uint8_t(op), to);
    if (is_byte(imm))
        byte(uint8_t(imm));
    else
        imm32(imm);
}

void Assembler::alu(Alu op, Width width, Reg to, Mem from) {
    op_rm(wide(width), {uint8_t(uint8_t(op) << 3 | 3)}, code_of(to), from);
}

void Assembler::alu(Alu op, Width width, Mem to, int32_t imm) {
    op_rm(wide(width), {uint8_t(is_byte(imm) ? 0x83 : 0x81)}, uint8_t(op), to);
    if (is_byte(imm))
        byte(uint8_t(imm));
    else
        imm32(imm);
}

void Assembler::test(Width width, Reg a, Reg b) {
    op_rr(wide(width), {0x85}, code_of(b), a);
}

void Assembler::test(Width width, Reg a, int32_t imm) {
    op_rr(wide(width), {0xf7}, 0, a);
    imm32(imm);
}

void Assembler::negate(Width width, Reg reg) {
    op_rr(wide(width), {0xf7}, 3, reg);
}

void Assembler::multiply(Width width, Reg to, Reg from) {
    op_rr(wide(width), {0x0f, 0xaf}, code_of(to), from);
}

void Assembler::multiply(Width width, Reg to, Reg from, int32_t imm) {
    op_rr(wide(width), {uint8_t(is_byte(imm) ? 0x6b : 0x69)}, code_of(to), from);
    if (is_byte(imm))
        byte(uint8_t(imm));
    else
        imm32(imm);
}

void Assembler::multiply_high(Width width, Reg by) {
    op_rr(wide(width), {0xf7}, 4, by);
}

void Assembler::shift(Shift op, Width width, Reg reg, uint8_t count) {
    op_rr(wide(width), {0xc1}, uint8_t(op), reg);
    byte(count);
}

void Assembler::shift_by_cl(Shift op, Width width, Reg reg) {
    op_rr(wide(width), {0xd3}, uint8_t(op), reg);
}

void Assembler::shift_by(Shift op, Width width, Reg to, Reg from, Reg count) {
    // VEX.LZ.{66,F2,F3}.0F38.W F7 /r: shlx, shrx, sarx.
    const uint8_t prefix = op == Shift::Left ? 1 : op == Shift::Right ? 3 : 2;
    const uint8_t r = code_of(to), b = code_of(from), v = code_of(count);
    byte(0xc4);
    byte(uint8_t((r < 8 ? 0x80 : 0) | 0x40 | (b < 8 ? 0x20 : 0) | 0x02));
    byte(uint8_t(wide(width) << 7 | (~v & 15) << 3 | prefix));
    byte(0xf7);
    byte(uint8_t(0xc0 | (r & 7) << 3 | (b & 7)));
}

void Assembler::divide(Width width, Reg by) {
    op_rr(wide(width), {0xf7}, 6, by);
}

void Assembler::divide_signed(Width width, Reg by) {
    op_rr(wide(width), {0xf7}, 7, by);
}

void Assembler::widen_rax(Width width) {
    if (wide(width)) byte(0x48);
    byte(0x99);
}

void Assembler::swap_bytes(Width width, Reg reg) {
    rex(wide(width), 0, code_of(reg), false);
    byte(0x0f);
    byte(uint8_t(0xc8 | (code_of(reg) & 7)));
}

void Assembler::rotate_16(Reg reg) {
    byte(0x66);
    op_rr(false, {0xc1}, 0, reg);
    byte(8);
}

void Assembler::lock_alu(Alu op, Width width, Mem to, Reg from) {
    byte(0xf0);
    op_rm(wide(width), {uint8_t(uint8_t(op) << 3 | 1)}, code_of(from), to);
}

void Assembler::lock_exchange_add(Width width, Mem to, Reg from) {
    byte(0xf0);
    op_rm(wide(width), {0x0f, 0xc1}, code_of(from), to);
}

void Assembler::exchange(Width width, Mem to, Reg from) {
    op_rm(wide(width), {0x87}, code_of(from), to);
}

void Assembler::lock_compare_exchange(Width width, Mem to, Reg from) {
    byte(0xf0);
    op_rm(wide(width), {0x0f, 0xb1}, code_of(from), to);
}

Label Assembler::label() {
    labels_.push_back(kUnbound);
    return {uint32_t(labels_.size() - 1)};
}

void Assembler::bind(Label label) {
    labels_[label.index] = size_;
}

void Assembler::distance_to(Label to, std::initializer_list<uint8_t> opcode) {
    bytes(opcode);
    fixups_.push_back({size_, to});
    imm32(0);
}

void Assembler::jump(Label to) {
    if (const size_t at = labels_[to.index]; at != kUnbound) {
        const int64_t distance = int64_t(at) - int64_t(size_) - 2;
        if (is_byte(distance)) {
            byte(0xeb);
            byte(uint8_t(distance));
            return;
        }
    }
    distance_to(to, {0xe9});
}

void Assembler::jump(Cond cond, Label to) {
    if (const size_t at = labels_[to.index]; at != kUnbound) {
        const int64_t distance = int64_t(at) - int64_t(size_) - 2;
        if (is_byte(distance)) {
            byte(uint8_t(0x70 | uint8_t(cond)));
            byte(uint8_t(distance));
            return;
        }
    }
    distance_to(to, {0x0f, uint8_t(0x80 | uint8_t(cond))});
}

void Assembler::jump(Reg to) {
    op_rr(false, {0xff}, 4, to);
}

void Assembler::call(Label to) {
    distance_to(to, {0xe8});
}

void Assembler::call(Reg to) {
    op_rr(false, {0xff}, 2, to);
}

void Assembler::ret() {
    byte(0xc3);
}

void Assembler::trap() {
    byte(0x0f);
    byte(0x0b);
}

std::span<const uint8_t> Assembler::finish() {
    for (const Fixup& fixup : fixups_) {
        const size_t target = labels_[fixup.to.index];
        SKEP_CHECK(target != kUnbound);
        const auto distance = int32_t(int64_t(target) - int64_t(fixup.at) - 4);
        std::memcpy(code_.data() + fixup.at, &distance, sizeof distance);
    }
    fixups_.clear();
    return std::span(code_).first(size_);
}

}  // namespace skep::engine::x86
