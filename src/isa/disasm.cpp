// SPDX-License-Identifier: Apache-2.0
#include "isa/disasm.hpp"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

#include "isa/decode.hpp"
#include "isa/opcode.hpp"

namespace skep::isa {
namespace {

// The parts that texts are made of; put() appends any sequence of them.

/// Hex as LLVM's formatHex() writes it: the sign, then the magnitude.
struct Hex {
    int64_t value;
};

/// The same with a plus for what is not negative: distances.
struct Distance {
    int64_t value;
};

struct Unsigned {
    uint64_t value;
};

struct Reg {
    char prefix;  ///< 'r', or 'w' for its lower half
    uint8_t number;
};

/// "(r1 + 0x4)", without the parentheses.
struct Address {
    uint8_t base;
    int16_t off;
};

void put(std::string& out, std::string_view text) {
    out += text;
}

void put(std::string& out, Unsigned number) {
    char digits[16];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number.value, 16).ptr;
    out += "0x";
    out.append(digits, end);
}

void put(std::string& out, Hex number) {
    const auto bits = static_cast<uint64_t>(number.value);
    if (number.value < 0) out += '-';
    put(out, Unsigned{number.value < 0 ? 0 - bits : bits});
}

void put(std::string& out, Distance number) {
    if (number.value >= 0) out += '+';
    put(out, Hex{number.value});
}

void put(std::string& out, Reg reg) {
    out += reg.prefix;
    out += reg.number < 10 ? "" : "1";
    out += static_cast<char>('0' + reg.number % 10);
}

void put(std::string& out, Address address) {
    put(out, Reg{'r', address.base});
    out += address.off < 0 ? " - " : " + ";
    put(out, Unsigned{static_cast<uint64_t>(std::abs(int{address.off}))});
}

template <typename... Parts>
    requires(sizeof...(Parts) > 1)
void put(std::string& out, Parts... parts) {
    (put(out, parts), ...);
}

/// Does this form show the lower half of its value registers? See disasm.hpp for the odd one.
char register_prefix(const Insn& insn, const OpcodeInfo& info) {
    switch (info.form) {
        case Form::Alu:
        case Form::MovSx:
        case Form::Neg:
        case Form::Jump: return insn.cls() == kAlu || insn.cls() == kJmp32 ? 'w' : 'r';
        case Form::Lock: return insn.size() == kW && info.symbol != "+=" ? 'w' : 'r';
        case Form::Fetch:
        case Form::Xchg:
        case Form::CmpXchg:
        case Form::LoadAcquire:
        case Form::StoreRelease: return insn.size() == kDw ? 'r' : 'w';
        default: return 'r';
    }
}

std::string_view memory_type(uint8_t size) {
    return size == kB ? "u8" : size == kH ? "u16" : size == kW ? "u32" : "u64";
}

void append_call_kfunc(std::string& out, const Insn& insn) {
    put(out, "call kfunc ", Unsigned{static_cast<uint32_t>(insn.imm)});
    if (insn.off != 0) put(out, ", ", Hex{insn.off});
}

void append_packet_load(std::string& out, const Insn& insn, const OpcodeInfo& info) {
    put(out, "r0 = *(", info.symbol, " *)skb[");
    if (info.form == Form::SkbAbs) {
        put(out, Hex{insn.imm});
    } else {
        put(out, Reg{'r', insn.src});
        if (insn.imm != 0)
            put(out, insn.imm < 0 ? " - " : " + ",
                Unsigned{static_cast<uint64_t>(std::abs(int64_t{insn.imm}))});
    }
    put(out, "]");
}

void append_atomic(std::string& out, const Insn& insn, const OpcodeInfo& info) {
    const char prefix = register_prefix(insn, info);
    const Reg value{prefix, insn.src};
    const Address address{insn.dst, insn.off};
    const std::string_view type = memory_type(insn.size());
    switch (info.form) {
        case Form::Lock:
            return put(out, "lock *(", type, " *)(", address, ") ", info.symbol, " ", value);
        case Form::Fetch:
            return put(out, value, " = ", info.symbol, "((", type, " *)(", address, "), ", value,
                       ")");
        case Form::Xchg: return put(out, value, " = ", info.symbol, "(", address, ", ", value, ")");
        case Form::CmpXchg:
            return put(out, Reg{prefix, 0}, " = ", info.symbol, "(", address, ", ", Reg{prefix, 0},
                       ", ", value, ")");
        case Form::LoadAcquire:
            return put(out, Reg{prefix, insn.dst}, " = load_acquire((", type, " *)(",
                       Address{insn.src, insn.off}, "))");
        default: return put(out, "store_release((", type, " *)(", address, "), ", value, ")");
    }
}

void append_known(std::string& out, InsnView insns, size_t index, const OpcodeInfo& info) {
    const Insn& insn = insns[index];
    const char prefix = register_prefix(insn, info);
    const Reg dst{prefix, insn.dst};
    const Reg src{prefix, insn.src};
    const auto put_operand = [&] {
        insn.uses_src_register() ? put(out, src) : put(out, Hex{insn.imm});
    };
    switch (info.form) {
        case Form::Alu: put(out, dst, " ", info.symbol, " "); return put_operand();
        case Form::MovSx: return put(out, dst, " = (", info.symbol, ")", src);
        case Form::AddrSpaceCast: {
            const auto spaces = static_cast<uint32_t>(insn.imm);
            return put(out, dst, " = addr_space_cast(", src, ", ", Unsigned{spaces >> 16}, ", ",
                       Unsigned{spaces & 0xffff}, ")");
        }
        case Form::Neg: return put(out, dst, " = -", dst);
        case Form::End: return put(out, dst, " = ", info.symbol, " ", dst);
        case Form::Jump:
            put(out, "if ", dst, " ", info.symbol, " ");
            put_operand();
            return put(out, " goto ", Distance{insn.off});
        case Form::Ja: return put(out, info.symbol, " ", Distance{insn.off});
        case Form::Gotol: return put(out, info.symbol, " ", Distance{insn.imm});
        case Form::CallHelper: return put(out, "call ", Unsigned{static_cast<uint32_t>(insn.imm)});
        case Form::CallLocal: return put(out, "call ", Distance{insn.imm});
        case Form::CallKfunc: return append_call_kfunc(out, insn);
        case Form::Callx: return put(out, "callx ", dst);
        case Form::Exit: return put(out, "exit");
        case Form::Load:
            return put(out, dst, " = *(", info.symbol, " *)(", Address{insn.src, insn.off}, ")");
        case Form::StoreImm:
            return put(out, "*(", info.symbol, " *)(", Address{insn.dst, insn.off},
                       ") = ", Hex{insn.imm});
        case Form::StoreReg:
            return put(out, "*(", info.symbol, " *)(", Address{insn.dst, insn.off}, ") = ", src);
        case Form::Lock:
        case Form::Fetch:
        case Form::Xchg:
        case Form::CmpXchg:
        case Form::LoadAcquire:
        case Form::StoreRelease: return append_atomic(out, insn, info);
        case Form::LdImm64:
            return put(out, dst, " = ", Hex{static_cast<int64_t>(wide_imm(insns, index))}, " ll");
        case Form::LdPseudo:
            return put(out, "ld_pseudo ", dst, ", ", Unsigned{insn.src}, ", ",
                       Unsigned{wide_imm(insns, index)});
        case Form::SkbAbs:
        case Form::SkbInd: return append_packet_load(out, insn, info);
    }
}

}  // namespace

size_t append_text(std::string& out, InsnView insns, size_t index) {
    if (!check(insns, index)) {
        put(out, "<unknown>");
        return 1;
    }
    append_known(out, insns, index, *find(insns[index]));
    return insns[index].slots();
}

std::string listing(InsnView insns, const Remark& remark) {
    std::string out;
    for (size_t i = 0; i < insns.size();) {
        fmt::format_to(std::back_inserter(out), "{:8}:\t", i);
        const size_t slots = append_text(out, insns, i);
        if (const std::string text = remark ? remark(i) : ""; !text.empty()) put(out, "  # ", text);
        out += '\n';
        i += slots;
    }
    return out;
}

}  // namespace skep::isa
