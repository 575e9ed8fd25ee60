// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "isa/insn.hpp"

// From untrusted bytes to instructions that are safe to look at. Decoding is a copy; validate() is
// what makes a program's structure trustworthy: afterwards every opcode is known, every field that
// must be zero is, every register exists, every wide instruction has its second half, and every
// jump lands on an instruction.
//
//     std::vector<Insn> insns = SKEP_TRY(decode(section_bytes));
//     SKEP_TRY(validate(insns));
//
// Errors name the instruction and the field: "instruction 12 (0x07): dst is r10, which is
// read-only". The rules are RFC 9669's and those that kernel/bpf/verifier.c of Linux 6.12 applies
// without following the program ("... uses reserved fields"). Shifts by more than the width are
// legal here: the RFC masks them, and only the kernel's verifier refuses constant ones.
//
// Pure functions, safe from any thread.

namespace skep::isa {

/// Little-endian instructions, as in an ELF section. The length must be a multiple of 8.
Result<std::vector<Insn>> decode(ByteView bytes);

/// The inverse.
Bytes encode(InsnView insns);

/// The instruction that starts at `index`, alone: opcode, fields, registers, both halves of a wide
/// one. Where it jumps to is not looked at.
Result<void> check(InsnView insns, size_t index);

/// The whole program: each instruction, targets of jumps and calls, and that execution cannot run
/// off the end.
Result<void> validate(InsnView insns);

/// Where a jump of any kind (not a call) goes when it is taken; nothing for other instructions.
std::optional<int64_t> jump_target(const Insn& insn, size_t index);

/// The function that this instruction calls or takes the address of, where it is the program's own.
std::optional<int64_t> function_target(const Insn& insn, size_t index);

}  // namespace skep::isa
