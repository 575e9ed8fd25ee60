// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "isa/insn.hpp"

// The table of legal instructions (opcode.def) as data. Decoder, printer, assembler and the
// reference in docs/ all read it, so an instruction is known to all of them or to none:
//
//     const OpcodeInfo* info = find(insn);           // null: no such instruction
//     if (info && info->group == Group::Packet) ...
//
// Constant data, safe from any thread.

namespace skep::isa {

/// Conformance groups of RFC 9669, section 2.4; what the RFC does not have is Linux or Callx.
enum class Group : uint8_t {
    Base32,
    Base64,
    Divmul32,
    Divmul64,
    Atomic32,
    Atomic64,
    Packet,
    Callx,
    Linux,
};
std::string_view to_string(Group group);

/// The shape of an instruction's text; one parser and one printer each.
enum class Form : uint8_t {
    Alu,            ///< r1 += r2; r1 = 0x5
    MovSx,          ///< r1 = (s8)r2
    AddrSpaceCast,  ///< r1 = addr_space_cast(r2, 0x0, 0x1)
    Neg,            ///< r1 = -r1
    End,            ///< r1 = be16 r1
    Jump,           ///< if r1 s> r2 goto +0x3
    Ja,             ///< goto +0x3; may_goto +0x3
    Gotol,          ///< gotol +0x3
    CallHelper,     ///< call 0x1
    CallLocal,      ///< call +0x1; call -0x5
    CallKfunc,      ///< call kfunc 0x1234
    Callx,          ///< callx r1
    Exit,           ///< exit
    Load,           ///< r1 = *(u32 *)(r2 + 0x4)
    StoreImm,       ///< *(u32 *)(r1 + 0x4) = 0x5
    StoreReg,       ///< *(u32 *)(r1 + 0x4) = r2
    Lock,           ///< lock *(u64 *)(r1 + 0x0) += r2
    Fetch,          ///< r2 = atomic_fetch_add((u64 *)(r1 + 0x0), r2)
    Xchg,           ///< r2 = xchg_64(r1 + 0x0, r2)
    CmpXchg,        ///< r0 = cmpxchg_64(r1 + 0x0, r0, r2)
    LoadAcquire,    ///< r1 = load_acquire((u64 *)(r2 + 0x0))
    StoreRelease,   ///< store_release((u64 *)(r1 + 0x0), r2)
    LdImm64,        ///< r1 = 0x123456789 ll
    LdPseudo,       ///< ld_pseudo r1, 0x1, 0x5
    SkbAbs,         ///< r0 = *(u16 *)skb[0xc]
    SkbInd,         ///< r0 = *(u8 *)skb[r7]
};

/// What a field of an instruction may hold.
enum class Field : uint8_t {
    No,   ///< nothing: it must be zero
    R,    ///< a register that is read
    W,    ///< a register that is written (r10 is not allowed)
    RW,   ///< a register that is read and written
    Any,  ///< a value
    Key,  ///< OpcodeInfo::key: it selects this form among those of the same opcode
};

struct OpcodeInfo {
    uint8_t opcode;
    std::string_view name;  ///< unique, e.g. "add64_imm"
    Form form;
    std::string_view symbol;
    Group group;
    uint8_t version;  ///< 1 to 4
    Field dst;
    Field src;
    Field off;
    Field imm;
    int32_t key;

    constexpr bool matches(const Insn& insn) const {
        return (src != Field::Key || insn.src == key) && (off != Field::Key || insn.off == key) &&
               (imm != Field::Key || insn.imm == key);
    }
    constexpr bool has_key() const {
        return src == Field::Key || off == Field::Key || imm == Field::Key;
    }
};

/// Every row of opcode.def, in its order.
std::span<const OpcodeInfo> opcodes();

/// The form of this instruction, or null where there is none: an unknown opcode, or a value in the
/// field that selects the form which no form has. Fields that must be zero are not looked at.
const OpcodeInfo* find(const Insn& insn);

/// The field that selects among the forms of this opcode ("imm", "src"), "" where none does or the
/// opcode is unknown.
std::string_view key_field(uint8_t opcode);

/// The row with this form and symbol whose opcode has `bits` under `mask`, or null.
const OpcodeInfo* find(Form form, std::string_view symbol, uint8_t mask = 0, uint8_t bits = 0);

}  // namespace skep::isa
