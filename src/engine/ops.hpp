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

/// `insns` are valid (isa::validate()) and refer to nothing outside: wide instructions carry
/// values, except function addresses (kPseudoFunc), whose imm becomes the index of the function.
/// Helper and kfunc calls keep their numbers in Op::imm. A last Op, Invalid, follows the program.
Result<std::vector<Op>> make_ops(isa::InsnView insns);

}  // namespace skep::engine
