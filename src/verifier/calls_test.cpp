// SPDX-License-Identifier: Apache-2.0
// Calls of helpers: for each rule a program that is accepted and a twin that is refused.
#include <gtest/gtest.h>

#include "verifier/verify_testing.hpp"

namespace skep::verifier {
namespace {

// test_object()'s maps, then 3: ring buffer, 4: programs, 5: per-CPU array, 6: socket map.
object::ObjectSpec object_of_calls() {
    object::ObjectSpec object = test_object();
    const auto add = [&](std::string name, MapType type, uint32_t key, uint32_t value) {
        object::MapSpec map;
        map.name = std::move(name);
        map.type = type;
        map.key_size = key;
        map.value_size = value;
        map.max_entries = 4096;
        object.maps.push_back(map);
    };
    add("ring", MapType::Ringbuf, 0, 0);
    add("progs", MapType::ProgArray, 4, 4);
    add("percpu", MapType::PercpuArray, 4, 8);
    add("sockets", MapType::Sockmap, 4, 4);
    return object;
}

Verdict judge(std::string_view source, ProgType type, std::string_view license = "GPL",
              bool privileged = true) {
    TestProgram test = test_program(source, type);
    test.object = object_of_calls();
    test.object.license = license;
    Options options;
    options.log = true;
    options.privileged = privileged;
    auto verdict = verify(test.object, test.prog, platform::linux_6_18(), options);
    return verdict ? *verdict : Verdict{};
}

void takes(std::string_view source, ProgType type = ProgType::SchedCls) {
    const Verdict verdict = judge(source, type);
    EXPECT_TRUE(verdict.accepted) << verdict.log;
}

void denies(std::string_view words, std::string_view source, ProgType type = ProgType::SchedCls,
            std::string_view license = "GPL") {
    const Verdict verdict = judge(source, type, license);
    EXPECT_FALSE(verdict.accepted) << verdict.log;
    EXPECT_NE(verdict.log.find(words), std::string::npos) << verdict.log;
}

TEST(Calls, HelpersExistAndAreForSomePrograms) {
    takes("call bpf_ktime_get_ns\nexit");
    denies("invalid func unknown#9999", "call 9999\nexit");
    denies("program of this type cannot use helper bpf_xdp_adjust_head#44",
           "r2 = 0\ncall bpf_xdp_adjust_head\nexit");
    denies("cannot call GPL-restricted function from non-GPL compatible program",
           "r1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\ncall bpf_probe_read_kernel\nr0 = 0\nexit",
           ProgType::Tracepoint, "Proprietary");
}

TEST(Calls, UnprivilegedProgramsHaveFewerHelpers) {
    const std::string_view source = "call bpf_jiffies64\nr0 = 0\nexit";
    EXPECT_TRUE(judge(source, ProgType::SocketFilter).accepted);
    const Verdict verdict = judge(source, ProgType::SocketFilter, "GPL", false);
    EXPECT_FALSE(verdict.accepted);
    EXPECT_NE(verdict.reason.find("cannot use helper bpf_jiffies64"), std::string::npos)
        << verdict.reason;
}

TEST(Calls, ArgumentsHaveTypes) {
    takes("r2 = 0\nr3 = r10\nr3 += -8\nr4 = 8\ncall bpf_skb_load_bytes\nr0 = 0\nexit");
    denies("R1 type=scalar expected=ctx",
           "r1 = 1\nr2 = 0\nr3 = r10\nr3 += -8\nr4 = 8\ncall bpf_skb_load_bytes\nr0 = 0\nexit");
    denies("R3 !read_ok", "r2 = 0\nr4 = 8\ncall bpf_skb_load_bytes\nr0 = 0\nexit");
    denies("R4 invalid zero-sized read",
           "r2 = 0\nr3 = r10\nr3 += -8\nr4 = 0\ncall bpf_skb_load_bytes\nr0 = 0\nexit");
    denies("R4 min value is negative, either use unsigned or 'var &= const'",
           "r2 = 0\nr3 = r10\nr3 += -8\nr4 = -8\ncall bpf_skb_load_bytes\nr0 = 0\nexit");
    denies("invalid write to stack R3 off=-8 size=16",
           "r2 = 0\nr3 = r10\nr3 += -8\nr4 = 16\ncall bpf_skb_load_bytes\nr0 = 0\nexit");
}

TEST(Calls, MapsAndKeys) {
    takes(R"(*(u32 *)(r10 - 4) = 1
        r2 = r10
        r2 += -4
        ld_pseudo r1, 0x1, 0x0
        call bpf_map_delete_elem
        r0 = 0
        exit)");
    denies("R1 type=ctx expected=map_ptr",
           "r2 = r10\nr2 += -4\n*(u32 *)(r10 - 4) = 1\ncall bpf_map_delete_elem\nexit");
    denies("cannot pass map_type 3 into func bpf_map_delete_elem#3", R"(
        *(u64 *)(r10 - 8) = 1
        r2 = r10
        r2 += -8
        ld_pseudo r1, 0x1, 0x4
        call bpf_map_delete_elem
        r0 = 0
        exit)");
    denies("write into map forbidden", R"(*(u32 *)(r10 - 4) = 0
        r2 = r10
        r2 += -4
        r3 = r10
        r3 += -16
        *(u64 *)(r10 - 16) = 0
        r4 = 0
        ld_pseudo r1, 0x1, 0x2
        call bpf_map_update_elem
        r0 = 0
        exit)");
}

TEST(Calls, LookupsAtConstantKeysInRangeCannotFail) {
    constexpr std::string_view kLookup = R"(
        r2 = r10
        r2 += -8
        ld_pseudo r1, 0x1, 0x1
        call bpf_map_lookup_elem
        r0 = *(u64 *)(r0 + 0)
        r0 = 0
        exit)";
    takes("*(u32 *)(r10 - 8) = 7\n" + std::string(kLookup));
    denies("map_value_or_null", "*(u32 *)(r10 - 8) = 8\n" + std::string(kLookup));
}

TEST(Calls, TailCalls) {
    takes("ld_pseudo r2, 0x1, 0x4\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit");
    denies("cannot pass map_type",
           "ld_pseudo r2, 0x1, 0x1\nr3 = 0\ncall bpf_get_stackid\nr0 = 0\nexit", ProgType::Kprobe);
    denies("expected prog array map for tail call",
           "ld_pseudo r2, 0x1, 0x1\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit");
}

constexpr std::string_view kReserve = R"(
    ld_pseudo r1, 0x1, 0x3
    r2 = 16
    r3 = 0
    call bpf_ringbuf_reserve
)";

