// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

// x86-64 machine code, an instruction a call: what the baseline tier emits, and no more.
//
//     x86::Assembler a;
//     const x86::Label done = a.label();
//     a.compare(Width::W64, Reg::rdi, 7);
//     a.jump(Cond::Above, done);
//     a.load(Reg::rax, {Reg::rsi, 8}, 4);
//     a.bind(done);
//     a.ret();
//     std::span<const uint8_t> code = a.finish();
//
// Encodings follow the Intel manual, volume 2. A 32-bit operation zeroes the upper half of its
// destination, as BPF's does. Jumps backward take the short form where it reaches; those forward
// are 32 bits wide, since the code is made in one pass. Nothing here knows of BPF.

namespace skep::engine::x86 {

enum class Reg : uint8_t {
    rax,
    rcx,
    rdx,
    rbx,
    rsp,
    rbp,
    rsi,
    rdi,
    r8,
    r9,
    r10,
    r11,
    r12,
    r13,
    r14,
    r15,
};

enum class Width : uint8_t { W32, W64 };

/// The numbers are those of the opcodes.
enum class Cond : uint8_t {
    Below = 2,
    AboveEqual,
    Equal,
    NotEqual,
    BelowEqual,
    Above,
    Sign,  ///< the result is negative
    Less = 12,
    GreaterEqual,
    LessEqual,
    Greater,
};
constexpr Cond inverse(Cond cond) {
    return Cond(uint8_t(cond) ^ 1);
}

/// Likewise: the operations of opcode group 1.
enum class Alu : uint8_t { Add = 0, Or = 1, And = 4, Sub = 5, Xor = 6, Cmp = 7 };
enum class Shift : uint8_t { Left = 4, Right = 5, Arithmetic = 7 };

struct Mem {
    Reg base;
    int32_t disp = 0;
};

/// A place in the code, known or yet to come. Made by Assembler::label().
struct Label {
    uint32_t index;
};

class Assembler {
  public:
    // Moves.
    void move(Width width, Reg to, Reg from);
    void move(Reg to, uint64_t imm);  ///< in the shortest form
    /// `size` bytes into all 64 bits, zero- or sign-extended.
    void load(Reg to, Mem from, uint32_t size);
    void load_signed(Reg to, Mem from, uint32_t size);
    void store(Mem to, Reg from, uint32_t size);
    void store(Mem to, int32_t imm, uint32_t size);
    void lea(Reg to, Mem from);
    void zero_extend(Reg to, Reg from, uint32_t size);
    /// Into 32 or 64 bits.
    void sign_extend(Width width, Reg to, Reg from, uint32_t size);
    void push(Reg reg);
    void pop(Reg reg);
    void exchange(Reg a, Reg b);

    // Arithmetic.
    void alu(Alu op, Width width, Reg to, Reg from);
    void alu(Alu op, Width width, Reg to, int32_t imm);
    void alu(Alu op, Width width, Reg to, Mem from);
    void alu(Alu op, Width width, Mem to, int32_t imm);
    void compare(Width width, Reg a, Reg b) { alu(Alu::Cmp, width, a, b); }
    void compare(Width width, Reg a, int32_t imm) { alu(Alu::Cmp, width, a, imm); }
    void test(Width width, Reg a, Reg b);
    void test(Width width, Reg a, int32_t imm);
    void negate(Width width, Reg reg);
    void multiply(Width width, Reg to, Reg from);
    void multiply(Width width, Reg to, Reg from, int32_t imm);
    void multiply_high(Width width, Reg by);  ///< rax by `by`, unsigned: into rdx:rax
    void shift(Shift op, Width width, Reg reg, uint8_t count);
    void shift_by_cl(Shift op, Width width, Reg reg);
    /// BMI2: any register counts, flags stay.
    void shift_by(Shift op, Width width, Reg to, Reg from, Reg count);
    /// rdx:rax by `by`: quotient in rax, remainder in rdx.
    void divide(Width width, Reg by);
    void divide_signed(Width width, Reg by);
    void widen_rax(Width width);  ///< cdq, cqo: the sign of rax into rdx
    void swap_bytes(Width width, Reg reg);
    void rotate_16(Reg reg);  ///< swaps the two low bytes

    // Atomics: `lock` where the instruction does not lock by itself.
    void lock_alu(Alu op, Width width, Mem to, Reg from);
    void lock_exchange_add(Width width, Mem to, Reg from);
    void exchange(Width width, Mem to, Reg from);
    /// rax is what is expected, and what was found.
    void lock_compare_exchange(Width width, Mem to, Reg from);

    // Control.
    Label label();
    void bind(Label label);
    void jump(Label to);
    void jump(Cond cond, Label to);
    void jump(Reg to);
    void call(Label to);
    void call(Reg to);
    void ret();
    void trap();  ///< ud2

    size_t size() const { return size_; }
    /// So many bytes will probably be needed.
    void reserve(size_t bytes) { code_.resize(bytes); }
    /// Where a bound label stands.
    size_t offset_of(Label label) const { return labels_[label.index]; }
    /// All labels that were jumped to must be bound. The bytes are relocatable.
    std::span<const uint8_t> finish();

  private:
    static constexpr size_t kUnbound = SIZE_MAX;
    struct Fixup {
        size_t at;  // of the 32-bit distance
        Label to;
    };

    void byte(uint8_t value) {
        if (size_ == code_.size()) [[unlikely]]
            grow();
        code_[size_++] = value;
    }
    void bytes(std::initializer_list<uint8_t> values) {
        for (const uint8_t value : values) byte(value);
    }
    void grow();
    void imm32(int32_t value);
    void imm64(uint64_t value);
    void rex(bool wide, uint8_t reg, uint8_t rm, bool byte_register);
    void op_rr(bool wide, std::initializer_list<uint8_t> opcode, uint8_t reg, Reg rm,
               bool byte_register = false);
    void op_rm(bool wide, std::initializer_list<uint8_t> opcode, uint8_t reg, Mem rm,
               bool byte_register = false);
    void distance_to(Label to, std::initializer_list<uint8_t> opcode);

    std::vector<uint8_t> code_;  // and room behind it
    size_t size_ = 0;
    std::vector<size_t> labels_;
    std::vector<Fixup> fixups_;
};

}  // namespace skep::engine::x86
