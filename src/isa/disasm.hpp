// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "isa/insn.hpp"

// eBPF as text: what llvm-objdump-19 -d prints, and what clang's assembler and assemble() read.
//
//     std::string text;
//     append_text(text, insns, 0);              // "r0 = *(u32 *)(r1 + 0x4)"
//
// Where that tool prints the same text for different instructions, or "<unknown>", this goes on:
//   - 32-bit atomics other than += are written as it does with --mcpu=v3
//   - a call into the program itself has a sign, as a goto has: "call +0x2", "call -0x7"
//     ("call 0x2" is helper 2), and a kernel function is "call kfunc 0x1d2" or, with a module's
//     BTF, "call kfunc 0x1d2, 0x1"
//   - ld_pseudo shows all 64 bits: "ld_pseudo r1, 0x2, 0x1000000005" is byte 0x10 of map fd 5
//   - legacy indirect loads show their constant: "r0 = *(u8 *)skb[r7 + 0x4]"
//   - load_acquire and store_release are written as LLVM 20 does
//
// Total functions: an instruction that check() refuses prints as "<unknown>", never as another one.

namespace skep::isa {

/// Appends the text of the instruction that starts at `index`. Returns how many slots it takes: 2
/// for a wide one, 1 for all others and for "<unknown>".
size_t append_text(std::string& out, InsnView insns, size_t index);

/// A remark on the instruction at this index, such as the name of a helper or map; may be empty.
using Remark = std::function<std::string(size_t index)>;

/// The whole program, one instruction a line:
///
///        0:	r1 = 0x0 ll  # map counts
std::string listing(InsnView insns, const Remark& remark = {});

}  // namespace skep::isa