TEST(Calls, ReservationsAreGivenBack) {
    const std::string reserve(kReserve);
    takes(reserve +
          "if r0 == 0 goto +4\n*(u64 *)(r0 + 8) = 1\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\n"
          "r0 = 0\nexit");
    denies("Unreleased reference id=", reserve + "r0 = 0\nexit");
    denies("invalid mem access 'ringbuf_mem_or_null'",
           reserve + "*(u64 *)(r0 + 0) = 1\nr0 = 0\nexit");
    denies("invalid access to memory, mem_size=16 off=16 size=8",
           reserve + "if r0 == 0 goto +1\n*(u64 *)(r0 + 16) = 1\nr0 = 0\nexit");
    // Given back, it is nothing any more.
    denies("invalid mem access 'scalar'", reserve + R"(
        if r0 == 0 goto out
        r6 = r0
        r1 = r0
        r2 = 0
        call bpf_ringbuf_discard
        *(u64 *)(r6 + 0) = 1
    out:
        r0 = 0
        exit)");
    denies("R2 is not a known constant", R"(
        r2 = *(u32 *)(r1 + 0)
        ld_pseudo r1, 0x1, 0x3
        r3 = 0
        call bpf_ringbuf_reserve
        exit)");
}

TEST(Calls, SocketsAreReleased) {
    constexpr std::string_view kFind = R"(
        *(u64 *)(r10 - 8) = 0
        *(u32 *)(r10 - 12) = 0
        r2 = r10
        r2 += -12
        r3 = 12
        r4 = 0
        r5 = 0
        call bpf_sk_lookup_tcp
    )";
    takes(std::string(kFind) + "if r0 == 0 goto +2\nr1 = r0\ncall bpf_sk_release\nr0 = 0\nexit");
    denies("Unreleased reference", std::string(kFind) + "r0 = 0\nexit");
    denies("R1 must be referenced when passed to release function",
           "r1 = *(u64 *)(r1 + 168)\nif r1 == 0 goto +1\ncall bpf_sk_release\nr0 = 0\nexit");
}

