// SPDX-License-Identifier: Apache-2.0
#include "verifier/verify.hpp"

#include <gtest/gtest.h>

#include <set>

#include "verifier/recorded_states.hpp"
#include "verifier/verify_testing.hpp"

// Programs that are accepted and twins that are refused, at least one for each rule.

namespace skep::verifier {
namespace {

TEST(Verify, ReturnsANumber) {
    accepts("r0 = 0; exit");
    refuses("R0 !read_ok", "exit");
    refuses("R2 !read_ok", "r0 = r2; exit");
}

TEST(Verify, Structure) {
    refuses("unreachable insn 1", "goto +1\nr0 = 1\nr0 = 0\nexit");
    refuses("last insn is not an exit or jmp", "r0 = 0");
    refuses("jump out of range", "r0 = 0\nif r0 == 0 goto +5\nexit");
    refuses("program is too large", "");
}

TEST(Verify, StackMustBeWrittenBeforeItIsRead) {
    Options unprivileged;
    unprivileged.privileged = false;
    accepts("*(u64 *)(r10 - 8) = 1\nr0 = *(u64 *)(r10 - 8)\nexit");
    refuses("invalid read from stack", "r0 = *(u64 *)(r10 - 8)\nexit", ProgType::SocketFilter,
            unprivileged);
    refuses("invalid write to stack R10 off=0", "*(u64 *)(r10 + 0) = 1\nr0 = 0\nexit");
    refuses("invalid write to stack R10 off=-520", "*(u64 *)(r10 - 520) = 1\nr0 = 0\nexit");
    refuses("misaligned stack access", "*(u64 *)(r10 - 12) = 1\nr0 = 0\nexit");
}

TEST(Verify, SpilledPointersStayPointers) {
    accepts("*(u64 *)(r10 - 8) = r1\nr2 = *(u64 *)(r10 - 8)\nr0 = *(u32 *)(r2 + 0)\nexit");
    refuses("invalid size of register fill",
            "*(u64 *)(r10 - 8) = r1\nr0 = *(u32 *)(r10 - 8)\nexit");
    refuses("invalid mem access 'scalar'",
            "*(u64 *)(r10 - 8) = r1\n*(u8 *)(r10 - 8) = 0\nr2 = *(u64 *)(r10 - 8)\n"
            "r0 = *(u32 *)(r2 + 0)\nexit");
}

// By a key that is not known: a constant one that is inside the array is always found.
constexpr std::string_view kLookup = R"(
    r2 = *(u32 *)(r1 + 0)
    *(u32 *)(r10 - 4) = r2
    r2 = r10
    r2 += -4
    ld_pseudo r1, 0x1, 0x1
    call bpf_map_lookup_elem
)";

std::string with_lookup(std::string_view rest) {
    return std::string(kLookup) + std::string(rest);
}

TEST(Verify, MapValues) {
    accepts(with_lookup("if r0 == 0 goto +1\nr0 = *(u64 *)(r0 + 40)\nr0 = 0\nexit"));
    refuses("map_value_or_null", with_lookup("r0 = *(u64 *)(r0 + 0)\nr0 = 0\nexit"));
    refuses("invalid access to map value, value_size=48 off=44 size=8",
            with_lookup("if r0 == 0 goto +1\nr0 = *(u64 *)(r0 + 44)\nr0 = 0\nexit"));
    accepts(with_lookup(R"(
        if r0 == 0 goto out
        r1 = *(u32 *)(r0 + 0)
        r1 &= 31
        r0 += r1
        r0 = *(u64 *)(r0 + 8)
    out:
        r0 = 0
        exit)"));
    refuses("R0 max value is outside of the allowed memory range", with_lookup(R"(
        if r0 == 0 goto out
        r1 = *(u32 *)(r0 + 0)
        r1 &= 63
        r0 += r1
        r0 = *(u64 *)(r0 + 0)
    out:
        r0 = 0
        exit)"));
    refuses("R0 pointer arithmetic on map_value_or_null prohibited, null-check it first",
            with_lookup("r0 += 8\nr0 = 0\nexit"));
    refuses("write into map forbidden",
            "ld_pseudo r1, 0x2, 0x2\n*(u32 *)(r1 + 0) = 1\nr0 = 0\nexit");
}

TEST(Verify, ConstantsOfReadOnlyDataDecideBranches) {
    const Verdict verdict = verdict_of(R"(
        ld_pseudo r1, 0x2, 0x2
        r2 = *(u32 *)(r1 + 0)
        if r2 == 3 goto out
        r0 = *(u64 *)(r2 + 0)
    out:
        r0 = 0
        exit)");
    EXPECT_TRUE(verdict.accepted) << verdict.log;
}

TEST(Verify, Packets) {
    constexpr std::string_view kStart = R"(
        r2 = *(u32 *)(r1 + 0)
        r3 = *(u32 *)(r1 + 4)
        r4 = r2
        r4 += 14
    )";
    const auto xdp = [&](std::string_view rest) { return std::string(kStart) + std::string(rest); };
    accepts(xdp("if r4 > r3 goto +1\nr0 = *(u8 *)(r2 + 13)\nr0 = 2\nexit"), ProgType::Xdp);
    accepts(xdp("if r3 >= r4 goto +2\nr0 = 1\nexit\nr0 = *(u8 *)(r2 + 13)\nr0 = 2\nexit"),
            ProgType::Xdp);
    refuses("invalid access to packet, off=14 size=1, R2(id=0,off=14,r=14)",
            xdp("if r4 > r3 goto +1\nr0 = *(u8 *)(r2 + 14)\nr0 = 2\nexit"), ProgType::Xdp);
    refuses("invalid access to packet", xdp("r0 = *(u8 *)(r2 + 0)\nr0 = 2\nexit"), ProgType::Xdp);
    refuses("invalid access to packet",
            xdp("if r4 > r3 goto +2\nr0 = 0\nexit\nr0 = *(u8 *)(r2 + 0)\nexit"), ProgType::Xdp);
}

TEST(Verify, Context) {
    accepts("r0 = *(u32 *)(r1 + 0)\nexit");
    refuses("invalid bpf_context access off=1000 size=4", "r0 = *(u32 *)(r1 + 1000)\nexit");
    refuses("dereference of modified ctx ptr", "r1 += 4\nr0 = *(u32 *)(r1 + 0)\nexit");
}

TEST(Verify, PointersAreNoNumbers) {
    refuses("R1 pointer += pointer prohibited", "r1 += r10\nr0 = 0\nexit");
    refuses("R1 32-bit pointer arithmetic prohibited", "w1 += 4\nr0 = 0\nexit");
    refuses("R1 pointer arithmetic with *= operator prohibited", "r1 *= 4\nr0 = 0\nexit");
    Options unprivileged;
    unprivileged.privileged = false;
    refuses("R0 leaks addr as return value", "r0 = r10\nexit", ProgType::SocketFilter,
            unprivileged);
    accepts("r0 = r10\nexit");
}

TEST(Verify, Loops) {
    accepts("r0 = 0\nagain:\nr0 += 1\nif r0 < 100 goto again\nexit");
    refuses("infinite loop detected", "r0 = 0\nagain:\ngoto again");
    refuses("infinite loop detected", "r0 = 0\nagain:\nr1 = 0\nif r1 == 0 goto again\nexit");
    Options unprivileged;
    unprivileged.privileged = false;
    refuses("back-edge from insn", "r0 = 0\nagain:\nr0 += 1\nif r0 < 10 goto again\nexit",
            ProgType::SocketFilter, unprivileged);
    Options few;
    few.max_insns = 1000;
    refuses("BPF program is too large. Processed 1001 insn",
            "r0 = 0\nagain:\nr0 += 1\nif r0 < 1000000 goto again\nexit", ProgType::SocketFilter,
            few);
}

// Such numbers are file descriptors of whoever assembled the program.
TEST(Verify, MapsAreThoseThatTheObjectRefersTo) {
    TestProgram test = test_program("ld_pseudo r1, 0x1, 0x0\nr0 = 0\nexit");
    ASSERT_EQ(test.prog.references.size(), 1u);
    EXPECT_TRUE(verify(test.object, test.prog, platform::linux_6_18())->accepted);
    test.prog.references.clear();
    const auto verdict = verify(test.object, test.prog, platform::linux_6_18());
    ASSERT_TRUE(verdict);
    EXPECT_FALSE(verdict->accepted);
    EXPECT_EQ(verdict->reason, "fd 0 is not pointing to valid bpf_map");
    test.prog.references = {{object::Reference::Kind::Map, 2, 0}};
    EXPECT_FALSE(verify(test.object, test.prog, platform::linux_6_18()));
}

TEST(Verify, WhatTheTargetDoesNotHaveIsNamed) {
    TestProgram test = test_program("if r1 == 0 goto end\ncall 195896080\nend:\nr0 = 0\nexit");
    const auto helper = verify(test.object, test.prog, platform::linux_6_18());
    EXPECT_EQ(helper->rule, Rule::HelperUnknown);
    test.prog.unresolved = {{1, "struct task_struct.gone", "no such member"}};
    const auto verdict = verify(test.object, test.prog, platform::linux_6_18(), {.path = true});
    EXPECT_EQ(verdict->rule, Rule::Unresolved);
    ASSERT_FALSE(verdict->path.empty());
    EXPECT_EQ(verdict->path.back().note, "struct task_struct.gone: no such member");
}

// Before 6.13 a helper that reads the stack makes what is there unknown.
TEST(Verify, WhatHelpersReadStaysKnown) {
    const TestProgram test = test_program(R"(
        *(u64 *)(r10 - 8) = 4
        ld_pseudo r1, 0x1, 0x0
        r2 = r10
        r2 += -8
        call bpf_map_lookup_elem
        r1 = *(u64 *)(r10 - 8)
        r2 = r10
        r2 += -16
        r2 += r1
        *(u8 *)(r2 + 0) = 1
        r0 = 0
        exit
)");
    EXPECT_TRUE(verify(test.object, test.prog, platform::linux_6_18())->accepted);
    EXPECT_FALSE(verify(test.object, test.prog, platform::linux_6_12())->accepted);
}

TEST(Verify, WhatIsTooComplexSaysWhereTheWorkWent) {
    Options few;
    few.max_insns = 1000;
    const Verdict verdict = verdict_of("r0 = 0\nagain:\nr0 += 1\nif r0 < 1000000 goto again\nexit",
                                       ProgType::SocketFilter, few);
    ASSERT_EQ(verdict.rule, Rule::TooComplex);
    ASSERT_FALSE(verdict.busiest.empty());
    EXPECT_EQ(verdict.busiest[0].insn, 1u);
    EXPECT_GT(verdict.busiest[0].visits, 400u);
    EXPECT_TRUE(verdict_of("r0 = r3\nexit").busiest.empty());
}

TEST(Verify, Functions) {
    accepts("call double\nexit\ndouble:\nr0 = 4\nr0 += r0\nexit");
    refuses("R6 !read_ok", "r6 = 1\ncall f\nexit\nf:\nr0 = r6\nexit");
    refuses("cannot return stack pointer to the caller", "call f\nexit\nf:\nr0 = r10\nexit");
    accepts(
        "r1 = r10\nr1 += -8\ncall f\nr0 = *(u64 *)(r10 - 8)\nexit\nf:\n*(u64 *)(r1 + 0) = 1\n"
        "r0 = 0\nexit");
    refuses("the call stack of 9 frames is too deep", "call f\nexit\nf:\ncall f\nexit");
    refuses("combined stack size of 2 calls is 528. Too large",
            "*(u64 *)(r10 - 8) = 0\ncall f\nexit\nf:\n*(u64 *)(r10 - 512) = 0\nr0 = 0\nexit");
}

TEST(Verify, Arithmetic) {
    refuses("div by zero", "r0 = 1\nr0 /= 0\nexit");
    refuses("invalid shift 64", "r0 = 1\nr0 <<= 64\nexit");
}

TEST(Verify, LinkedNumbersAreRefinedTogether) {
    // What is compared is a copy, or a copy plus a constant.
    constexpr std::string_view kUse = R"(
        if r6 > 20 goto out
        r0 += r7
        r0 = *(u8 *)(r0 + 0)
    out:
        r0 = 0
        exit)";
    const auto program = [&](std::string_view link) {
        return with_lookup("if r0 == 0 goto out\nr6 = *(u32 *)(r0 + 0)\n" + std::string(link) +
                           std::string(kUse));
    };
    accepts(program("r7 = r6\n"));
    accepts(program("r7 = r6\nr7 += 27\n"));
    refuses("R0 max value is outside of the allowed memory range", program("r7 = r6\nr7 += 28\n"));
    refuses("R0", program("r7 = r6\nr7 *= 2\nr7 <<= 30\n"));
}

TEST(Verify, WaysThatCannotBeTakenAreNotFollowed) {
    accepts(R"(
        r2 = *(u32 *)(r1 + 0)
        if r2 > 10 goto out
        if r2 > 20 goto bad
    out:
        r0 = 0
        exit
    bad:
        r0 = *(u64 *)(r2 + 0)
        exit)");
    refuses("R2 invalid mem access 'scalar'", R"(
        r2 = *(u32 *)(r1 + 0)
        if r2 > 10 goto out
        if r2 > 9 goto bad
    out:
        r0 = 0
        exit
    bad:
        r0 = *(u64 *)(r2 + 0)
        exit)");
}

TEST(Verify, PathsAreCutOffOnlyWhereNothingThatMattersDiffers) {
    // r6 decides where the access goes, so the second path must be followed with its own value.
    refuses("R0", with_lookup(R"(
        if r0 == 0 goto out
        r6 = 8
        r1 = *(u32 *)(r0 + 0)
        if r1 == 0 goto use
        r6 = 48
    use:
        r0 += r6
        r0 = *(u8 *)(r0 + 0)
    out:
        r0 = 0
        exit)"));
    const Verdict verdict = verdict_of(R"(
        r6 = *(u32 *)(r1 + 0)
        r7 = 0
        if r6 == 0 goto a
        r7 = 1
    a:
        if r6 == 1 goto b
        r7 = 2
    b:
        if r6 == 2 goto c
        r7 = 3
    c:
        r0 = 0
        exit)");
    EXPECT_TRUE(verdict.accepted);
    EXPECT_LT(verdict.insns_visited, 40u);
}

TEST(Verify, VariableStackOffsets) {
    accepts(R"(
        *(u64 *)(r10 - 8) = 0
        *(u64 *)(r10 - 16) = 0
        r2 = *(u32 *)(r1 + 0)
        r2 &= 8
        r3 = r10
        r3 += -16
        r3 += r2
        r0 = *(u64 *)(r3 + 0)
        exit)");
    refuses("register with unbounded min value is not allowed", R"(
        r2 = *(u64 *)(r10 - 8)
        r3 = r10
        r3 += r2
        r0 = *(u8 *)(r3 + 0)
        exit)");
}

TEST(Verify, Atomics) {
    accepts("*(u64 *)(r10 - 8) = 1\nr2 = 1\nlock *(u64 *)(r10 - 8) += r2\nr0 = 0\nexit");
    refuses("BPF_ATOMIC stores into R1 ctx is not allowed",
            "r2 = 1\nlock *(u32 *)(r1 + 0) += r2\nr0 = 0\nexit");
    refuses("R2 !read_ok", "*(u64 *)(r10 - 8) = 1\nlock *(u64 *)(r10 - 8) += r2\nr0 = 0\nexit");
}

TEST(Verify, LegacyPacketLoads) {
    accepts("r6 = r1\nr0 = *(u16 *)skb[12]\nexit");
    refuses("R6 !read_ok", "r0 = *(u16 *)skb[12]\nexit");
    refuses("instructions not allowed for this program type", "r6 = r1\nr0 = *(u16 *)skb[12]\nexit",
            ProgType::Xdp);
    refuses("R1 !read_ok", "r6 = r1\nr0 = *(u16 *)skb[12]\nr0 = *(u32 *)(r1 + 0)\nexit");
}

TEST(Verify, UnprivilegedArithmetic) {
    Options options;
    options.privileged = false;
    refuses("R3 variable stack access prohibited for !root", R"(
        r2 = *(u32 *)(r1 + 0)
        r2 &= 7
        r3 = r10
        r3 += -16
        if r2 == 3 goto use
        r3 += -16
    use:
        r3 += r2
        r0 = 0
        exit)",
            ProgType::SocketFilter, options);
}

TEST(Verify, TellsWhatItHasSeen) {
    Options options;
    options.facts = options.register_facts = true;
    const Verdict verdict = verdict_of(with_lookup(R"(
        if r0 == 0 goto out
        r1 = *(u32 *)(r0 + 4)
        r1 &= 7
        r0 += r1
        r2 = *(u8 *)(r0 + 8)
        if r1 > 7 goto dead
    out:
        r0 = 0
        exit
    dead:
        r0 = 1
        exit)"),
                                       ProgType::SocketFilter, options);
    ASSERT_TRUE(verdict.accepted) << verdict.log;
    EXPECT_EQ(verdict.maps, std::vector<uint32_t>{1});
    EXPECT_EQ(verdict.helpers, std::vector<uint32_t>{1});
    EXPECT_GE(verdict.stack_depth, 4u);
    const InsnFact& load = verdict.facts.insns[8];
    EXPECT_EQ(load.region, Region::MapValue);
    EXPECT_EQ(load.map, 1u);
    EXPECT_EQ(load.lowest, 4);
    EXPECT_EQ(load.highest, 7);
    EXPECT_TRUE(load.plain);
    EXPECT_EQ(verdict.facts.insns[11].lowest, 8);
    EXPECT_EQ(verdict.facts.insns[11].highest, 15);
    EXPECT_TRUE(verdict.facts.insns[12].never_taken);
    EXPECT_FALSE(verdict.facts.insns[15].reached);
    const RegisterFact& r1 = verdict.facts.reg(12, 1);
    EXPECT_EQ(r1.kind, RegisterFact::Kind::Scalar);
    EXPECT_EQ(r1.value.umax, 7u);
    EXPECT_EQ(verdict.facts.reg(8, 0).kind, RegisterFact::Kind::Pointer);
}

TEST(Verify, OnlyMemoryOfTheProgramIsPlain) {
    Options options;
    options.facts = true;
    const Verdict verdict = verdict_of(
        "r2 = *(u32 *)(r1 + 0)\n*(u64 *)(r10 - 8) = r2\nr0 = *(u64 *)(r10 - 8)\nr0 = 0\nexit",
        ProgType::SocketFilter, options);
    ASSERT_TRUE(verdict.accepted) << verdict.reason;
    EXPECT_EQ(verdict.facts.insns[0].region, Region::Ctx);
    EXPECT_FALSE(verdict.facts.insns[0].plain);
    EXPECT_TRUE(verdict.facts.insns[1].plain);
    EXPECT_TRUE(verdict.facts.insns[2].plain);
}

TEST(Verify, KeepsStatesWhereWanted) {
    // Both paths are the same for safety, so without exact numbers the second is pruned.
    constexpr std::string_view kText = R"(
        r3 = *(u32 *)(r1 + 0)
        r2 = 1
        if r3 > 5 goto +1
        r2 = 2
        r0 = 0
        r0 = 0
        r0 = 0
        r0 = 0
        r2 += 1
        exit)";
    Options options;
    options.states = options.exact_numbers = options.test_state_freq = true;
    const Verdict verdict = verdict_of(kText, ProgType::SocketFilter, options);
    ASSERT_TRUE(verdict.accepted) << verdict.reason;
    ASSERT_TRUE(verdict.states && verdict.states->complete());
    std::set<uint64_t> numbers;
    for (const KnownState& state : verdict.states->at(8)) {
        EXPECT_TRUE(state.is_live(2));
        numbers.insert(state.regs[2].value.constant_value());
    }
    EXPECT_EQ(numbers, (std::set<uint64_t>{1, 2}));
    EXPECT_FALSE(verdict_of(kText, ProgType::SocketFilter).states);
}

