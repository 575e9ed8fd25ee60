// SPDX-License-Identifier: Apache-2.0
// A little of verifier_diff: generated programs, judged by the running kernel and by skep. None
// may be accepted by skep alone; of those refused by skep alone, few, for what depends on the
// machine (docs/parity/verifier.md).
#include <gtest/gtest.h>

#include <chrono>

#include "base/testing.hpp"
#include "kernel/kernel_probe.hpp"
#include "verifier/differential.hpp"
#include "verifier/program_case.hpp"
#include "verifier/program_generator.hpp"

namespace skep::verifier_test {
namespace {

TEST(Differential, GeneratedProgramsAreJudgedAlike) {
    if (const auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    auto kernel = btf::Btf::load("/sys/kernel/btf/vmlinux");
    if (!kernel) SKEP_SKIP(kernel.error().message);
    const Differential differential(*kernel);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    size_t programs = 0, accepted = 0, strict = 0;
    for (uint64_t seed = 1; seed <= 500 && std::chrono::steady_clock::now() < end; seed++) {
        const object::ObjectSpec object = generate_program(seed);
        const Verdicts verdicts = differential.ask(object);
        programs++;
        accepted += verdicts.kernel.accepted();
        strict += verdicts.too_strict();
        ASSERT_FALSE(verdicts.unsafe())
            << case_text(differential.minimise(object), verdicts.text());
    }
    fmt::print("{} programs, {} accepted by the kernel, {} of them refused by skep\n", programs,
               accepted, strict);
    EXPECT_LE(strict * 50, accepted);
}

TEST(Generator, MakesTheSameProgramOfASeed) {
    EXPECT_EQ(generate_program(7).progs[0].insns, generate_program(7).progs[0].insns);
    EXPECT_NE(generate_program(7).progs[0].insns, generate_program(8).progs[0].insns);
}

TEST(Generator, CasesAreReadAsTheyAreWritten) {
    for (uint64_t seed = 1; seed < 300; seed++) {
        const object::ObjectSpec object = generate_program(seed);
        const auto again = parse_case(case_text(object, "kernel: accepted"));
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_EQ(again->object.progs[0].insns, object.progs[0].insns) << seed;
    }
}

TEST(Without, MendsJumps) {
    using isa::Insn;
    const Insn nop{.opcode = 0xb7}, jump{.opcode = 0x05, .off = 2}, exit{.opcode = 0x95};
    const std::vector<Insn> insns = {jump, nop, nop, exit};
    const std::vector<Insn> shorter = without(insns, 1, 1);
    ASSERT_EQ(shorter.size(), 3u);
    EXPECT_EQ(shorter[0].off, 1);
}

}  // namespace
}  // namespace skep::verifier_test
