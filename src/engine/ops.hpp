// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "engine/prog.hpp"
#include "isa/insn.hpp"

// From instructions to what the interpreter runs. One Op an instruction, at the same index, with
// all that can be decided beforehand decided: immediates extended, jump distances made plain,
// 32-bit forms and endianness chosen, stack accesses at constant offsets found to be inside the
// frame.

namespace skep::engine {

enum class OpCode : uint16_t {
#define OP(name) name,
#include "engine/opcodes.def"
#undef OP
};

/// How many there are. A code that is so much higher does the same, after the execution's observer
/// has been told (Object::Options::traced).
inline constexpr uint16_t kOpCodes = 0
#define OP(name) +1
#include "engine/opcodes.def"
#undef OP
    ;
inline OpCode code_of(const Op& op) {
    return OpCode(op.code < kOpCodes ? op.code : op.code - kOpCodes);
}

/// From a conditional jump to the backward one.
inline constexpr uint16_t kBackForms = 4;

/// Loads, stores and atomic operations that are checked.
inline bool is_checked_access(OpCode code) {
    return code >= OpCode::LoadB && code <= OpCode::CmpXchgDW;
}
inline bool is_checked_load(OpCode code) {
    return code >= OpCode::LoadB && code <= OpCode::LoadSxW;
}
inline bool is_checked_atomic(OpCode code) {
    return code >= OpCode::LoadAcquireB && code <= OpCode::CmpXchgDW;
}
/// The same access without a check.
OpCode plain(OpCode checked);

/// `insns` are valid (isa::validate()) and refer to nothing outside: wide instructions carry
/// values, except function addresses (kPseudoFunc), whose imm becomes the index of the function.
/// Helper and kfunc calls keep their numbers in Op::imm. A last Op, Invalid, follows the program.
Result<std::vector<Op>> make_ops(isa::InsnView insns);

}  // namespace skep::engine
