// SPDX-License-Identifier: Apache-2.0
#include "isa/disasm.hpp"

#include <gtest/gtest.h>

#include "isa/decode.hpp"

namespace skep::isa {
namespace {

struct Case {
    std::vector<Insn> insns;
    std::string_view text;
};

std::string text_of(InsnView insns) {
    std::string text;
    append_text(text, insns, 0);
    return text;
}

// What LLVM has no text for, or one that loses something; llvm_test.cpp has all the rest.
TEST(Disasm, GoesOnWhereLlvmStops) {
    const std::vector<Case> cases = {
        {{{.opcode = 0x85, .imm = 6}}, "call 0x6"},
        {{{.opcode = 0x85, .imm = -1}}, "call 0xffffffff"},
        {{{.opcode = 0x85, .src = 1, .imm = 6}}, "call +0x6"},
        {{{.opcode = 0x85, .src = 1, .imm = -1}}, "call -0x1"},
        {{{.opcode = 0x85, .src = 2, .imm = 466}}, "call kfunc 0x1d2"},
        {{{.opcode = 0x85, .src = 2, .off = 1, .imm = 466}}, "call kfunc 0x1d2, 0x1"},
        {{{.opcode = 0x18, .dst = 1, .src = 2, .imm = 5}, {.imm = 16}},
         "ld_pseudo r1, 0x2, 0x1000000005"},
        {{{.opcode = 0x50, .src = 7, .imm = 4}}, "r0 = *(u8 *)skb[r7 + 0x4]"},
        {{{.opcode = 0x50, .src = 7, .imm = INT32_MIN}}, "r0 = *(u8 *)skb[r7 - 0x80000000]"},
        {{{.opcode = 0xc3, .dst = 1, .src = 2, .off = -8}}, "lock *(u32 *)(r1 - 0x8) += r2"},
        {{{.opcode = 0xc3, .dst = 1, .src = 2, .off = -8, .imm = kOr}},
         "lock *(u32 *)(r1 - 0x8) |= w2"},
        {{{.opcode = 0xd3, .dst = 1, .src = 2, .off = 1, .imm = kLoadAcq}},
         "w1 = load_acquire((u8 *)(r2 + 0x1))"},
        {{{.opcode = 0xdb, .dst = 1, .src = 2, .off = 8, .imm = kStoreRel}},
         "store_release((u64 *)(r1 + 0x8), r2)"},
    };
    for (const Case& c : cases) EXPECT_EQ(text_of(c.insns), c.text);
}

TEST(Disasm, UnknownIsUnknown) {
    EXPECT_EQ(text_of({{{.opcode = 0xff}}}), "<unknown>");
    EXPECT_EQ(text_of({{{.opcode = 0xdb, .imm = 7}}}), "<unknown>");
    EXPECT_EQ(text_of({{{.opcode = 0xb7, .dst = 11}}}), "<unknown>");
    EXPECT_EQ(text_of({{{.opcode = 0x0f, .imm = 1}}}), "<unknown>");
    EXPECT_EQ(text_of({{{.opcode = 0x18}}}), "<unknown>");
    EXPECT_EQ(text_of({{{.opcode = 0x18}, {.opcode = 0x95}}}), "<unknown>");
}

TEST(Disasm, ListsAProgram) {
    const Insn insns[] = {
        {.opcode = 0x18, .dst = 1, .imm = 0},
        {},
        {.opcode = 0x18},  // broken: the next slot is an instruction of its own
        {.opcode = 0x95},
    };
    const auto remark = [](size_t index) { return index == 0 ? std::string("map counts") : ""; };
    EXPECT_EQ(listing(insns, remark),
              "       0:\tr1 = 0x0 ll  # map counts\n"
              "       2:\t<unknown>\n"
              "       3:\texit\n");
    EXPECT_EQ(listing({}), "");
}

}  // namespace
}  // namespace skep::isa
