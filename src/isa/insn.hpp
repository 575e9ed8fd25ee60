// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// The eBPF instruction as it stands in memory and in ELF sections: RFC 9669, section 3, plus what
// Linux has added since (kernel names in comments). An instruction stays these 8 bytes everywhere;
// lddw ("wide") takes two of them. Everything here is a plain value: no ownership, no locking.
//
//     Insn add{.opcode = kAlu64 | kX | kAdd, .dst = 1, .src = 2};   // r1 += r2

namespace skep::isa {

struct Insn {
    uint8_t opcode = 0;
    uint8_t dst : 4 = 0;
    uint8_t src : 4 = 0;
    int16_t off = 0;
    int32_t imm = 0;

    bool operator==(const Insn&) const = default;

    uint8_t cls() const { return opcode & 0x07; }
    /// Arithmetic or jump operation: the high nibble (classes ALU, ALU64, JMP, JMP32).
    uint8_t operation() const { return opcode & 0xf0; }
    bool uses_src_register() const { return opcode & 0x08; }
    /// Access width and mode (classes LD, LDX, ST, STX).
    uint8_t size() const { return opcode & 0x18; }
    uint8_t mode() const { return opcode & 0xe0; }
    bool is_wide() const { return opcode == 0x18; }
    size_t slots() const { return is_wide() ? 2 : 1; }  ///< how many Insns it takes
};
static_assert(sizeof(Insn) == 8);

using InsnView = std::span<const Insn>;

inline constexpr int kMaxRegister = 10;  ///< r10 is the frame pointer, read-only
inline constexpr int kStackSize = 512;   ///< bytes a frame (MAX_BPF_STACK)
inline constexpr int kMaxFrames = 8;     ///< call depth (MAX_CALL_FRAMES)

// Classes.
inline constexpr uint8_t kLd = 0, kLdx = 1, kSt = 2, kStx = 3, kAlu = 4, kJmp = 5, kJmp32 = 6,
                         kAlu64 = 7;

// Second operand: the immediate or the src register. For kEnd: to little or to big endian.
inline constexpr uint8_t kK = 0x00, kX = 0x08, kToLe = 0x00, kToBe = 0x08;

// Arithmetic. off = 1 makes kDiv and kMod signed; off = 8, 16, 32 makes kMov sign-extending.
inline constexpr uint8_t kAdd = 0x00, kSub = 0x10, kMul = 0x20, kDiv = 0x30, kOr = 0x40,
                         kAnd = 0x50, kLsh = 0x60, kRsh = 0x70, kNeg = 0x80, kMod = 0x90,
                         kXor = 0xa0, kMov = 0xb0, kArsh = 0xc0, kEnd = 0xd0;

// Jumps. kJa in class JMP32 is gotol (offset in imm); kJcond is may_goto.
inline constexpr uint8_t kJa = 0x00, kJeq = 0x10, kJgt = 0x20, kJge = 0x30, kJset = 0x40,
                         kJne = 0x50, kJsgt = 0x60, kJsge = 0x70, kCall = 0x80, kExit = 0x90,
                         kJlt = 0xa0, kJle = 0xb0, kJslt = 0xc0, kJsle = 0xd0, kJcond = 0xe0;

// Access widths and modes.
inline constexpr uint8_t kW = 0x00, kH = 0x08, kB = 0x10, kDw = 0x18;
inline constexpr uint8_t kImm = 0x00, kAbs = 0x20, kInd = 0x40, kMem = 0x60, kMemSx = 0x80,
                         kAtomic = 0xc0;

// Atomic operations: the imm of kStx | kAtomic. kFetch may be added to kAdd, kOr, kAnd, kXor.
inline constexpr int32_t kFetch = 0x01, kXchg = 0xe1, kCmpXchg = 0xf1, kLoadAcq = 0x100,
                         kStoreRel = 0x110;

// What the 64-bit immediate of lddw means: its src field (BPF_PSEUDO_*).
inline constexpr uint8_t kPseudoImm = 0, kPseudoMapFd = 1, kPseudoMapValue = 2, kPseudoBtfId = 3,
                         kPseudoFunc = 4, kPseudoMapIdx = 5, kPseudoMapIdxValue = 6;

// What a call calls: the src field (0: a helper by number; BPF_PSEUDO_CALL; BPF_PSEUDO_KFUNC_CALL).
inline constexpr uint8_t kCallHelper = 0, kCallLocal = 1, kCallKfunc = 2;

/// Bytes that an access of this width moves.
constexpr int width_bytes(uint8_t size) {
    return size == kB ? 1 : size == kH ? 2 : size == kW ? 4 : 8;
}

/// The 64-bit immediate of the wide instruction that starts at `insns[index]`.
inline uint64_t wide_imm(InsnView insns, size_t index) {
    return uint64_t(uint32_t(insns[index].imm)) | uint64_t(uint32_t(insns[index + 1].imm)) << 32;
}

}  // namespace skep::isa
