// SPDX-License-Identifier: Apache-2.0
#include "isa/decode.hpp"

#include <cstring>

#include "isa/opcode.hpp"

namespace skep::isa {
namespace {

template <typename... Args>
std::unexpected<Error> bad(const Insn& insn, size_t index, fmt::format_string<Args...> format,
                           Args&&... args) {
    return malformed("instruction {} (0x{:02x}): {}", index, insn.opcode,
                     fmt::format(format, std::forward<Args>(args)...));
}

std::unexpected<Error> no_such_form(const Insn& insn, size_t index) {
    const std::string_view key = key_field(insn.opcode);
    if (key.empty()) return bad(insn, index, "unknown opcode");
    if (key == "src")
        return bad(insn, index, "src {} selects no form of this opcode", uint8_t(insn.src));
    return bad(insn, index, "imm 0x{:x} selects no form of this opcode",
               static_cast<uint32_t>(insn.imm));
}

Result<void> check_register(const Insn& insn, size_t index, std::string_view name, uint8_t value,
                            Field use) {
    switch (use) {
        case Field::No:
            if (value != 0) return bad(insn, index, "{} must be zero, is {}", name, value);
            break;
        case Field::W:
        case Field::RW:
            if (value == kMaxRegister)
                return bad(insn, index, "{} is r10, which is read-only", name);
            [[fallthrough]];
        case Field::R:
            if (value > kMaxRegister)
                return bad(insn, index, "{} is register {}; there are r0 to r10", name, value);
            break;
        case Field::Any:
        case Field::Key: break;
    }
    return {};
}

std::unexpected<Error> unused_imm(const Insn& insn, size_t index, const OpcodeInfo& info) {
    auto error = bad(insn, index, "imm must be zero, is {}", int32_t(insn.imm));
    if (info.form == Form::Callx)
        error.error().hint =
            "clang before 19 puts the register of callx there; compile with clang 19 or later";
    return error;
}

/// May the second half's imm be non-zero? Linux: resolve_pseudo_ldimm64(), check_pseudo_btf_id().
bool second_imm_is_used(uint8_t pseudo) {
    switch (pseudo) {
        case kPseudoImm:
        case kPseudoMapValue:     // offset into the value
        case kPseudoMapIdxValue:  // likewise
        case kPseudoBtfId:        // fd of the module's BTF
            return true;
        default: return false;
    }
}

Result<void> check_second_half(InsnView insns, size_t index) {
    const Insn& insn = insns[index];
    if (index + 1 == insns.size())
        return bad(insn, index, "the second half of this wide instruction is missing");
    const Insn& half = insns[index + 1];
    if (half.opcode != 0 || half.dst != 0 || half.src != 0 || half.off != 0)
        return bad(insn, index, "the second half may use only imm; its opcode is 0x{:02x}",
                   half.opcode);
    if (half.imm != 0 && !second_imm_is_used(insn.src))
        return bad(insn, index, "imm of the second half must be zero, is {}", int32_t(half.imm));
    return {};
}

/// Second halves have opcode 0 (checked above), so whatever follows an lddw opcode is one.
bool is_second_half(InsnView insns, size_t index) {
    return index > 0 && insns[index - 1].is_wide();
}

Result<void> check_target(InsnView insns, size_t index, int64_t target, std::string_view verb) {
    if (target < 0 || target >= static_cast<int64_t>(insns.size()))
        return bad(insns[index], index, "{} instruction {}, outside the program (0 to {})", verb,
                   target, insns.size() - 1);
    if (is_second_half(insns, static_cast<size_t>(target)))
        return bad(insns[index], index, "{} instruction {}, the second half of a wide instruction",
                   verb, target);
    return {};
}

/// Does execution never continue at the next instruction?
bool ends_path(const Insn& insn) {
    return insn.opcode == (kJmp | kExit) || insn.opcode == (kJmp | kJa) ||
           insn.opcode == (kJmp32 | kJa);
}

}  // namespace

Result<std::vector<Insn>> decode(ByteView bytes) {
    if (bytes.size() % sizeof(Insn) != 0)
        return malformed("{} bytes are no whole number of 8-byte instructions", bytes.size());
    std::vector<Insn> insns(bytes.size() / sizeof(Insn));
    if (!bytes.empty()) std::memcpy(insns.data(), bytes.data(), bytes.size());
    return insns;
}

Bytes encode(InsnView insns) {
    const auto* begin = reinterpret_cast<const uint8_t*>(insns.data());
    return {begin, begin + insns.size_bytes()};
}

Result<void> check(InsnView insns, size_t index) {
    const Insn& insn = insns[index];
    const OpcodeInfo* info = find(insn);
    if (!info) return no_such_form(insn, index);
    SKEP_TRY(check_register(insn, index, "dst", insn.dst, info->dst));
    SKEP_TRY(check_register(insn, index, "src", insn.src, info->src));
    if (info->off == Field::No && insn.off != 0)
        return bad(insn, index, "off must be zero, is {}", int16_t(insn.off));
    if (info->imm == Field::No && insn.imm != 0) return unused_imm(insn, index, *info);
    if (insn.is_wide()) return check_second_half(insns, index);
    return {};
}

Result<void> validate(InsnView insns) {
    if (insns.empty()) return malformed("the program has no instructions");
    for (size_t i = 0; i < insns.size(); i += insns[i].slots()) SKEP_TRY(check(insns, i));
    for (size_t i = 0; i < insns.size(); i += insns[i].slots()) {
        if (const auto target = jump_target(insns[i], i))
            SKEP_TRY(check_target(insns, i, *target, "jumps to"));
        if (const auto target = function_target(insns[i], i))
            SKEP_TRY(check_target(insns, i, *target, "refers to"));
    }
    if (!ends_path(insns.back()))
        return bad(insns.back(), insns.size() - 1,
                   "execution runs off the end; the last instruction must be exit or goto");
    return {};
}

std::optional<int64_t> jump_target(const Insn& insn, size_t index) {
    const auto next = static_cast<int64_t>(index) + 1;
    if (insn.opcode == (kJmp32 | kJa)) return next + insn.imm;
    const bool jump_class = insn.cls() == kJmp || insn.cls() == kJmp32;
    if (!jump_class || insn.operation() == kCall || insn.operation() == kExit) return std::nullopt;
    return next + insn.off;
}

std::optional<int64_t> function_target(const Insn& insn, size_t index) {
    const bool call = insn.opcode == (kJmp | kCall) && insn.src == kCallLocal;
    const bool address = insn.is_wide() && insn.src == kPseudoFunc;
    if (!call && !address) return std::nullopt;
    return static_cast<int64_t>(index) + 1 + insn.imm;
}

}  // namespace skep::isa