TEST(Verify, OlderKernelsKnowLess) {
    platform::Platform old = platform::linux_6_18();
    const auto first_release = [&](std::string_view source) -> std::string {
        const TestProgram test = test_program(source);
        for (const auto version : {platform::KernelVersion("5.15"), platform::KernelVersion("6.1"),
                                   platform::KernelVersion("6.12")}) {
            old.version = version;
            if (verify(test.object, test.prog, old)->accepted) return version.to_string();
        }
        return verify(test.object, test.prog, platform::linux_6_18())->accepted ? "6.18" : "never";
    };
    EXPECT_EQ(first_release("r0 = 1\nexit"), "5.15");
    EXPECT_EQ(first_release("r0 = *(u64 *)(r10 - 8)\nexit"), "6.1");
    EXPECT_EQ(first_release("r0 = 1\nr0 s/= 3\nexit"), "6.12");
    EXPECT_EQ(first_release("r0 = 1\nr0 = bswap16 r0\nexit"), "6.12");
    EXPECT_EQ(first_release("r0 = 1\nmay_goto out\nout:\nexit"), "6.18");
    EXPECT_EQ(first_release("r0 = 1\nr0 += r3\nexit"), "never");
    // The low half of a number on the stack decides the branch.
    EXPECT_EQ(first_release("*(u64 *)(r10 - 32) = 1\nr0 = *(u16 *)(r10 - 32)\nif r0 & 4 goto bad\n"
                            "r0 = 0\nexit\nbad:\nr0 += r3\nexit"),
              "6.12");
}

