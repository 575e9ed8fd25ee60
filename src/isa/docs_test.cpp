// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "base/testing.hpp"
#include "base/text.hpp"
#include "isa/assemble.hpp"
#include "isa/decode.hpp"
#include "isa/disasm.hpp"
#include "isa/samples.hpp"

// docs/isa.md: its table of forms is what opcode.def makes of it, and its code assembles.

namespace skep::isa {
namespace {

std::string read_page() {
    std::ifstream file(skep::testing::source_dir() / "docs/isa.md");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

/// A text with registers and values that tell its operands apart.
std::string example(const OpcodeInfo& info) {
    Insn insns[2] = {{.opcode = info.opcode}, {}};
    Insn& insn = insns[0];
    const auto is_register = [](Field field) {
        return field == Field::R || field == Field::W || field == Field::RW;
    };
    if (is_register(info.dst)) insn.dst = 1;
    if (is_register(info.src)) insn.src = 2;
    if (info.off == Field::Any) insn.off = 4;
    if (info.imm == Field::Any) insn.imm = 5;
    if (info.src == Field::Key) insn.src = static_cast<uint8_t>(info.key);
    if (info.off == Field::Key) insn.off = static_cast<int16_t>(info.key);
    if (info.imm == Field::Key) insn.imm = info.key;
    std::string text;
    append_text(text, insns, 0);
    return text;
}

/// One row a form: the text of its first instruction, the others' symbols, groups, versions.
std::string table_of_forms() {
    std::string out = "\n| text | also | group | version |\n| --- | --- | --- | --- |\n";
    std::set<Form> seen;
    for (const OpcodeInfo& first : opcodes()) {
        if (!seen.insert(first.form).second) continue;
        std::vector<std::string> symbols, groups;
        uint8_t low = 4, high = 1;
        const auto add = [](std::vector<std::string>& list, std::string_view item) {
            if (std::ranges::find(list, item) == list.end()) list.emplace_back(item);
        };
        for (const OpcodeInfo& info : opcodes()) {
            if (info.form != first.form) continue;
            if (info.symbol != first.symbol) add(symbols, info.symbol);
            add(groups, to_string(info.group));
            low = std::min(low, info.version);
            high = std::max(high, info.version);
        }
        std::string also;
        for (const std::string& symbol : symbols) also += fmt::format("`{}` ", symbol);
        // A bar ends a cell even in code.
        for (size_t at = 0; (at = also.find('|', at)) != std::string::npos; at += 2)
            also.insert(at, "\\");
        const std::string versions =
            low == high ? fmt::format("v{}", low) : fmt::format("v{} to v{}", low, high);
        out += fmt::format("| `{}` | {}| {} | {} |\n", example(first), also,
                           fmt::join(groups, ", "), versions);
    }
    return out + "\n";
}

TEST(Docs, TableOfFormsIsTheTable) {
    const std::string page = read_page();
    const size_t mark = page.find("<!-- forms");
    ASSERT_NE(mark, std::string::npos);
    const size_t begin = page.find('\n', mark) + 1;
    const size_t end = page.find("<!-- end -->", begin);
    EXPECT_EQ(page.substr(begin, end - begin), table_of_forms())
        << "put this table into docs/isa.md";
}

TEST(Docs, CodeAssembles) {
    const std::string page = read_page();
    static constexpr std::string_view kFence = "```asm\n";
    const size_t begin = page.find(kFence);
    ASSERT_NE(begin, std::string::npos);
    const size_t end = page.find("```", begin + kFence.size());
    const std::string code = page.substr(begin + kFence.size(), end - begin - kFence.size());
    const auto assembly = assemble(code);
    ASSERT_TRUE(assembly) << render(assembly.error(), code, "docs/isa.md");
    EXPECT_TRUE(validate(assembly->insns));
    EXPECT_EQ(assembly->functions.size(), 3u);
}

}  // namespace
}  // namespace skep::isa