TEST(Calls, HelpersThatChangePacketsUndoChecks) {
    constexpr std::string_view kCheck = R"(
        r6 = r1
        r7 = *(u32 *)(r1 + 76)
        r8 = *(u32 *)(r1 + 80)
        r2 = r7
        r2 += 14
        if r2 > r8 goto out
    )";
    takes(std::string(kCheck) + "r0 = *(u8 *)(r7 + 0)\nout:\nr0 = 0\nexit");
    denies("invalid mem access 'scalar'", std::string(kCheck) + R"(
        r1 = r6
        r2 = 0
        call bpf_skb_pull_data
        r0 = *(u8 *)(r7 + 0)
    out:
        r0 = 0
        exit)");
}

TEST(Calls, DynptrsAreMadeAndSubmitted) {
    constexpr std::string_view kMake = R"(
        ld_pseudo r1, 0x1, 0x3
        r2 = 16
        r3 = 0
        r4 = r10
        r4 += -16
        call bpf_ringbuf_reserve_dynptr
    )";
    takes(std::string(kMake) +
          "r1 = r10\nr1 += -16\nr2 = 0\ncall bpf_ringbuf_submit_dynptr\n"
          "r0 = 0\nexit");
    denies("Unreleased reference", std::string(kMake) + "r0 = 0\nexit");
    denies("cannot overwrite referenced dynptr",
           std::string(kMake) + "*(u64 *)(r10 - 16) = 0\nr0 = 0\nexit");
    denies("arg 1 is an unacquired reference",
           "*(u64 *)(r10 - 16) = 0\n*(u64 *)(r10 - 8) = 0\nr1 = r10\nr1 += -16\nr2 = 0\n"
           "call bpf_ringbuf_submit_dynptr\nr0 = 0\nexit");
}

TEST(Calls, WhatMattersInARoundMattersInTheOneBefore) {
    // The callback writes through a number that an earlier round left for it: -32, or -600, which
    // is below its stack. The path on which it leaves -32 is done before that number matters.
    const TestProgram test = test_program(R"(
        call bpf_get_prandom_u32
        *(u64 *)(r10 - 8) = r0
        *(u64 *)(r10 - 16) = -32
        r1 = 7
        ld_pseudo r2, 0x4, 0x6
        r3 = r10
        r4 = 0
        call bpf_loop
        r0 = 0
        exit
        r9 = r2
        r8 = *(u64 *)(r9 - 8)
        r6 = *(u64 *)(r9 - 16)
        call bpf_get_prandom_u32
        if r0 > r8 goto use
    again:
        call bpf_get_prandom_u32
        if r0 > r8 goto change
    out:
        r0 = 0
        exit
    use:
        r1 = r10
        r1 += r6
        *(u64 *)(r1 + 0) = 42
        goto again
    change:
        *(u64 *)(r9 - 16) = -600
        goto out)");
    const Verdict verdict =
        *verify(test.object, test.prog, platform::embedded(), {.test_state_freq = true});
    EXPECT_FALSE(verdict.accepted);
    EXPECT_NE(verdict.reason.find("math between fp pointer and register"), std::string::npos);
}

TEST(Calls, TimersNeedTypes) {
    denies("has to have BTF in order to use bpf_timer", R"(
        *(u32 *)(r10 - 4) = 0
        r2 = r10
        r2 += -4
        ld_pseudo r1, 0x1, 0x1
        call bpf_map_lookup_elem
        if r0 == 0 goto out
        r1 = r0
        ld_pseudo r2, 0x1, 0x1
        r3 = 0
        call bpf_timer_init
    out:
        r0 = 0
        exit)");
}

TEST(Calls, KernelTypesNeedTheKernelsBtf) {
    TestProgram test = test_program("r0 = 0\nexit", ProgType::Tracing);
    test.prog.attach_type = AttachType::TraceRawTp;
    test.prog.attach_target = "sched_switch";
    const auto verdict = verify(test.object, test.prog, platform::linux_6_18());
    ASSERT_TRUE(verdict);
    EXPECT_FALSE(verdict->accepted);
    EXPECT_EQ(verdict->rule, Rule::AttachTarget);
}

TEST(Calls, SleepableProgramsAreOfSomeTypes) {
    TestProgram test = test_program("r0 = 0\nexit", ProgType::SchedCls);
    test.prog.sleepable = true;
    const auto verdict = verify(test.object, test.prog, platform::linux_6_18());
    ASSERT_TRUE(verdict);
    EXPECT_NE(verdict->reason.find("programs can be sleepable"), std::string::npos);
}

}  // namespace
}  // namespace skep::verifier
