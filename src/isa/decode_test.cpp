// SPDX-License-Identifier: Apache-2.0
#include "isa/decode.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "isa/samples.hpp"

namespace skep::isa {
namespace {

using ::testing::HasSubstr;

constexpr Insn kReturn{.opcode = kJmp | kExit};

std::string error_of(const Result<void>& result) {
    return result ? "" : result.error().message;
}

TEST(Decode, TakesWholeInstructionsOnly) {
    const Bytes bytes{0xb7, 0x21, 0xfe, 0xff, 0x78, 0x56, 0x34, 0x12};
    const auto insns = decode(bytes);
    ASSERT_TRUE(insns);
    ASSERT_EQ(insns->size(), 1u);
    EXPECT_EQ((*insns)[0],
              (Insn{.opcode = 0xb7, .dst = 1, .src = 2, .off = -2, .imm = 0x12345678}));
    EXPECT_EQ(encode(*insns), bytes);

    const auto cut = decode(ByteView(bytes).first(7));
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, ErrorCode::Malformed);
    EXPECT_THAT(cut.error().message, HasSubstr("7 bytes"));
    EXPECT_TRUE(decode({})->empty());
}

TEST(Check, AcceptsEverySample) {
    const auto samples = testing::legal_samples();
    ASSERT_GT(samples.size(), 5000u);
    for (const auto& sample : samples)
        EXPECT_EQ(error_of(check(sample.insns, 0)), "") << sample.info->name;
}

// Of all 256 opcodes with all their selecting values, those in the table are legal, no other.
TEST(Check, RefusesEveryOtherOpcode) {
    int unknown = 0;
    for (int opcode = 0; opcode < 256; ++opcode) {
        const Insn insns[2] = {{.opcode = static_cast<uint8_t>(opcode), .imm = 0x7777}, {}};
        bool known = false;
        for (const OpcodeInfo& info : opcodes()) known |= info.opcode == opcode;
        if (known) continue;
        ++unknown;
        EXPECT_EQ(error_of(check(insns, 0)),
                  fmt::format("instruction 0 (0x{:02x}): unknown opcode", opcode));
    }
    // Arithmetic 53, jumps and calls 50, loads and stores 15, atomics 4, lddw, packet 6.
    EXPECT_EQ(unknown, 256 - (53 + 50 + 15 + 4 + 1 + 6));
}

// Each field that must be zero is set to something else in turn, for every form.
TEST(Check, NamesTheFieldThatMustBeZero) {
    for (const auto& sample : testing::legal_samples()) {
        const OpcodeInfo& info = *sample.info;
        const auto expect_error = [&](auto change, std::string_view field) {
            auto insns = sample.insns;
            change(insns[0]);
            if (find(insns[0]) != &info) return;  // the change selects another form
            EXPECT_THAT(error_of(check(insns, 0)), HasSubstr(field)) << info.name;
        };
        if (info.dst == Field::No)
            expect_error([](Insn& insn) { insn.dst = 3; }, "dst must be zero, is 3");
        if (info.src == Field::No)
            expect_error([](Insn& insn) { insn.src = 2; }, "src must be zero, is 2");
        if (info.off == Field::No)
            expect_error([](Insn& insn) { insn.off = -7; }, "off must be zero, is -7");
        if (info.imm == Field::No)
            expect_error([](Insn& insn) { insn.imm = 99; }, "imm must be zero, is 99");
        if (info.dst == Field::R || info.dst == Field::W || info.dst == Field::RW)
            expect_error([](Insn& insn) { insn.dst = 11; }, "dst is register 11");
        if (info.src == Field::R || info.src == Field::RW)
            expect_error([](Insn& insn) { insn.src = 15; }, "src is register 15");
        if (info.dst == Field::W || info.dst == Field::RW)
            expect_error([](Insn& insn) { insn.dst = 10; }, "dst is r10, which is read-only");
        if (info.src == Field::RW)
            expect_error([](Insn& insn) { insn.src = 10; }, "src is r10, which is read-only");
    }
}

struct Case {
    std::string_view what;
    std::vector<Insn> insns;
    std::string_view error;  ///< "" for legal
};

TEST(Validate, LooksAtTheWholeProgram) {
    const Insn lddw{.opcode = kLd | kImm | kDw, .dst = 1, .imm = 5};
    const auto pseudo = [](uint8_t src, int32_t imm = 0) {
        return Insn{.opcode = kLd | kImm | kDw, .dst = 1, .src = src, .imm = imm};
    };
    const auto ja = [](int16_t off) { return Insn{.opcode = kJmp | kJa, .off = off}; };
    const auto gotol = [](int32_t imm) { return Insn{.opcode = kJmp32 | kJa, .imm = imm}; };
    const auto call = [](int32_t imm) {
        return Insn{.opcode = kJmp | kCall, .src = kCallLocal, .imm = imm};
    };
    const Insn jeq{.opcode = kJmp | kJeq, .off = 1};
    const Insn mov{.opcode = kAlu64 | kMov};
    const std::vector<Case> cases = {
        {"empty", {}, "the program has no instructions"},
        {"exit", {kReturn}, ""},
        {"falls off", {kReturn, mov}, "instruction 1 (0xb7): execution runs off the end"},
        {"ends in a conditional", {jeq, kReturn, jeq}, "instruction 2 (0x15): jumps to"},
        {"ends in goto", {ja(1), kReturn, ja(-2)}, ""},
        {"ends in gotol", {ja(1), kReturn, gotol(-2)}, ""},
        {"jumps behind the end", {ja(1), kReturn}, "instruction 0 (0x05): jumps to instruction 2"},
        {"jumps before the start", {ja(-2), kReturn}, "jumps to instruction -1, outside"},
        {"gotol far away", {gotol(INT32_MAX), kReturn}, "jumps to instruction 2147483648"},
        {"may_goto away", {{.opcode = 0xe5, .off = 7}, kReturn}, "instruction 0 (0xe5): jumps to"},
        {"wide", {lddw, {.imm = -1}, kReturn}, ""},
        {"wide, cut", {lddw}, "instruction 0 (0x18): the second half of this wide"},
        {"wide, half with opcode", {lddw, kReturn, kReturn}, "its opcode is 0x95"},
        {"wide, half with dst", {lddw, {.dst = 1}, kReturn}, "may use only imm"},
        {"wide, half with src", {lddw, {.src = 1}, kReturn}, "may use only imm"},
        {"wide, half with off", {lddw, {.off = 1}, kReturn}, "may use only imm"},
        {"wide, bad kind", {pseudo(7), {}, kReturn}, "src 7 selects no form"},
        {"into a wide", {ja(1), lddw, {}, kReturn}, "instruction 2, the second half"},
        {"back into a wide", {lddw, {}, ja(-2)}, "instruction 1, the second half"},
        {"map value with offset", {pseudo(kPseudoMapValue), {.imm = 8}, kReturn}, ""},
        {"module BTF", {pseudo(kPseudoBtfId), {.imm = 8}, kReturn}, ""},
        {"map fd with offset",
         {pseudo(kPseudoMapFd), {.imm = 8}, kReturn},
         "imm of the second half must be zero, is 8"},
        {"map index with offset", {pseudo(kPseudoMapIdx), {.imm = 8}, kReturn}, "must be zero"},
        {"function", {pseudo(kPseudoFunc, 2), {}, kReturn, kReturn}, ""},
        {"function away", {pseudo(kPseudoFunc, 9), {}, kReturn}, "refers to instruction 10"},
        {"function in a wide", {pseudo(kPseudoFunc, 0), {}, kReturn}, "the second half of a wide"},
        {"call", {call(1), kReturn, kReturn}, ""},
        {"call away", {call(2), kReturn, kReturn}, "refers to instruction 3, outside"},
        {"call into a wide", {call(2), kReturn, lddw, {}, kReturn}, "second half of a wide"},
        {"helper with any number", {{.opcode = kJmp | kCall, .imm = 1 << 20}, kReturn}, ""},
        {"bad atomic", {{.opcode = 0xdb, .imm = 7}, kReturn}, "instruction 0 (0xdb): imm 0x7"},
        {"byte exchange", {{.opcode = 0xd3, .imm = kXchg}, kReturn}, "imm 0xe1 selects no form"},
        {"bad swap width", {{.opcode = 0xd7, .imm = 24}, kReturn}, "imm 0x18 selects no form"},
        {"shift by 64", {{.opcode = kAlu64 | kLsh, .imm = 64}, kReturn}, ""},
        {"bad movsx",
         {{.opcode = kAlu | kMov | kX, .off = 32}, kReturn},
         "off must be zero, is 32"},
        {"bad division", {{.opcode = kAlu | kDiv | kX, .off = 2}, kReturn}, "off must be zero"},
        {"write to r10",
         {{.opcode = kAlu64 | kMov, .dst = 10}, kReturn},
         "r10, which is read-only"},
    };
    for (const Case& c : cases) {
        const std::string error = error_of(validate(c.insns));
        if (c.error.empty())
            EXPECT_EQ(error, "") << c.what;
        else
            EXPECT_THAT(error, HasSubstr(c.error)) << c.what;
    }
}

TEST(Validate, ExplainsCallxOfOlderClang) {
    const Insn insns[] = {{.opcode = kJmp | kCall | kX, .imm = 3}, kReturn};
    const auto result = validate(insns);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message, "instruction 0 (0x8d): imm must be zero, is 3");
    EXPECT_THAT(result.error().hint, HasSubstr("clang 19"));
}

}  // namespace
}  // namespace skep::isa
