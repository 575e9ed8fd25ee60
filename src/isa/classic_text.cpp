// SPDX-License-Identifier: Apache-2.0
#include "isa/classic_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/text.hpp"

namespace skep::isa {
namespace {

std::string operand_text(const ClassicInsn& insn, ClassicOperand operand, size_t index) {
    const auto k = static_cast<int32_t>(insn.k);
    switch (operand) {
        case ClassicOperand::None: return "";
        case ClassicOperand::Hex: return fmt::format("#0x{:x}", insn.k);
        case ClassicOperand::Decimal: return fmt::format("#{}", k);
        case ClassicOperand::Abs:
            if (const auto found = ancillary(insn)) return fmt::format("[{}]", to_string(*found));
            return fmt::format("[{}]", k);
        case ClassicOperand::Ind: return fmt::format("[x + {}]", k);
        case ClassicOperand::Mem: return fmt::format("M[{}]", k);
        case ClassicOperand::Msh: return fmt::format("4*([{}]&0xf)", k);
        case ClassicOperand::Len: return "#pktlen";
        case ClassicOperand::X: return "x";
        case ClassicOperand::Target:
            return fmt::format("{}",
                               static_cast<int32_t>(static_cast<uint32_t>(index) + 1 + insn.k));
    }
    return "";
}

void append_line(std::string& out, const ClassicInsn& insn, size_t index) {
    const ClassicOpcode* opcode = find_classic(insn.code);
    const std::string operand =
        opcode ? operand_text(insn, opcode->operand, index) : fmt::format("0x{:x}", insn.code);
    const std::string_view mnemonic = opcode ? opcode->mnemonic : "unimp";
    auto to = std::back_inserter(out);
    if (insn.is_conditional())
        fmt::format_to(to, "({:03}) {:<8} {:<16} jt {}\tjf {}\n", index, mnemonic, operand,
                       index + 1 + insn.jt, index + 1 + insn.jf);
    else
        fmt::format_to(to, "({:03}) {:<8} {}\n", index, mnemonic, operand);
}

/// The next number of the text, with what separates it from the one before taken off.
Result<uint32_t> take_number(std::string_view& text, uint32_t max, std::string_view what) {
    static constexpr std::string_view kSeparators = " \t\r\n,";
    text.remove_prefix(std::min(text.find_first_not_of(kSeparators), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(kSeparators));
    if (word.empty()) return malformed("the text ends where {} should be", what);
    text.remove_prefix(word.size());
    const auto number = parse_uint(word);
    if (!number || *number > max)
        return malformed("{} must be a number from 0 to {}, not '{}'", what, max, printable(word));
    return static_cast<uint32_t>(*number);
}

Result<ClassicInsn> take_insn(std::string_view& text) {
    ClassicInsn insn;
    insn.code = static_cast<uint16_t>(SKEP_TRY(take_number(text, UINT16_MAX, "the opcode")));
    insn.jt = static_cast<uint8_t>(SKEP_TRY(take_number(text, UINT8_MAX, "jt")));
    insn.jf = static_cast<uint8_t>(SKEP_TRY(take_number(text, UINT8_MAX, "jf")));
    insn.k = SKEP_TRY(take_number(text, UINT32_MAX, "k"));
    return insn;
}

}  // namespace

std::string classic_text(ClassicView program, ClassicStyle style) {
    std::string out;
    auto to = std::back_inserter(out);
    if (style == ClassicStyle::Decimal) fmt::format_to(to, "{}\n", program.size());
    for (size_t i = 0; i < program.size(); ++i) {
        const ClassicInsn& insn = program[i];
        switch (style) {
            case ClassicStyle::Text: append_line(out, insn, i); break;
            case ClassicStyle::C:
                fmt::format_to(to, "{{ 0x{:x}, {}, {}, 0x{:08x} }},\n", insn.code, insn.jt, insn.jf,
                               insn.k);
                break;
            case ClassicStyle::Decimal:
                fmt::format_to(to, "{} {} {} {}\n", insn.code, insn.jt, insn.jf, insn.k);
                break;
        }
    }
    return out;
}

Result<std::vector<ClassicInsn>> parse_classic(std::string_view text) {
    const uint32_t count = SKEP_TRY(
        take_number(text, kClassicMaxInsns, "the number of instructions, which comes first,"));
    std::vector<ClassicInsn> program;
    for (uint32_t i = 0; i < count; ++i) {
        auto insn = take_insn(text);
        if (!insn)
            return std::unexpected(std::move(insn).error().in(fmt::format("instruction {}", i)));
        program.push_back(*insn);
    }
    if (const std::string_view rest = trim(text); !rest.empty() && rest != ",")
        return malformed("more than the {} instructions that the first line says", count);
    return program;
}

}  // namespace skep::isa