TEST(Verify, OlderKernelsToLoadersWithoutPerfmon) {
    const auto verdict_on = [](platform::KernelVersion version, std::string_view source) {
        platform::Platform old = platform::linux_6_18();
        old.version = version;
        const TestProgram test = test_program(source, ProgType::Xdp);
        const Verdict verdict = *verify(test.object, test.prog, old, {.perfmon = false});
        return verdict.accepted ? "accepted" : verdict.reason;
    };
    constexpr platform::KernelVersion k61("6.1"), k612("6.12");
    // A packet pointer that is lost: a number, later nothing.
    constexpr std::string_view kLost =
        "r8 = *(u32 *)(r1 + 4)\nr2 = 0\ncall bpf_xdp_adjust_head\nr0 = r8\nexit";
    EXPECT_NE(verdict_on(k61, kLost), "R8 !read_ok");
    EXPECT_EQ(verdict_on(k612, kLost), "R8 !read_ok");
    // Writing over part of a number on the stack.
    constexpr std::string_view kOver =
        "r2 = 31\n*(u16 *)(r10 - 16) = r2\n*(u8 *)(r10 - 15) = 1\nr0 = 0\nexit";
    EXPECT_EQ(verdict_on(k61, kOver), "attempt to corrupt spilled pointer on stack");
    EXPECT_EQ(verdict_on(k612, kOver), "accepted");
    EXPECT_EQ(verdict_on(k61, "*(u64 *)(r10 - 16) = 0\n*(u8 *)(r10 - 15) = 1\nr0 = 0\nexit"),
              "accepted");
    // What only speculation reaches must be an instruction of that kernel, too.
    constexpr std::string_view kNever = "r0 = 0\nif r0 s<= -8 goto +1\nexit\nr0 s/= -8\nexit";
    EXPECT_NE(verdict_on(k61, kNever), "accepted");
    EXPECT_EQ(verdict_on(k612, kNever), "accepted");
}

TEST(Verify, MayGotoEnds) {
    accepts("r0 = 0\nagain:\nmay_goto out\nr0 += 1\ngoto again\nout:\nr0 = 0\nexit");
}

}  // namespace
}  // namespace skep::verifier
