// SPDX-License-Identifier: Apache-2.0
#include "isa/assemble.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "isa/decode.hpp"
#include "isa/disasm.hpp"
#include "isa/samples.hpp"

namespace skep::isa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<Insn> must_assemble(std::string_view source) {
    auto assembly = assemble(source);
    EXPECT_TRUE(assembly) << render(assembly.error(), source, "test");
    return assembly ? assembly->insns : std::vector<Insn>();
}

std::string text_of(InsnView insns) {
    std::string text;
    for (size_t i = 0; i < insns.size(); text += '\n') i += append_text(text, insns, i);
    return text;
}

TEST(Assemble, ReadsTheTextOfEveryInstruction) {
    for (const auto& sample : testing::legal_samples()) {
        const std::string text = text_of(sample.insns);
        ASSERT_EQ(must_assemble(text), sample.insns) << sample.info->name << ": " << text;
    }
}

// The same as one program: text -> insns -> text.
TEST(Assemble, RoundTripsAProgram) {
    std::vector<Insn> insns;
    for (const auto& sample : testing::legal_samples())
        insns.insert(insns.end(), sample.insns.begin(), sample.insns.end());
    const std::string text = text_of(insns);
    const auto again = must_assemble(text);
    EXPECT_EQ(encode(again), encode(insns));
    EXPECT_EQ(text_of(again), text);
}

// Other spellings that clang takes, and those that only skep has; each with its canonical text.
TEST(Assemble, TakesOtherSpellings) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"r1=*(u32*)(r2+0)", "r1 = *(u32 *)(r2 + 0x0)"},
        {"w1 = *(u32 *)(r2 + 4)", "r1 = *(u32 *)(r2 + 0x4)"},
        {"w1 = *(u8 *)(r2 - 4)", "r1 = *(u8 *)(r2 - 0x4)"},
        {"r1 = *(u64 *)(r2)", "r1 = *(u64 *)(r2 + 0x0)"},
        {"r1 = *(u64 *)(r2 + -8)", "r1 = *(u64 *)(r2 - 0x8)"},
        {"*(u32 *)(r1 + 4) = w2", "*(u32 *)(r1 + 0x4) = r2"},
        {"*(u8 *)(r10 - 1) = 300", "*(u8 *)(r10 - 0x1) = 0x12c"},
        {"lock *(u32 *)(r1 - 8) += w2", "lock *(u32 *)(r1 - 0x8) += r2"},
        {"lock *(u32 *)(r1 - 8) |= r2", "lock *(u32 *)(r1 - 0x8) |= w2"},
        {"w0 += 0xffffffff", "w0 += -0x1"},
        {"r0 = 4294967295", "r0 = -0x1"},
        {"r0 = -2147483648", "r0 = -0x80000000"},
        {"r0 = +7", "r0 = 0x7"},
        {"r0 = 010", "r0 = 0x8"},
        {"r1 = 5ll", "r1 = 0x5 ll"},
        {"r1 = -2 ll", "r1 = -0x2 ll"},
        {"r1 = 1234567890123456 ll", "r1 = 0x462d53c8abac0 ll"},
        {"r1 = 0xffffffffffffffff ll", "r1 = -0x1 ll"},
        {"r1 = -0x8000000000000000 ll", "r1 = -0x8000000000000000 ll"},
        {"r0 s >>= 1", "r0 s>>= 0x1"},
        {"if w1 s > 3 goto 1", "if w1 s> 0x3 goto +0x1"},
        {"if r1!=r2 goto +1", "if r1 != r2 goto +0x1"},
        {"goto 3", "goto +0x3"},
        {"goto +0x3 <f+0x20>", "goto +0x3"},
        {"gotol 70000", "gotol +0x11170"},
        {"call 5", "call 0x5"},
        {"call -1 <f>", "call -0x1"},
        {"ld_pseudo\tr1, 1, 5", "ld_pseudo r1, 0x1, 0x5"},
        {"r0 = *(u8*)skb [2]", "r0 = *(u8 *)skb[0x2]"},
        {"r0 = *(u8 *)skb[r2 - 1]", "r0 = *(u8 *)skb[r2 - 0x1]"},
        {"r1 = (s8) r2", "r1 = (s8)r2"},
        {"w2 = xchg32_32(r1, w2)", "w2 = xchg32_32(r1 + 0x0, w2)"},
    };
    for (const auto& [source, canonical] : cases)
        EXPECT_EQ(text_of(must_assemble(source)), fmt::format("{}\n", canonical)) << source;
}

