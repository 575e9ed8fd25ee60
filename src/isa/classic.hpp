// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "isa/insn.hpp"

// Classic BPF, the filter language of tcpdump, SO_ATTACH_FILTER and seccomp: an accumulator A, an
// index register X, 16 words of memory M, forward jumps. It shares its opcodes' layout with eBPF
// (kLd, kAlu, kJeq, ... of insn.hpp), with classes 6 and 7 being return and "misc".
//
//     std::vector<ClassicInsn> filter = SKEP_TRY(parse_classic(text));    // classic_text.hpp
//     SKEP_TRY(validate_classic(filter));
//     std::vector<Insn> insns = SKEP_TRY(classic_to_ebpf(filter));        // classic_to_ebpf.hpp
//
// Rules: bpf_check_classic() of net/core/filter.c, Linux 6.12. Pure functions on plain values.

namespace skep::isa {

// What only classic BPF has of classes and load modes.
inline constexpr uint8_t kRet = 6, kMisc = 7, kLen = 0x80, kMsh = 0xa0;

/// As in memory: struct sock_filter of Linux, struct bpf_insn of libpcap.
struct ClassicInsn {
    uint16_t code = 0;
    uint8_t jt = 0;
    uint8_t jf = 0;
    uint32_t k = 0;

    bool operator==(const ClassicInsn&) const = default;

    uint8_t cls() const { return code & 0x07; }
    uint8_t operation() const { return code & 0xf0; }
    uint8_t size() const { return code & 0x18; }
    uint8_t mode() const { return code & 0xe0; }
    bool uses_x() const { return code & 0x08; }
    bool is_conditional() const { return cls() == kJmp && operation() != kJa; }
    bool is_goto() const { return cls() == kJmp && operation() == kJa; }
    bool is_return() const { return cls() == kRet; }
};
static_assert(sizeof(ClassicInsn) == 8);

using ClassicView = std::span<const ClassicInsn>;

inline constexpr size_t kClassicMaxInsns = 4096;  ///< BPF_MAXINSNS
inline constexpr uint32_t kClassicWords = 16;     ///< of scratch memory: BPF_MEMWORDS

/// Loads from here on read the socket buffer's fields, the network and the link layer header.
inline constexpr uint32_t kSkfAdOff = 0xfffff000, kSkfNetOff = 0xfff00000, kSkfLlOff = 0xffe00000;

enum class Ancillary : uint32_t {
#define ANCILLARY(name, number, text) name = number,
#include "isa/ancillary.def"
#undef ANCILLARY
};

/// tcpdump's name: "vlan_tci".
std::string_view to_string(Ancillary ancillary);

/// What this instruction asks for where it is an absolute load at kSkfAdOff and on; the width of
/// the load does not matter. Nothing for other instructions and unknown numbers.
std::optional<Ancillary> ancillary(const ClassicInsn& insn);

/// How tcpdump -d writes an operand.
enum class ClassicOperand : uint8_t {
    None,
    Hex,      ///< #0x800
    Decimal,  ///< #-1
    Abs,      ///< [12]
    Ind,      ///< [x + 14]
    Mem,      ///< M[3]
    Msh,      ///< 4*([14]&0xf)
    Len,      ///< #pktlen
    X,        ///< x
    Target,   ///< 7
};

struct ClassicOpcode {
    uint16_t code;
    std::string_view mnemonic;
    ClassicOperand operand;
};

/// The row of classic.def with this code, or null.
const ClassicOpcode* find_classic(uint16_t code);

/// Host byte order. The length must be a multiple of 8.
Result<std::vector<ClassicInsn>> decode_classic(ByteView bytes);

/// Whether the kernel would take it: known instructions, jumps inside the program, memory inside
/// and written before it is read, no division by constant zero or shift by constant 32 and more,
/// a return at the end. Errors name the instruction: "instruction 3 (0x34): division by zero".
Result<void> validate_classic(ClassicView program);

}  // namespace skep::isa
