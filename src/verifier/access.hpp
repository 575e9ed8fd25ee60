// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "verifier/analysis.hpp"

// Loads and stores. Analysis::check_mem_access() is the door; what it asks of each kind of memory
// is in access.cpp (all but the stack) and stack_access.cpp.

namespace skep::verifier {

/// The instructions: LDX, STX, ST, atomics, legacy packet loads.
bool check_load(Analysis& a, const isa::Insn& insn);
bool check_store_reg(Analysis& a, const isa::Insn& insn);
bool check_store_imm(Analysis& a, const isa::Insn& insn);
bool check_atomic(Analysis& a, const isa::Insn& insn);
bool check_legacy_load(Analysis& a, const isa::Insn& insn);

/// The same instruction may not be used with pointers that must be rewritten in different ways.
bool save_pointer_type(Analysis& a, RegType type, bool allow_trust_mismatch);

bool check_stack_access(Analysis& a, int regno, int off, int size, AccessType type,
                        int value_regno);

/// "(0x0; 0xff)", as the kernel prints a number's known bits; "0x5" of a constant is "5".
std::string to_string(Tnum bits);

}  // namespace skep::verifier
