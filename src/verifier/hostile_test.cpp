// SPDX-License-Identifier: Apache-2.0
// Programs that are made to cost as much as they can, and BTF that lies: an answer each time, in
// bounded memory.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "btf/writer.hpp"
#include "verifier/explain.hpp"
#include "verifier/verify_testing.hpp"

namespace skep::verifier {
namespace {

constexpr size_t kMostBytes = size_t{256} << 20;

void gives_up(Rule rule, std::string_view source) {
    const TestProgram test = test_program(source);
    const Verdict verdict =
        *verify(test.object, test.prog, platform::linux_6_18(), {.max_insns = 100'000});
    EXPECT_FALSE(verdict.accepted);
    EXPECT_EQ(verdict.rule, rule) << verdict.reason;
    EXPECT_LT(verdict.peak_bytes, kMostBytes);
    EXPECT_EQ(verdict.busiest.empty(), rule == Rule::TooManyJumps);  // each place was new
}

/// Numbers that nobody knows, in r6.
constexpr std::string_view kUnknown = "call bpf_get_prandom_u32\nr6 = r0\nr7 = 0\n";

TEST(Hostile, EachBranchMakesAnotherState) {
    std::string source(kUnknown);
    for (int bit = 0; bit < 30; bit++)
        source += fmt::format("r1 = r6\nr1 &= {}\nif r1 == 0 goto l{}\nr7 += {}\nl{}:\n", 1 << bit,
                              bit, 1 << bit, bit);
    // All of r7 matters at the end, so no two states are alike.
    gives_up(Rule::TooComplex, source +
                                   "if r7 > 400 goto end\nr1 = r10\nr1 -= 408\nr1 += r7\n"
                                   "*(u8 *)(r1 + 0) = 1\nend:\nr0 = 0\nexit");
}

TEST(Hostile, MoreBranchesWaitThanItKeeps) {
    std::string source(kUnknown);
    for (int i = 0; i < 9000; i++) source += fmt::format("if r6 == {} goto end\n", i);
    gives_up(Rule::TooManyJumps, source + "end:\nr0 = 0\nexit");
}

TEST(Hostile, LoopsInLoopsOverFullStacks) {
    std::string source(kUnknown);
    for (int slot = 1; slot <= 64; slot++)
        source += fmt::format("call bpf_get_prandom_u32\n*(u64 *)(r10 - {}) = r0\n", slot * 8);
    for (int depth = 0; depth < 6; depth++)
        source += fmt::format("r1 = 0\n*(u64 *)(r10 - {}) = r1\nl{}:\n", depth * 8 + 8, depth);
    for (int depth = 5; depth >= 0; depth--)
        source += fmt::format(
            "r1 = *(u64 *)(r10 - {0})\nr1 += 1\n*(u64 *)(r10 - {0}) = r1\n"
            "if r1 < 1000 goto l{1}\n",
            depth * 8 + 8, depth);
    gives_up(Rule::TooComplex, source + "r0 = 0\nexit");
}

TEST(Hostile, CallsOfCallsOfCalls) {
    std::string source = "call f0\nexit\n";
    for (int i = 0; i < 7; i++) {
        source += fmt::format("f{}:\n", i);
        for (int call = 0; call < 8 && i < 6; call++) source += fmt::format("call f{}\n", i + 1);
        source += "r0 = 0\nexit\n";
    }
    gives_up(Rule::TooComplex, source);
}

TEST(Hostile, CallbacksInALoop) {
    // In Linux before 6.19, a path that is back at bpf_loop() ends there for good; in ours, not
    // before all rounds are done.
    const TestProgram test = test_program(
        "r7 = 0\nr8 = 100\nagain:\nr1 = 100\nld_pseudo r2, 0x4, 0xb\nr3 = 0\nr4 = 0\n"
        "call bpf_loop\ncall bpf_get_prandom_u32\nif w0 == 3 goto next\nr7 += 1\nnext:\n"
        "r8 += -1\nif r8 != 0 goto again\nr0 = 0\nexit\n"
        "call bpf_get_prandom_u32\nif w0 == 1 goto one\nr0 = 0\nexit\none:\nr0 = 1\nexit");
    const Verdict verdict =
        *verify(test.object, test.prog, platform::embedded(), {.max_insns = 100'000});
    EXPECT_FALSE(verdict.accepted);
    EXPECT_EQ(verdict.rule, Rule::TooComplex) << verdict.reason;
    EXPECT_LT(verdict.peak_bytes, kMostBytes);
}

TEST(Hostile, AMillionInstructionsInALine) {
    TestProgram test = test_program("r0 = 0\nexit");
    test.prog.insns.insert(test.prog.insns.begin(), 999'998, test.prog.insns[0]);
    const auto verdict = verify(test.object, test.prog, platform::linux_6_18());
    ASSERT_TRUE(verdict);
    EXPECT_TRUE(verdict->accepted) << verdict->reason;
    test.prog.insns.insert(test.prog.insns.begin(), test.prog.insns[0]);
    const auto more = verify(test.object, test.prog, platform::linux_6_18());
    ASSERT_TRUE(more);
    EXPECT_FALSE(more->accepted);
    EXPECT_LT(more->peak_bytes, kMostBytes);
}

/// 1: int, 2: a prototype that returns it, 3: a function of that.
std::shared_ptr<const btf::Btf> some_types() {
    btf::Writer writer;
    const uint32_t number = writer.add_int("int", 4, btf::Writer::Encoding::Signed);
    writer.add_func("test", writer.add_func_proto(number, {}), btf::Linkage::Global);
    return *btf::Btf::parse(writer.finish());
}

TEST(Hostile, FunctionsOfATypeThatIsNone) {
    for (const uint32_t id : {1u, 2u, 4u, 0x7fffffffu, UINT32_MAX}) {
        TestProgram test = test_program("call f\nexit\nf:\nr0 = 0\nexit");
        test.object.btf = some_types();
        test.prog.subprogs = {{.name = "test", .insn = 0, .btf_type_id = id},
                              {.name = "f", .insn = 2, .btf_type_id = id, .global = true}};
        const auto verdict = verify(test.object, test.prog, platform::linux_6_18());
        ASSERT_TRUE(verdict);
        EXPECT_FALSE(verdict->accepted) << id;
    }
}

TEST(Hostile, LinesAndMapsOfNowhere) {
    TestProgram test = test_program("r0 = r3\nexit");
    test.object.btf = some_types();
    test.prog.lines = {{.insn = 0,
                        .file_off = UINT32_MAX,
                        .line_off = 0x7fffffff,
                        .line = UINT32_MAX,
                        .column = 0},
                       {.insn = UINT32_MAX, .file_off = 1, .line_off = 1, .line = 0, .column = 0}};
    for (object::MapSpec& map : test.object.maps) map.value_type_id = map.key_type_id = UINT32_MAX;
    const auto verdict = verify(test.object, test.prog, platform::linux_6_18(), {.path = true});
    ASSERT_TRUE(verdict);
    EXPECT_FALSE(verdict->accepted);
    EXPECT_NE(explain(test.object, test.prog, *verdict).find("!read_ok"), std::string::npos);
}

}  // namespace
}  // namespace skep::verifier