TEST(Assemble, LabelsFunctionsAndComments) {
    const auto assembly = assemble(R"(
; llvm-objdump -S writes source lines like this; exit
main:                        # the first label is a function
    r6 = r1 ; r1 = 1         // two in a line
    call helper_like
    r2 = callback ll
    if r0 == 0 goto out
    goto main
out: exit
helper_like:
    goto 2f
1:  r0 = 1
    exit
2:  goto 1b
callback:
    exit
other:
    .globl other
    exit
)");
    ASSERT_TRUE(assembly) << assembly.error().message;
    EXPECT_EQ(text_of(assembly->insns),
              "r6 = r1\nr1 = 0x1\ncall +0x5\nld_pseudo r2, 0x4, 0x8\nif r0 == 0x0 goto +0x1\n"
              "goto -0x7\nexit\ngoto +0x2\nr0 = 0x1\nexit\ngoto -0x3\nexit\nexit\n");
    EXPECT_THAT(assembly->functions,
                ElementsAre(AsmFunction{"main", 0}, AsmFunction{"helper_like", 8},
                            AsmFunction{"callback", 12}, AsmFunction{"other", 13}));
    EXPECT_THAT(assembly->lines, ElementsAre(4, 4, 5, 6, 6, 7, 8, 9, 11, 12, 13, 14, 16, 19));
    EXPECT_TRUE(validate(assembly->insns));
}

TEST(Assemble, ReadsObjdumpSymbolLines) {
    const auto assembly = assemble(
        "0000000000000000 <f>:\n\tcall 0x2\n\tgoto +0x0 <LBB0_1>\n"
        "0000000000000010 <LBB0_1>:\n\texit\n"
        "<g>:\n\texit\n");  // --no-leading-addr
    ASSERT_TRUE(assembly) << assembly.error().message;
    EXPECT_EQ(text_of(assembly->insns), "call 0x2\ngoto +0x0\nexit\nexit\n");
    EXPECT_FALSE(assemble("<g"));
    EXPECT_FALSE(assemble("<>:"));
    EXPECT_FALSE(assemble("0000000000000000 <<=:"));
    EXPECT_THAT(assembly->functions, ElementsAre(AsmFunction{"f", 0}));
}

TEST(Assemble, AsksForHelpersByName) {
    const HelperNumber helper = [](std::string_view name) -> std::optional<int32_t> {
        if (name == "bpf_ktime_get_ns") return 5;
        return std::nullopt;
    };
    const auto assembly = assemble("call bpf_ktime_get_ns\nexit", helper);
    ASSERT_TRUE(assembly) << assembly.error().message;
    EXPECT_EQ(assembly->insns[0], (Insn{.opcode = 0x85, .imm = 5}));
    EXPECT_EQ(assemble("call bpf_nothing", helper).error().message,
              "there is no label and no helper 'bpf_nothing'");
    // A label of the same name wins, and a jump never goes to a helper.
    EXPECT_EQ(assemble("bpf_ktime_get_ns: call bpf_ktime_get_ns", helper)->insns[0].src, 1);
    EXPECT_FALSE(assemble("goto bpf_ktime_get_ns", helper));
}

struct Bad {
    std::string_view source;
    uint32_t line, column;
    std::string_view message;
    std::string_view hint = "";
};

