// SPDX-License-Identifier: Apache-2.0
#include "isa/opcode.hpp"

#include <array>

namespace skep::isa {
namespace {

constexpr auto kOpcodes = std::to_array<OpcodeInfo>({
#define OPCODE(code, name, form, symbol, group, version, dst, src, off, imm, key) \
    {code,       name,       Form::form, symbol,     Group::group, version,       \
     Field::dst, Field::src, Field::off, Field::imm, key},
#include "isa/opcode.def"
#undef OPCODE
});

/// Rows of one opcode stand together: where they start, and how many there are.
struct Range {
    uint8_t begin = 0;
    uint8_t count = 0;
};

constexpr auto kRanges = [] {
    static_assert(kOpcodes.size() < 256);
    std::array<Range, 256> ranges{};
    for (size_t i = 0; i < kOpcodes.size(); ++i) {
        Range& range = ranges[kOpcodes[i].opcode];
        if (range.count++ == 0) range.begin = static_cast<uint8_t>(i);
    }
    return ranges;
}();

static_assert([] {
    for (size_t i = 0; i < kOpcodes.size(); ++i) {
        const Range range = kRanges[kOpcodes[i].opcode];
        const bool together = i >= range.begin && i < size_t(range.begin) + range.count;
        const bool key_first = kOpcodes[i].has_key() || i + 1 == size_t(range.begin) + range.count;
        if (!together || !key_first) return false;
    }
    return true;
}());

std::span<const OpcodeInfo> rows_of(uint8_t opcode) {
    const Range range = kRanges[opcode];
    return std::span(kOpcodes).subspan(range.begin, range.count);
}

}  // namespace

std::string_view to_string(Group group) {
    static constexpr std::string_view kNames[] = {"base32",   "base64",   "divmul32",
                                                  "divmul64", "atomic32", "atomic64",
                                                  "packet",   "callx",    "linux"};
    return kNames[static_cast<size_t>(group)];
}

std::span<const OpcodeInfo> opcodes() {
    return kOpcodes;
}

const OpcodeInfo* find(const Insn& insn) {
    for (const OpcodeInfo& info : rows_of(insn.opcode)) {
        if (info.matches(insn)) return &info;
    }
    return nullptr;
}

std::string_view key_field(uint8_t opcode) {
    for (const OpcodeInfo& info : rows_of(opcode)) {
        if (info.src == Field::Key) return "src";
        if (info.off == Field::Key) return "off";
        if (info.imm == Field::Key) return "imm";
    }
    return "";
}

const OpcodeInfo* find(Form form, std::string_view symbol, uint8_t mask, uint8_t bits) {
    for (const OpcodeInfo& info : kOpcodes) {
        if (info.form == form && info.symbol == symbol && (info.opcode & mask) == bits)
            return &info;
    }
    return nullptr;
}

}  // namespace skep::isa
