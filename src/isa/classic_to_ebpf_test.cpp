// SPDX-License-Identifier: Apache-2.0
#include "isa/classic_to_ebpf.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.hpp"
#include "isa/decode.hpp"
#include "isa/disasm.hpp"

namespace skep::isa {
namespace {

using ::testing::HasSubstr;

constexpr ClassicInsn kReturnA{.code = 0x16};

std::vector<std::string> translate(const std::vector<ClassicInsn>& program) {
    const auto insns = classic_to_ebpf(program, {.hatype = 772});
    EXPECT_TRUE(insns) << insns.error().message;
    if (!insns) return {};
    EXPECT_TRUE(validate(*insns));
    std::vector<std::string> lines;
    for (size_t i = 0; i < insns->size();) {
        lines.emplace_back();
        i += append_text(lines.back(), *insns, i);
    }
    return lines;
}

/// What stands between the prologue and the exit that "ret A" becomes, "; " between instructions.
std::string translate_one(const ClassicInsn& insn) {
    std::vector<ClassicInsn> program;
    // M[k] must have been written, and a jump of up to two needs something to land on.
    const bool loads_memory = (insn.code & ~1) == 0x60;
    if (loads_memory) program.push_back({.code = 0x02, .k = insn.k});
    program.push_back(insn);
    for (int i = 0; i < 3; ++i) program.push_back(kReturnA);
    const std::vector<std::string> lines = translate(program);
    std::string text;
    for (size_t i = loads_memory ? 4 : 3; i < lines.size(); ++i) text += lines[i] + "; ";
    // The returns behind it.
    while (text.ends_with("exit; ")) text.resize(text.size() - 6);
    return text.empty() ? text : text.substr(0, text.size() - 2);
}

TEST(ClassicToEbpf, EachInstruction) {
    const auto anc = [](Ancillary what) { return kSkfAdOff + static_cast<uint32_t>(what); };
    const std::pair<ClassicInsn, std::string_view> cases[] = {
        {{.code = 0x00, .k = 7}, "w0 = 0x7"},
        {{.code = 0x01, .k = UINT32_MAX}, "w7 = -0x1"},
        {{.code = 0x20, .k = 12}, "r0 = *(u32 *)skb[0xc]"},
        {{.code = 0x28, .k = 12}, "r0 = *(u16 *)skb[0xc]"},
        {{.code = 0x30, .k = 12}, "r0 = *(u8 *)skb[0xc]"},
        {{.code = 0x30, .k = kSkfNetOff + 9}, "r0 = *(u8 *)skb[-0xffff7]"},
        {{.code = 0x40, .k = 14}, "r0 = *(u32 *)skb[r7 + 0xe]"},
        {{.code = 0x48, .k = 14}, "r0 = *(u16 *)skb[r7 + 0xe]"},
        {{.code = 0x50}, "r0 = *(u8 *)skb[r7]"},
        {{.code = 0x60, .k = 3}, "r0 = *(u32 *)(r10 - 0x34)"},
        {{.code = 0x61, .k = 0}, "r7 = *(u32 *)(r10 - 0x40)"},
        {{.code = 0x80}, "r0 = *(u32 *)(r6 + 0x0)"},
        {{.code = 0x81}, "r7 = *(u32 *)(r6 + 0x0)"},
        {{.code = 0xb1, .k = 14},
         "w8 = w0; r0 = *(u8 *)skb[0xe]; w0 &= 0xf; w0 <<= 0x2; w7 = w0; w0 = w8"},
        {{.code = 0x02, .k = 15}, "*(u32 *)(r10 - 0x4) = r0"},
        {{.code = 0x03, .k = 0}, "*(u32 *)(r10 - 0x40) = r7"},
        {{.code = 0x07}, "w7 = w0"},
        {{.code = 0x87}, "w0 = w7"},
        {{.code = 0x04, .k = 5}, "w0 += 0x5"},
        {{.code = 0x0c}, "w0 += w7"},
        {{.code = 0x14, .k = 5}, "w0 -= 0x5"},
        {{.code = 0x24, .k = 5}, "w0 *= 0x5"},
        {{.code = 0x34, .k = 5}, "w0 /= 0x5"},
        {{.code = 0x3c}, "if w7 != 0x0 goto +0x2; w0 = 0x0; exit; w0 /= w7"},
        {{.code = 0x94, .k = 5}, "w0 %= 0x5"},
        {{.code = 0x9c}, "if w7 != 0x0 goto +0x2; w0 = 0x0; exit; w0 %= w7"},
        {{.code = 0x44, .k = 5}, "w0 |= 0x5"},
        {{.code = 0x54, .k = 5}, "w0 &= 0x5"},
        {{.code = 0xa4, .k = 5}, "w0 ^= 0x5"},
        {{.code = 0xac}, "w0 ^= w7"},
        {{.code = 0x64, .k = 5}, "w0 <<= 0x5"},
        {{.code = 0x7c}, "w0 >>= w7"},
        {{.code = 0x84, .k = 99}, "w0 = -w0"},
        {{.code = 0x15, .jt = 0, .jf = 0, .k = 1}, ""},
        {{.code = 0x15, .jt = 1, .jf = 0, .k = 1}, "if w0 == 0x1 goto +0x1"},
        {{.code = 0x15, .jt = 0, .jf = 1, .k = 1}, "if w0 != 0x1 goto +0x1"},
        {{.code = 0x25, .jt = 0, .jf = 1, .k = 1}, "if w0 <= 0x1 goto +0x1"},
        {{.code = 0x35, .jt = 0, .jf = 1, .k = 1}, "if w0 < 0x1 goto +0x1"},
        {{.code = 0x35, .jt = 2, .jf = 1, .k = 1}, "if w0 >= 0x1 goto +0x2; goto +0x0"},
        {{.code = 0x45, .jt = 0, .jf = 1, .k = 1}, "if w0 & 0x1 goto +0x1; goto +0x1"},
        {{.code = 0x3d, .jt = 1}, "if w0 >= w7 goto +0x1"},
        {{.code = 0x25, .jt = 1, .k = 0x80000000}, "if w0 > -0x80000000 goto +0x1"},
        {{.code = 0x06, .k = 262144}, "w0 = 0x40000"},
        {{.code = 0x20, .k = anc(Ancillary::Protocol)}, "r0 = *(u32 *)(r6 + 0x10); r0 = be16 r0"},
        {{.code = 0x28, .k = anc(Ancillary::PktType)}, "r0 = *(u32 *)(r6 + 0x4)"},
        {{.code = 0x30, .k = anc(Ancillary::Ifindex)},
         "r8 = *(u32 *)(r6 + 0x28); if r8 != 0x0 goto +0x1; exit; w0 = w8"},
        {{.code = 0x20, .k = anc(Ancillary::Mark)}, "r0 = *(u32 *)(r6 + 0x8)"},
        {{.code = 0x20, .k = anc(Ancillary::Queue)}, "r0 = *(u32 *)(r6 + 0xc)"},
        {{.code = 0x20, .k = anc(Ancillary::Hatype)}, "w0 = 0x304"},
        {{.code = 0x20, .k = anc(Ancillary::RxHash)}, "r0 = *(u32 *)(r6 + 0x44)"},
        {{.code = 0x20, .k = anc(Ancillary::Cpu)}, "call 0x8"},
        {{.code = 0x20, .k = anc(Ancillary::AluXorX)}, "w0 ^= w7"},
        {{.code = 0x20, .k = anc(Ancillary::VlanTag)}, "r0 = *(u32 *)(r6 + 0x18)"},
        {{.code = 0x30, .k = anc(Ancillary::VlanTagPresent)}, "r0 = *(u32 *)(r6 + 0x14)"},
        {{.code = 0x20, .k = anc(Ancillary::Random)}, "call 0x7"},
        {{.code = 0x20, .k = anc(Ancillary::VlanTpid)}, "r0 = *(u32 *)(r6 + 0x1c); r0 = be16 r0"},
    };
    for (const auto& [insn, text] : cases)
        EXPECT_EQ(translate_one(insn), text) << fmt::format("0x{:02x}", insn.code);
}

TEST(ClassicToEbpf, BeginsWithZeroedRegisters) {
    const auto lines = translate({kReturnA});
    EXPECT_THAT(lines, ::testing::ElementsAre("r6 = r1", "w0 = 0x0", "w7 = 0x0", "exit"));
}

TEST(ClassicToEbpf, LeavesOutWhatNobodyReaches) {
    const auto lines =
        translate({{.code = 0x05, .k = 2}, {.code = 0x20}, {.code = 0x06}, kReturnA});
    EXPECT_EQ(lines.size(), 5u);  // prologue, goto, exit
    EXPECT_EQ(lines[3], "goto +0x0");
}

// Both attribute searches share one function behind the program.
TEST(ClassicToEbpf, SearchesAttributesInAFunction) {
    const auto lines = translate(
        {{.code = 0x20, .k = kSkfAdOff + 12}, {.code = 0x20, .k = kSkfAdOff + 16}, kReturnA});
    EXPECT_EQ(lines[6], "w4 = 0x0");
    EXPECT_EQ(lines[7], "call +0x6");
    EXPECT_EQ(lines[11], "w4 = 0x1");
    EXPECT_EQ(lines[12], "call +0x1");
    EXPECT_EQ(lines[13], "exit");
    EXPECT_EQ(lines[14], "r6 = r1");
}

// The longest translation of the longest filter, with a jump over all that jumps can reach.
TEST(ClassicToEbpf, FitsSixteenBitJumps) {
    std::vector<ClassicInsn> program(kClassicMaxInsns, {.code = 0xb1});
    program.front() = {.code = 0x15, .jt = 255, .jf = 0};
    program[1] = {.code = 0x05, .k = kClassicMaxInsns - 3};
    program[2] = {.code = 0x15, .jt = 255, .jf = 254};
    program.back() = kReturnA;
    const auto insns = classic_to_ebpf(program);
    ASSERT_TRUE(insns);
    EXPECT_TRUE(validate(*insns));
    EXPECT_GT(insns->size(), 3800u * 6);
}

TEST(ClassicToEbpf, SaysWhatCannotBeExpressed) {
    const auto poff =
        classic_to_ebpf(std::vector<ClassicInsn>{{.code = 0x20, .k = kSkfAdOff + 52}, kReturnA});
    ASSERT_FALSE(poff);
    EXPECT_EQ(poff.error().code, ErrorCode::Unsupported);
    EXPECT_THAT(poff.error().message, HasSubstr("instruction 0: eBPF cannot load [poff]"));
    const auto hatype = classic_to_ebpf(
        std::vector<ClassicInsn>{kReturnA, {.code = 0x20, .k = kSkfAdOff + 28}, kReturnA});
    EXPECT_TRUE(hatype) << "unreachable";
    EXPECT_FALSE(
        classic_to_ebpf(std::vector<ClassicInsn>{{.code = 0x20, .k = kSkfAdOff + 28}, kReturnA}));
    const auto invalid = classic_to_ebpf(std::vector<ClassicInsn>{{.code = 0x00}});
    ASSERT_FALSE(invalid);
    EXPECT_EQ(invalid.error().code, ErrorCode::Malformed);
}

}  // namespace
}  // namespace skep::isa