TEST(Assemble, ErrorsNameThePlace) {
    const Bad cases[] = {
        {"r0 = 1\nr11 = 5", 2, 1, "there is no register r11"},
        {"r0 = r99", 1, 6, "there is no register r99"},
        {"r10 = 5", 1, 1, "dst is r10, which is read-only"},
        {"r0 = 0x1ffffffff", 1, 6, "does not fit into 32 bits", "r0 = 0x1ffffffff ll"},
        {"r0 = -0x80000001", 1, 7, "does not fit into 32 bits", "r0 = -0x80000001 ll"},
        {"r0 += 0x100000000", 1, 7, "does not fit here"},
        {"r0 = 0x1ffffffffffffffff ll", 1, 6, "expected a number"},
        {"w0 = 5 ll", 1, 1, "a 64-bit value needs r0"},
        {"r0 = w1", 1, 6, "r0 and w1 differ in width"},
        {"r0 += w1", 1, 7, "differ in width"},
        {"r0 = -r1", 1, 7, "r0 = -r0"},
        {"r0 ** 5", 1, 4, "there is no operator '*'"},
        {"r0 s+= 5", 1, 4, "there is no operator 's+='"},
        {"r0", 1, 3, "expected an operator, found the end of the statement"},
        {"if r0 = 5 goto +1", 1, 7, "there is no comparison '='"},
        {"if r0 > 5 jump +1", 1, 11, "expected 'goto', found 'jump'"},
        {"if r0 > w1 goto +1", 1, 9, "differ in width"},
        {"r1 = *(u32 *)(r2 + 40000)", 1, 20, "does not fit here (-32768 to 32767)"},
        {"r1 = *(u32 *)(w2 + 4)", 1, 15, "an address needs all 64 bits: r2"},
        {"r1 = *(int *)(r2 + 4)", 1, 8, "expected the type of the access", "u8, u16"},
        {"w1 = *(u64 *)(r2 + 4)", 1, 1, "w1 does not go with u64"},
        {"w1 = *(s8 *)(r2 + 4)", 1, 1, "w1 does not go with s8"},
        {"*(s8 *)(r2 + 4) = r1", 1, 3, "a store has no sign: write u8"},
        {"lock *(u8 *)(r2 + 4) += r1", 1, 22, "there is no atomic '+=' on u8"},
        {"lock *(u64 *)(r2 + 4) -= r1", 1, 23, "there is no atomic '-=' on u64"},
        {"r1 = xchg_64(r2 + 0, r3)", 1, 22, "expected r1"},
        {"w1 = xchg_64(r2 + 0, w1)", 1, 1, "xchg_64 needs r1"},
        {"r1 = cmpxchg_64(r2 + 0, r1, r3)", 1, 1, "compares with r0"},
        {"w1 = atomic_fetch_add((u64 *)(r2 + 0), w1)", 1, 24, "w1 needs u32"},
        {"r1 = be16 r2", 1, 11, "r1 = be16 r1"},
        {"r1 = (s64)r2", 1, 7, "'s64' cannot be extended to 64 bits"},
        {"w1 = (s32)w2", 1, 7, "'s32' cannot be extended to 32 bits"},
        {"r0 = atomic_fetch_ad((u64 *)(r1 + 0), r0)", 1, 6, "unexpected 'atomic_fetch_ad'",
         "did you mean 'atomic_fetch_add'?"},
        {"r1 = *(u64 *)skb[2]", 1, 1, "packet loads go to r0 only"},
        {"r0 = *(u64 *)skb[2]", 1, 8, "packet loads are u8, u16 or u32"},
        {"exitt", 1, 1, "no instruction begins with 'exitt'", "did you mean 'exit'?"},
        {".text", 1, 1, "unknown directive '.text'", ".globl"},
        {"exit now", 1, 6, "unexpected 'now' behind the instruction", "# or //"},
        {"goto nowhere\nnowhre: exit", 1, 6, "there is no label 'nowhere'",
         "did you mean 'nowhre'?"},
        {"goto 1f", 1, 6, "there is no label '1f'"},
        {".globl f", 1, 8, "there is no label 'f'"},
        {"f: exit\nf: exit", 2, 1, "label 'f' is defined in line 1 already"},
        {"r1: exit", 1, 1, "'r1' is a register and no label"},
        {"goto 40000", 1, 6, "40000 instructions are too far", "gotol goes anywhere"},
        {"call 0x1ffffffff", 1, 6, "does not fit here"},
        {"call +0xffffffff", 1, 6, "does not fit into 32 bits"},
        {"ld_pseudo r1, 9, 5", 1, 1, "src 9 selects no form"},
        {"ld_pseudo r1, 1, 0x100000005", 1, 1, "imm of the second half must be zero"},
        {"r1 = 12q", 1, 6, "expected a number, found '12q'"},
        {"\tr1 = @", 1, 7, "expected a number, found '@'"},
    };
    for (const Bad& bad : cases) {
        const auto result = assemble(bad.source);
        ASSERT_FALSE(result) << bad.source;
        const AsmError& error = result.error();
        EXPECT_THAT(error.message, HasSubstr(bad.message)) << bad.source;
        EXPECT_THAT(error.hint, HasSubstr(bad.hint)) << bad.source;
        EXPECT_EQ(std::pair(error.line, error.column), std::pair(bad.line, bad.column))
            << bad.source << ": " << error.message;
    }
}

TEST(Assemble, LabelsMayBeOutOfReach) {
    std::string source = "goto end\n";
    for (int i = 0; i < 32768; ++i) source += "r0 = 0\n";
    source += "end: exit\n";
    EXPECT_THAT(assemble(source).error().message, HasSubstr("32768 instructions are too far"));
    EXPECT_EQ(must_assemble("gotol end\n" + source.substr(9))[0].imm, 32768);
}

TEST(Assemble, RendersACaret) {
    const std::string_view source = "r0 = 0\n\t  r1 = r77  # no\n";
    EXPECT_EQ(render(assemble(source).error(), source, "a.s"),
              "a.s:2:9: there is no register r77 (r0 to r10)\n"
              "    r1 = r77  # no\n"
              "         ^\n");
    const std::string_view end = "goto";
    EXPECT_EQ(render(assemble(end).error(), end, "a.s"),
              "a.s:1:5: expected a number, found the end of the statement\n"
              "    goto\n"
              "        ^\n");
}

}  // namespace
}  // namespace skep::isa
