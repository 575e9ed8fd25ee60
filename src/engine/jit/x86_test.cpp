// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/x86.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

// Each form of each instruction, with registers from both halves, against the bytes that llvm-mc
// makes of the text beside it.

namespace skep::engine::x86 {
namespace {

using enum Width;

struct Case {
    const char* text;
    void (*emit)(Assembler&);
    const char* bytes;
};

constexpr auto rax = Reg::rax, rcx = Reg::rcx, rdx = Reg::rdx, rbx = Reg::rbx, rsp = Reg::rsp,
               rbp = Reg::rbp, rsi = Reg::rsi, rdi = Reg::rdi, r8 = Reg::r8, r9 = Reg::r9,
               r10 = Reg::r10, r12 = Reg::r12, r13 = Reg::r13, r15 = Reg::r15;

const Case kCases[] = {
#define CASE(text, statement, bytes) {text, [](Assembler& a) { a.statement; }, bytes},
    // clang-format off
    CASE("movq %r15, %rax", move(W64, rax, r15), "4c 89 f8")
    CASE("movl %edi, %r8d", move(W32, r8, rdi), "41 89 f8")
    CASE("movl %edi, %edi", move(W32, rdi, rdi), "89 ff")
    CASE("xorl %r9d, %r9d", move(r9, 0), "45 31 c9")
    CASE("movl $0xffffffff, %eax", move(rax, 0xffffffff), "b8 ff ff ff ff")
    CASE("movl $1, %r13d", move(r13, 1), "41 bd 01 00 00 00")
    CASE("movq $-1, %rsi", move(rsi, ~uint64_t{0}), "48 c7 c6 ff ff ff ff")
    CASE("movabsq $0x123456789abcdef0, %r12", move(r12, 0x123456789abcdef0), "49 bc f0 de bc 9a 78 56 34 12")
    CASE("movabsq $0x80000000ffffffff, %rax", move(rax, 0x80000000ffffffff), "48 b8 ff ff ff ff 00 00 00 80")
    CASE("movzbl (%rdi), %eax", load(rax, {Reg::rdi, 0}, 1), "0f b6 07")
    CASE("movzbl 0(%rbp), %r8d", load(r8, {Reg::rbp, 0}, 1), "44 0f b6 45 00")
    CASE("movzbl 0(%r13), %esi", load(rsi, {Reg::r13, 0}, 1), "41 0f b6 75 00")
    CASE("movzbl 8(%rsp), %r15d", load(r15, {Reg::rsp, 8}, 1), "44 0f b6 7c 24 08")
    CASE("movzbl -128(%r12), %ebx", load(rbx, {Reg::r12, -128}, 1), "41 0f b6 5c 24 80")
    CASE("movzbl 128(%r9), %ecx", load(rcx, {Reg::r9, 128}, 1), "41 0f b6 89 80 00 00 00")
    CASE("movb %al, (%rdi)", store({Reg::rdi, 0}, rax, 1), "88 07")
    CASE("movb %sil, -8(%rbp)", store({Reg::rbp, -8}, rsi, 1), "40 88 75 f8")
    CASE("movb %dil, 4(%r12)", store({Reg::r12, 4}, rdi, 1), "41 88 7c 24 04")
    CASE("movb %r9b, 4096(%r8)", store({Reg::r8, 4096}, r9, 1), "45 88 88 00 10 00 00")
    CASE("movb %spl, 1(%rax)", store({Reg::rax, 1}, rsp, 1), "40 88 60 01")
    CASE("movb %bpl, 2(%r15)", store({Reg::r15, 2}, rbp, 1), "41 88 6f 02")
    CASE("movb $18, (%rdi)", store({Reg::rdi, 0}, 18, 1), "c6 07 12")
    CASE("movb $-1, -4(%r13)", store({Reg::r13, -4}, -1, 1), "41 c6 45 fc ff")
    CASE("movsbq 16(%r9), %rdx", load_signed(rdx, {Reg::r9, 16}, 1), "49 0f be 51 10")
    CASE("movzwl (%rdi), %eax", load(rax, {Reg::rdi, 0}, 2), "0f b7 07")
    CASE("movzwl 0(%rbp), %r8d", load(r8, {Reg::rbp, 0}, 2), "44 0f b7 45 00")
    CASE("movzwl 0(%r13), %esi", load(rsi, {Reg::r13, 0}, 2), "41 0f b7 75 00")
    CASE("movzwl 8(%rsp), %r15d", load(r15, {Reg::rsp, 8}, 2), "44 0f b7 7c 24 08")
    CASE("movzwl -128(%r12), %ebx", load(rbx, {Reg::r12, -128}, 2), "41 0f b7 5c 24 80")
    CASE("movzwl 128(%r9), %ecx", load(rcx, {Reg::r9, 128}, 2), "41 0f b7 89 80 00 00 00")
    CASE("movw %ax, (%rdi)", store({Reg::rdi, 0}, rax, 2), "66 89 07")
    CASE("movw %si, -8(%rbp)", store({Reg::rbp, -8}, rsi, 2), "66 89 75 f8")
    CASE("movw %di, 4(%r12)", store({Reg::r12, 4}, rdi, 2), "66 41 89 7c 24 04")
    CASE("movw %r9w, 4096(%r8)", store({Reg::r8, 4096}, r9, 2), "66 45 89 88 00 10 00 00")
    CASE("movw %sp, 1(%rax)", store({Reg::rax, 1}, rsp, 2), "66 89 60 01")
    CASE("movw %bp, 2(%r15)", store({Reg::r15, 2}, rbp, 2), "66 41 89 6f 02")
    CASE("movw $18, (%rdi)", store({Reg::rdi, 0}, 18, 2), "66 c7 07 12 00")
    CASE("movw $-1, -4(%r13)", store({Reg::r13, -4}, -1, 2), "66 41 c7 45 fc ff ff")
    CASE("movswq 16(%r9), %rdx", load_signed(rdx, {Reg::r9, 16}, 2), "49 0f bf 51 10")
    CASE("movl (%rdi), %eax", load(rax, {Reg::rdi, 0}, 4), "8b 07")
    CASE("movl 0(%rbp), %r8d", load(r8, {Reg::rbp, 0}, 4), "44 8b 45 00")
    CASE("movl 0(%r13), %esi", load(rsi, {Reg::r13, 0}, 4), "41 8b 75 00")
    CASE("movl 8(%rsp), %r15d", load(r15, {Reg::rsp, 8}, 4), "44 8b 7c 24 08")
    CASE("movl -128(%r12), %ebx", load(rbx, {Reg::r12, -128}, 4), "41 8b 5c 24 80")
    CASE("movl 128(%r9), %ecx", load(rcx, {Reg::r9, 128}, 4), "41 8b 89 80 00 00 00")
    CASE("movl %eax, (%rdi)", store({Reg::rdi, 0}, rax, 4), "89 07")
    CASE("movl %esi, -8(%rbp)", store({Reg::rbp, -8}, rsi, 4), "89 75 f8")
    CASE("movl %edi, 4(%r12)", store({Reg::r12, 4}, rdi, 4), "41 89 7c 24 04")
    CASE("movl %r9d, 4096(%r8)", store({Reg::r8, 4096}, r9, 4), "45 89 88 00 10 00 00")
    CASE("movl %esp, 1(%rax)", store({Reg::rax, 1}, rsp, 4), "89 60 01")
    CASE("movl %ebp, 2(%r15)", store({Reg::r15, 2}, rbp, 4), "41 89 6f 02")
    CASE("movl $18, (%rdi)", store({Reg::rdi, 0}, 18, 4), "c7 07 12 00 00 00")
    CASE("movl $-1, -4(%r13)", store({Reg::r13, -4}, -1, 4), "41 c7 45 fc ff ff ff ff")
    CASE("movslq 16(%r9), %rdx", load_signed(rdx, {Reg::r9, 16}, 4), "49 63 51 10")
    CASE("movq (%rdi), %rax", load(rax, {Reg::rdi, 0}, 8), "48 8b 07")
    CASE("movq 0(%rbp), %r8", load(r8, {Reg::rbp, 0}, 8), "4c 8b 45 00")
    CASE("movq 0(%r13), %rsi", load(rsi, {Reg::r13, 0}, 8), "49 8b 75 00")
    CASE("movq 8(%rsp), %r15", load(r15, {Reg::rsp, 8}, 8), "4c 8b 7c 24 08")
    CASE("movq -128(%r12), %rbx", load(rbx, {Reg::r12, -128}, 8), "49 8b 5c 24 80")
    CASE("movq 128(%r9), %rcx", load(rcx, {Reg::r9, 128}, 8), "49 8b 89 80 00 00 00")
    CASE("movq %rax, (%rdi)", store({Reg::rdi, 0}, rax, 8), "48 89 07")
    CASE("movq %rsi, -8(%rbp)", store({Reg::rbp, -8}, rsi, 8), "48 89 75 f8")
    CASE("movq %rdi, 4(%r12)", store({Reg::r12, 4}, rdi, 8), "49 89 7c 24 04")
    CASE("movq %r9, 4096(%r8)", store({Reg::r8, 4096}, r9, 8), "4d 89 88 00 10 00 00")
    CASE("movq %rsp, 1(%rax)", store({Reg::rax, 1}, rsp, 8), "48 89 60 01")
    CASE("movq %rbp, 2(%r15)", store({Reg::r15, 2}, rbp, 8), "49 89 6f 02")
    CASE("movq $18, (%rdi)", store({Reg::rdi, 0}, 18, 8), "48 c7 07 12 00 00 00")
    CASE("movq $-1, -4(%r13)", store({Reg::r13, -4}, -1, 8), "49 c7 45 fc ff ff ff ff")
    CASE("movl $0x12345678, 4(%rbp)", store({Reg::rbp, 4}, 0x12345678, 4), "c7 45 04 78 56 34 12")
    CASE("leaq -512(%rbp), %rsi", lea(rsi, {Reg::rbp, -512}), "48 8d b5 00 fe ff ff")
    CASE("leaq 8(%r12), %r10", lea(r10, {Reg::r12, 8}), "4d 8d 54 24 08")
    CASE("movzbl %sil, %eax", zero_extend(rax, rsi, 1), "40 0f b6 c6")
    CASE("movzwl %si, %eax", zero_extend(rax, rsi, 2), "0f b7 c6")
    CASE("movsbl %sil, %eax", sign_extend(W32, rax, rsi, 1), "40 0f be c6")
    CASE("movswl %si, %eax", sign_extend(W32, rax, rsi, 2), "0f bf c6")
    CASE("movsbq %sil, %rax", sign_extend(W64, rax, rsi, 1), "48 0f be c6")
    CASE("movswq %si, %rax", sign_extend(W64, rax, rsi, 2), "48 0f bf c6")
    CASE("movslq %esi, %rax", sign_extend(W64, rax, rsi, 4), "48 63 c6")
    CASE("movzbl %r9b, %r8d", zero_extend(r8, r9, 1), "45 0f b6 c1")
    CASE("movzwl %r9w, %r8d", zero_extend(r8, r9, 2), "45 0f b7 c1")
    CASE("movsbl %r9b, %r8d", sign_extend(W32, r8, r9, 1), "45 0f be c1")
    CASE("movswl %r9w, %r8d", sign_extend(W32, r8, r9, 2), "45 0f bf c1")
    CASE("movsbq %r9b, %r8", sign_extend(W64, r8, r9, 1), "4d 0f be c1")
    CASE("movswq %r9w, %r8", sign_extend(W64, r8, r9, 2), "4d 0f bf c1")
    CASE("movslq %r9d, %r8", sign_extend(W64, r8, r9, 4), "4d 63 c1")
    CASE("movzbl %dil, %edi", zero_extend(rdi, rdi, 1), "40 0f b6 ff")
    CASE("movzwl %di, %edi", zero_extend(rdi, rdi, 2), "0f b7 ff")
    CASE("movsbl %dil, %edi", sign_extend(W32, rdi, rdi, 1), "40 0f be ff")
    CASE("movswl %di, %edi", sign_extend(W32, rdi, rdi, 2), "0f bf ff")
    CASE("movsbq %dil, %rdi", sign_extend(W64, rdi, rdi, 1), "48 0f be ff")
    CASE("movswq %di, %rdi", sign_extend(W64, rdi, rdi, 2), "48 0f bf ff")
    CASE("movslq %edi, %rdi", sign_extend(W64, rdi, rdi, 4), "48 63 ff")
    CASE("movzbl %dl, %ebx", zero_extend(rbx, rdx, 1), "0f b6 da")
    CASE("movzwl %dx, %ebx", zero_extend(rbx, rdx, 2), "0f b7 da")
    CASE("movsbl %dl, %ebx", sign_extend(W32, rbx, rdx, 1), "0f be da")
    CASE("movswl %dx, %ebx", sign_extend(W32, rbx, rdx, 2), "0f bf da")
    CASE("movsbq %dl, %rbx", sign_extend(W64, rbx, rdx, 1), "48 0f be da")
    CASE("movswq %dx, %rbx", sign_extend(W64, rbx, rdx, 2), "48 0f bf da")
    CASE("movslq %edx, %rbx", sign_extend(W64, rbx, rdx, 4), "48 63 da")
    CASE("pushq %rbx", push(rbx), "53")
    CASE("pushq %r12", push(r12), "41 54")
    CASE("popq %rbp", pop(rbp), "5d")
    CASE("popq %r15", pop(r15), "41 5f")
    CASE("xchgq %r8, %rcx", exchange(rcx, r8), "49 87 c8")
    CASE("addl %r9d, %esi", alu(Alu::Add, W32, rsi, r9), "44 01 ce")
    CASE("addl $-5, %r13d", alu(Alu::Add, W32, r13, -5), "41 83 c5 fb")
    CASE("addl $0x12345, %edi", alu(Alu::Add, W32, rdi, 0x12345), "81 c7 45 23 01 00")
    CASE("addl 8(%r12), %edx", alu(Alu::Add, W32, rdx, Mem{Reg::r12, 8}), "41 03 54 24 08")
    CASE("addl $1, 16(%r12)", alu(Alu::Add, W32, Mem{Reg::r12, 16}, 1), "41 83 44 24 10 01")
    CASE("addq %r9, %rsi", alu(Alu::Add, W64, rsi, r9), "4c 01 ce")
    CASE("addq $-5, %r13", alu(Alu::Add, W64, r13, -5), "49 83 c5 fb")
    CASE("addq $0x12345, %rdi", alu(Alu::Add, W64, rdi, 0x12345), "48 81 c7 45 23 01 00")
    CASE("addq 8(%r12), %rdx", alu(Alu::Add, W64, rdx, Mem{Reg::r12, 8}), "49 03 54 24 08")
    CASE("addq $1, 16(%r12)", alu(Alu::Add, W64, Mem{Reg::r12, 16}, 1), "49 83 44 24 10 01")
    CASE("orl %r9d, %esi", alu(Alu::Or, W32, rsi, r9), "44 09 ce")
    CASE("orl $-5, %r13d", alu(Alu::Or, W32, r13, -5), "41 83 cd fb")
    CASE("orl $0x12345, %edi", alu(Alu::Or, W32, rdi, 0x12345), "81 cf 45 23 01 00")
    CASE("orl 8(%r12), %edx", alu(Alu::Or, W32, rdx, Mem{Reg::r12, 8}), "41 0b 54 24 08")
    CASE("orl $1, 16(%r12)", alu(Alu::Or, W32, Mem{Reg::r12, 16}, 1), "41 83 4c 24 10 01")
    CASE("orq %r9, %rsi", alu(Alu::Or, W64, rsi, r9), "4c 09 ce")
    CASE("orq $-5, %r13", alu(Alu::Or, W64, r13, -5), "49 83 cd fb")
    CASE("orq $0x12345, %rdi", alu(Alu::Or, W64, rdi, 0x12345), "48 81 cf 45 23 01 00")
    CASE("orq 8(%r12), %rdx", alu(Alu::Or, W64, rdx, Mem{Reg::r12, 8}), "49 0b 54 24 08")
    CASE("orq $1, 16(%r12)", alu(Alu::Or, W64, Mem{Reg::r12, 16}, 1), "49 83 4c 24 10 01")
    CASE("andl %r9d, %esi", alu(Alu::And, W32, rsi, r9), "44 21 ce")
    CASE("andl $-5, %r13d", alu(Alu::And, W32, r13, -5), "41 83 e5 fb")
    CASE("andl $0x12345, %edi", alu(Alu::And, W32, rdi, 0x12345), "81 e7 45 23 01 00")
    CASE("andl 8(%r12), %edx", alu(Alu::And, W32, rdx, Mem{Reg::r12, 8}), "41 23 54 24 08")
    CASE("andl $1, 16(%r12)", alu(Alu::And, W32, Mem{Reg::r12, 16}, 1), "41 83 64 24 10 01")
    CASE("andq %r9, %rsi", alu(Alu::And, W64, rsi, r9), "4c 21 ce")
    CASE("andq $-5, %r13", alu(Alu::And, W64, r13, -5), "49 83 e5 fb")
    CASE("andq $0x12345, %rdi", alu(Alu::And, W64, rdi, 0x12345), "48 81 e7 45 23 01 00")
    CASE("andq 8(%r12), %rdx", alu(Alu::And, W64, rdx, Mem{Reg::r12, 8}), "49 23 54 24 08")
    CASE("andq $1, 16(%r12)", alu(Alu::And, W64, Mem{Reg::r12, 16}, 1), "49 83 64 24 10 01")
    CASE("subl %r9d, %esi", alu(Alu::Sub, W32, rsi, r9), "44 29 ce")
    CASE("subl $-5, %r13d", alu(Alu::Sub, W32, r13, -5), "41 83 ed fb")
    CASE("subl $0x12345, %edi", alu(Alu::Sub, W32, rdi, 0x12345), "81 ef 45 23 01 00")
    CASE("subl 8(%r12), %edx", alu(Alu::Sub, W32, rdx, Mem{Reg::r12, 8}), "41 2b 54 24 08")
    CASE("subl $1, 16(%r12)", alu(Alu::Sub, W32, Mem{Reg::r12, 16}, 1), "41 83 6c 24 10 01")
    CASE("subq %r9, %rsi", alu(Alu::Sub, W64, rsi, r9), "4c 29 ce")
    CASE("subq $-5, %r13", alu(Alu::Sub, W64, r13, -5), "49 83 ed fb")
    CASE("subq $0x12345, %rdi", alu(Alu::Sub, W64, rdi, 0x12345), "48 81 ef 45 23 01 00")
    CASE("subq 8(%r12), %rdx", alu(Alu::Sub, W64, rdx, Mem{Reg::r12, 8}), "49 2b 54 24 08")
    CASE("subq $1, 16(%r12)", alu(Alu::Sub, W64, Mem{Reg::r12, 16}, 1), "49 83 6c 24 10 01")
    CASE("xorl %r9d, %esi", alu(Alu::Xor, W32, rsi, r9), "44 31 ce")
    CASE("xorl $-5, %r13d", alu(Alu::Xor, W32, r13, -5), "41 83 f5 fb")
    CASE("xorl $0x12345, %edi", alu(Alu::Xor, W32, rdi, 0x12345), "81 f7 45 23 01 00")
    CASE("xorl 8(%r12), %edx", alu(Alu::Xor, W32, rdx, Mem{Reg::r12, 8}), "41 33 54 24 08")
    CASE("xorl $1, 16(%r12)", alu(Alu::Xor, W32, Mem{Reg::r12, 16}, 1), "41 83 74 24 10 01")
    CASE("xorq %r9, %rsi", alu(Alu::Xor, W64, rsi, r9), "4c 31 ce")
    CASE("xorq $-5, %r13", alu(Alu::Xor, W64, r13, -5), "49 83 f5 fb")
    CASE("xorq $0x12345, %rdi", alu(Alu::Xor, W64, rdi, 0x12345), "48 81 f7 45 23 01 00")
    CASE("xorq 8(%r12), %rdx", alu(Alu::Xor, W64, rdx, Mem{Reg::r12, 8}), "49 33 54 24 08")
    CASE("xorq $1, 16(%r12)", alu(Alu::Xor, W64, Mem{Reg::r12, 16}, 1), "49 83 74 24 10 01")
    CASE("cmpl %r9d, %esi", alu(Alu::Cmp, W32, rsi, r9), "44 39 ce")
    CASE("cmpl $-5, %r13d", alu(Alu::Cmp, W32, r13, -5), "41 83 fd fb")
    CASE("cmpl $0x12345, %edi", alu(Alu::Cmp, W32, rdi, 0x12345), "81 ff 45 23 01 00")
    CASE("cmpl 8(%r12), %edx", alu(Alu::Cmp, W32, rdx, Mem{Reg::r12, 8}), "41 3b 54 24 08")
    CASE("cmpl $1, 16(%r12)", alu(Alu::Cmp, W32, Mem{Reg::r12, 16}, 1), "41 83 7c 24 10 01")
    CASE("cmpq %r9, %rsi", alu(Alu::Cmp, W64, rsi, r9), "4c 39 ce")
    CASE("cmpq $-5, %r13", alu(Alu::Cmp, W64, r13, -5), "49 83 fd fb")
    CASE("cmpq $0x12345, %rdi", alu(Alu::Cmp, W64, rdi, 0x12345), "48 81 ff 45 23 01 00")
    CASE("cmpq 8(%r12), %rdx", alu(Alu::Cmp, W64, rdx, Mem{Reg::r12, 8}), "49 3b 54 24 08")
    CASE("cmpq $1, 16(%r12)", alu(Alu::Cmp, W64, Mem{Reg::r12, 16}, 1), "49 83 7c 24 10 01")
    CASE("testl %r8d, %ebx", test(W32, rbx, r8), "44 85 c3")
    CASE("testl $0x80, %r15d", test(W32, r15, 0x80), "41 f7 c7 80 00 00 00")
    CASE("negl %r10d", negate(W32, r10), "41 f7 da")
    CASE("imull %r9d, %ecx", multiply(W32, rcx, r9), "41 0f af c9")
    CASE("imull $10, %edi, %r8d", multiply(W32, r8, rdi, 10), "44 6b c7 0a")
    CASE("imull $1000, %edi, %edi", multiply(W32, rdi, rdi, 1000), "69 ff e8 03 00 00")
    CASE("shll $7, %r9d", shift(Shift::Left, W32, r9, 7), "41 c1 e1 07")
    CASE("shll %cl, %esi", shift_by_cl(Shift::Left, W32, rsi), "d3 e6")
    CASE("shlxl %ecx, %edi, %eax", shift_by(Shift::Left, W32, rax, rdi, rcx), "c4 e2 71 f7 c7")
    CASE("shlxl %r15d, %r8d, %r12d", shift_by(Shift::Left, W32, r12, r8, r15), "c4 42 01 f7 e0")
    CASE("shrl $7, %r9d", shift(Shift::Right, W32, r9, 7), "41 c1 e9 07")
    CASE("shrl %cl, %esi", shift_by_cl(Shift::Right, W32, rsi), "d3 ee")
    CASE("shrxl %ecx, %edi, %eax", shift_by(Shift::Right, W32, rax, rdi, rcx), "c4 e2 73 f7 c7")
    CASE("shrxl %r15d, %r8d, %r12d", shift_by(Shift::Right, W32, r12, r8, r15), "c4 42 03 f7 e0")
    CASE("sarl $7, %r9d", shift(Shift::Arithmetic, W32, r9, 7), "41 c1 f9 07")
    CASE("sarl %cl, %esi", shift_by_cl(Shift::Arithmetic, W32, rsi), "d3 fe")
    CASE("sarxl %ecx, %edi, %eax", shift_by(Shift::Arithmetic, W32, rax, rdi, rcx), "c4 e2 72 f7 c7")
    CASE("sarxl %r15d, %r8d, %r12d", shift_by(Shift::Arithmetic, W32, r12, r8, r15), "c4 42 02 f7 e0")
    CASE("divl %r9d", divide(W32, r9), "41 f7 f1")
    CASE("idivl %ebx", divide_signed(W32, rbx), "f7 fb")
    CASE("cltd", widen_rax(W32), "99")
    CASE("bswapl %edx", swap_bytes(W32, rdx), "0f ca")
    CASE("bswapl %r13d", swap_bytes(W32, r13), "41 0f cd")
    CASE("lock addl %esi, 8(%rdi)", lock_alu(Alu::Add, W32, {Reg::rdi, 8}, rsi), "f0 01 77 08")
    CASE("lock orl %esi, 8(%rdi)", lock_alu(Alu::Or, W32, {Reg::rdi, 8}, rsi), "f0 09 77 08")
    CASE("lock andl %esi, 8(%rdi)", lock_alu(Alu::And, W32, {Reg::rdi, 8}, rsi), "f0 21 77 08")
    CASE("lock xorl %esi, 8(%rdi)", lock_alu(Alu::Xor, W32, {Reg::rdi, 8}, rsi), "f0 31 77 08")
    CASE("lock xaddl %r9d, (%r13)", lock_exchange_add(W32, {Reg::r13}, r9), "f0 45 0f c1 4d 00")
    CASE("xchgl %eax, -8(%rbp)", exchange(W32, Mem{Reg::rbp, -8}, rax), "87 45 f8")
    CASE("lock cmpxchgl %ecx, (%r8)", lock_compare_exchange(W32, {Reg::r8}, rcx), "f0 41 0f b1 08")
    CASE("testq %r8, %rbx", test(W64, rbx, r8), "4c 85 c3")
    CASE("testq $0x80, %r15", test(W64, r15, 0x80), "49 f7 c7 80 00 00 00")
    CASE("negq %r10", negate(W64, r10), "49 f7 da")
    CASE("imulq %r9, %rcx", multiply(W64, rcx, r9), "49 0f af c9")
    CASE("mulq %r10", multiply_high(W64, r10), "49 f7 e2")
    CASE("mull %edi", multiply_high(W32, rdi), "f7 e7")
    CASE("imulq $10, %rdi, %r8", multiply(W64, r8, rdi, 10), "4c 6b c7 0a")
    CASE("imulq $1000, %rdi, %rdi", multiply(W64, rdi, rdi, 1000), "48 69 ff e8 03 00 00")
    CASE("shlq $7, %r9", shift(Shift::Left, W64, r9, 7), "49 c1 e1 07")
    CASE("shlq %cl, %rsi", shift_by_cl(Shift::Left, W64, rsi), "48 d3 e6")
    CASE("shlxq %rcx, %rdi, %rax", shift_by(Shift::Left, W64, rax, rdi, rcx), "c4 e2 f1 f7 c7")
    CASE("shlxq %r15, %r8, %r12", shift_by(Shift::Left, W64, r12, r8, r15), "c4 42 81 f7 e0")
    CASE("shrq $7, %r9", shift(Shift::Right, W64, r9, 7), "49 c1 e9 07")
    CASE("shrq %cl, %rsi", shift_by_cl(Shift::Right, W64, rsi), "48 d3 ee")
    CASE("shrxq %rcx, %rdi, %rax", shift_by(Shift::Right, W64, rax, rdi, rcx), "c4 e2 f3 f7 c7")
    CASE("shrxq %r15, %r8, %r12", shift_by(Shift::Right, W64, r12, r8, r15), "c4 42 83 f7 e0")
    CASE("sarq $7, %r9", shift(Shift::Arithmetic, W64, r9, 7), "49 c1 f9 07")
    CASE("sarq %cl, %rsi", shift_by_cl(Shift::Arithmetic, W64, rsi), "48 d3 fe")
    CASE("sarxq %rcx, %rdi, %rax", shift_by(Shift::Arithmetic, W64, rax, rdi, rcx), "c4 e2 f2 f7 c7")
    CASE("sarxq %r15, %r8, %r12", shift_by(Shift::Arithmetic, W64, r12, r8, r15), "c4 42 82 f7 e0")
    CASE("divq %r9", divide(W64, r9), "49 f7 f1")
    CASE("idivq %rbx", divide_signed(W64, rbx), "48 f7 fb")
    CASE("cqto", widen_rax(W64), "48 99")
    CASE("bswapq %rdx", swap_bytes(W64, rdx), "48 0f ca")
    CASE("bswapq %r13", swap_bytes(W64, r13), "49 0f cd")
    CASE("lock addq %rsi, 8(%rdi)", lock_alu(Alu::Add, W64, {Reg::rdi, 8}, rsi), "f0 48 01 77 08")
    CASE("lock orq %rsi, 8(%rdi)", lock_alu(Alu::Or, W64, {Reg::rdi, 8}, rsi), "f0 48 09 77 08")
    CASE("lock andq %rsi, 8(%rdi)", lock_alu(Alu::And, W64, {Reg::rdi, 8}, rsi), "f0 48 21 77 08")
    CASE("lock xorq %rsi, 8(%rdi)", lock_alu(Alu::Xor, W64, {Reg::rdi, 8}, rsi), "f0 48 31 77 08")
    CASE("lock xaddq %r9, (%r13)", lock_exchange_add(W64, {Reg::r13}, r9), "f0 4d 0f c1 4d 00")
    CASE("xchgq %rax, -8(%rbp)", exchange(W64, Mem{Reg::rbp, -8}, rax), "48 87 45 f8")
    CASE("lock cmpxchgq %rcx, (%r8)", lock_compare_exchange(W64, {Reg::r8}, rcx), "f0 49 0f b1 08")
    CASE("rolw $8, %r9w", rotate_16(r9), "66 41 c1 c1 08")
    CASE("rolw $8, %ax", rotate_16(rax), "66 c1 c0 08")
    CASE("jmpq *%r10", jump(r10), "41 ff e2")
    CASE("callq *%rax", call(rax), "ff d0")
    CASE("retq", ret(), "c3")
    CASE("ud2", trap(), "0f 0b")
// clang-format on
#undef CASE
};

TEST(X86, EncodesAsLlvmDoes) {
    for (const Case& test : kCases) {
        Assembler a;
        test.emit(a);
        EXPECT_EQ(fmt::format("{:02x}", fmt::join(a.finish(), " ")), test.bytes) << test.text;
    }
}

TEST(X86, JumpsForwardAndBack) {
    Assembler a;
    const Label begin = a.label(), end = a.label();
    a.bind(begin);
    a.jump(Cond::Equal, end);
    a.jump(begin);
    a.call(end);
    a.bind(end);
    a.ret();
    EXPECT_EQ(fmt::format("{:02x}", fmt::join(a.finish(), " ")),
              "0f 84 07 00 00 00 eb f8 e8 00 00 00 00 c3");
    EXPECT_EQ(a.offset_of(end), 13u);
}

TEST(X86, JumpsBackFar) {
    Assembler a;
    const Label begin = a.label();
    a.bind(begin);
    for (int i = 0; i < 126; i++) a.ret();
    a.jump(begin);  // 128 back: the last that a byte holds
    a.jump(begin);
    const auto code = a.finish();
    EXPECT_EQ(fmt::format("{:02x}", fmt::join(code.subspan(126), " ")), "eb 80 e9 7b ff ff ff");
}

}  // namespace
}  // namespace skep::engine::x86
