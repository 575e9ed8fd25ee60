// SPDX-License-Identifier: Apache-2.0
#include "isa/classic.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace skep::isa {
namespace {

constexpr auto kOpcodes = std::to_array<ClassicOpcode>({
#define CLASSIC(code, mnemonic, operand) {code, mnemonic, ClassicOperand::operand},
#include "isa/classic.def"
#undef CLASSIC
});

/// Codes are below 256 in the table: an index into it, or -1.
constexpr auto kIndex = [] {
    std::array<int8_t, 256> index{};
    index.fill(-1);
    for (size_t i = 0; i < kOpcodes.size(); ++i) index[kOpcodes[i].code] = static_cast<int8_t>(i);
    return index;
}();

template <typename... Args>
std::unexpected<Error> bad(ClassicView program, size_t index, fmt::format_string<Args...> format,
                           Args&&... args) {
    return malformed("instruction {} (0x{:02x}): {}", index, program[index].code,
                     fmt::format(format, std::forward<Args>(args)...));
}

Result<void> check_operand(ClassicView program, size_t index, ClassicOperand operand) {
    const ClassicInsn& insn = program[index];
    const bool by_constant = insn.cls() == kAlu && !insn.uses_x();
    const uint8_t operation = insn.operation();
    if (by_constant && (operation == kDiv || operation == kMod) && insn.k == 0)
        return bad(program, index, "division by zero");
    if (by_constant && (operation == kLsh || operation == kRsh) && insn.k >= 32)
        return bad(program, index, "shift by {}; A has 32 bits", insn.k);
    if (operand == ClassicOperand::Mem && insn.k >= kClassicWords)
        return bad(program, index, "M[{}] is outside memory, which is M[0] to M[15]", insn.k);
    if (operand == ClassicOperand::Abs && insn.k >= kSkfAdOff && !ancillary(insn))
        return bad(program, index, "there is no ancillary data number {}", insn.k - kSkfAdOff);
    return {};
}

Result<void> check_jumps(ClassicView program, size_t index) {
    const ClassicInsn& insn = program[index];
    const size_t behind = program.size() - index - 1;
    if (insn.is_goto() && insn.k >= behind)
        return bad(program, index, "jumps {} instructions ahead; only {} follow", insn.k, behind);
    if (insn.is_conditional() && std::max(insn.jt, insn.jf) >= behind)
        return bad(program, index, "jumps {} instructions ahead; only {} follow",
                   std::max(insn.jt, insn.jf), behind);
    return {};
}

/// Every path to a load of M[k] must have stored there. Jumps go forward only, so one pass does:
/// what is written at a target is what all who come there have written. As in the kernel, code that
/// nobody reaches may read anything.
Result<void> check_memory(ClassicView program) {
    static constexpr uint16_t kAll = 0xffff;
    std::vector<uint16_t> at_target(program.size(), kAll);
    uint16_t written = 0;
    for (size_t i = 0; i < program.size(); ++i) {
        const ClassicInsn& insn = program[i];
        written &= at_target[i];
        if (insn.cls() == kSt || insn.cls() == kStx) {
            written |= static_cast<uint16_t>(1u << insn.k);
        } else if (insn.is_goto()) {
            at_target[i + 1 + insn.k] &= written;
            written = kAll;
        } else if (insn.is_conditional()) {
            at_target[i + 1 + insn.jt] &= written;
            at_target[i + 1 + insn.jf] &= written;
            written = kAll;
        } else if (insn.mode() == kMem && (insn.cls() == kLd || insn.cls() == kLdx)) {
            if (!(written & 1u << insn.k))
                return bad(program, i, "M[{}] may be read before it is written", insn.k);
        }
    }
    return {};
}

}  // namespace

std::string_view to_string(Ancillary ancillary) {
    switch (ancillary) {
#define ANCILLARY(name, number, text) \
    case Ancillary::name: return text;
#include "isa/ancillary.def"
#undef ANCILLARY
    }
    return "";
}

std::optional<Ancillary> ancillary(const ClassicInsn& insn) {
    const bool absolute = insn.cls() == kLd && insn.mode() == kAbs && insn.size() != kDw;
    if (!absolute || insn.k < kSkfAdOff) return std::nullopt;
    const auto found = static_cast<Ancillary>(insn.k - kSkfAdOff);
    if (to_string(found).empty()) return std::nullopt;
    return found;
}

const ClassicOpcode* find_classic(uint16_t code) {
    if (code >= kIndex.size() || kIndex[code] < 0) return nullptr;
    return &kOpcodes[static_cast<size_t>(kIndex[code])];
}

Result<std::vector<ClassicInsn>> decode_classic(ByteView bytes) {
    if (bytes.size() % sizeof(ClassicInsn) != 0)
        return malformed("{} bytes are no whole number of 8-byte instructions", bytes.size());
    std::vector<ClassicInsn> program(bytes.size() / sizeof(ClassicInsn));
    if (!bytes.empty()) std::memcpy(program.data(), bytes.data(), bytes.size());
    return program;
}

Result<void> validate_classic(ClassicView program) {
    if (program.empty()) return malformed("the filter has no instructions");
    if (program.size() > kClassicMaxInsns)
        return malformed("the filter has {} instructions; {} is the most", program.size(),
                         kClassicMaxInsns);
    for (size_t i = 0; i < program.size(); ++i) {
        const ClassicOpcode* opcode = find_classic(program[i].code);
        if (!opcode) return bad(program, i, "unknown opcode");
        SKEP_TRY(check_operand(program, i, opcode->operand));
        SKEP_TRY(check_jumps(program, i));
    }
    if (!program.back().is_return())
        return bad(program, program.size() - 1, "the last instruction must be ret");
    return check_memory(program);
}

}  // namespace skep::isa
