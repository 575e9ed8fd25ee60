// SPDX-License-Identifier: Apache-2.0
#include "engine/interpreter.hpp"

#include "engine/testing.hpp"

namespace skep::engine {
namespace {

using ::testing::HasSubstr;

uint64_t result(std::string_view text) {
    const Outcome outcome = run(text);
    EXPECT_FALSE(outcome.fault) << text << "\n" << outcome.fault->to_string();
    return outcome.r0;
}

Fault fault(std::string_view text, std::span<uint8_t> memory = {}, uint64_t budget = 10'000) {
    const Outcome outcome = run(text, memory, budget);
    EXPECT_TRUE(outcome.fault) << text;
    return outcome.fault.value_or(Fault{});
}

TEST(Interpreter, ArithmeticIs64BitAnd32BitFormsZeroTheUpperHalf) {
    EXPECT_EQ(result("r0 = -1\nr0 += 2\nexit"), 1u);
    EXPECT_EQ(result("r0 = -1\nw0 += 1\nexit"), 0u);
    EXPECT_EQ(result("r0 = 0x1ffffffff ll\nw0 += 1\nexit"), 0u);
    EXPECT_EQ(result("r0 = -8\nr0 s>>= 1\nexit"), uint64_t(-4));
    EXPECT_EQ(result("w0 = -8\nw0 s>>= 1\nexit"), 0xfffffffcu);
    EXPECT_EQ(result("r0 = 1\nr0 <<= 63\nexit"), uint64_t{1} << 63);
    EXPECT_EQ(result("r1 = 65\nr0 = 1\nr0 <<= r1\nexit"), 2u);
    EXPECT_EQ(result("r0 = 5\nr0 = -r0\nexit"), uint64_t(-5));
}

TEST(Interpreter, DivisionNeverTraps) {
    EXPECT_EQ(result("r0 = 7\nr1 = 0\nr0 /= r1\nexit"), 0u);
    EXPECT_EQ(result("r0 = 7\nr1 = 0\nr0 %= r1\nexit"), 7u);
    EXPECT_EQ(result("r0 = 0x100000007 ll\nr1 = 0\nw0 %= w1\nexit"), 7u);
    EXPECT_EQ(result("r0 = 0x8000000000000000 ll\nr1 = -1\nr0 s/= r1\nexit"), uint64_t{1} << 63);
    EXPECT_EQ(result("r0 = 0x8000000000000000 ll\nr1 = -1\nr0 s%= r1\nexit"), 0u);
    EXPECT_EQ(result("r0 = -7\nr0 s/= 2\nexit"), uint64_t(-3));
    EXPECT_EQ(result("r0 = -7\nr0 s%= 2\nexit"), uint64_t(-1));
}

TEST(Interpreter, MovesExtendAndBytesSwap) {
    EXPECT_EQ(result("r1 = 0x80\nr0 = (s8)r1\nexit"), uint64_t(-128));
    EXPECT_EQ(result("r1 = 0x8000\nw0 = (s16)w1\nexit"), 0xffff8000u);
    EXPECT_EQ(result("r0 = 0x1122334455667788 ll\nr0 = be32 r0\nexit"), 0x88776655u);
    EXPECT_EQ(result("r0 = 0x1122334455667788 ll\nr0 = le16 r0\nexit"), 0x7788u);
    EXPECT_EQ(result("r0 = 0x1122334455667788 ll\nr0 = bswap64 r0\nexit"), 0x8877665544332211u);
}

TEST(Interpreter, JumpsCompareInTheirWidth) {
    EXPECT_EQ(result("r0 = 0\nr1 = 0x100000000 ll\nif w1 == 0 goto +1\nexit\nr0 = 1\nexit"), 1u);
    EXPECT_EQ(result("r0 = 0\nr1 = -1\nif r1 s< 0 goto +1\nexit\nr0 = 1\nexit"), 1u);
    EXPECT_EQ(result("r0 = 0\nr1 = -1\nif r1 < 1 goto +1\nexit\nr0 = 1\nexit"), 0u);
    EXPECT_EQ(result("r0 = 0\nr1 = 10\nr0 += r1\nr1 += -1\nif r1 != 0 goto -3\nexit"), 55u);
}

TEST(Interpreter, FunctionsKeepTheRegistersOfTheirCallers) {
    EXPECT_EQ(result("main:\nr6 = 5\nr1 = 3\ncall twice\nr0 += r6\nexit\n"
                     "twice:\nr6 = r1\nr6 += r1\nr0 = r6\nexit"),
              11u);
    // Each has a frame of its own, and may write to its caller's.
    EXPECT_EQ(result("main:\n*(u64 *)(r10 - 8) = 1\nr1 = r10\nr1 += -8\ncall f\n"
                     "r0 = *(u64 *)(r10 - 8)\nexit\n"
                     "f:\n*(u64 *)(r10 - 8) = 9\n*(u64 *)(r1 + 0) = 4\nr0 = 0\nexit"),
              4u);
}

TEST(Interpreter, AtomicsFetchWhatWasThere) {
    EXPECT_EQ(result("*(u64 *)(r10 - 8) = 5\nr1 = 2\nr1 = atomic_fetch_add((u64 *)(r10 - 8), r1)\n"
                     "r0 = *(u64 *)(r10 - 8)\nr0 <<= 8\nr0 |= r1\nexit"),
              0x705u);
    EXPECT_EQ(result("*(u32 *)(r10 - 8) = 5\nw0 = 5\nw1 = 6\nw0 = cmpxchg32_32(r10 - 8, w0, w1)\n"
                     "w0 = *(u32 *)(r10 - 8)\nexit"),
              6u);
    EXPECT_EQ(fault("*(u64 *)(r10 - 8) = 0\nr1 = 2\nr2 = r10\nr2 += -7\n"
                    "lock *(u32 *)(r2 + 0) += w1\nr0 = 0\nexit")
                  .kind,
              Fault::Kind::Misaligned);
}

TEST(Interpreter, MemoryIsTheBufferAndTheStackAndNothingElse) {
    std::array<uint8_t, 16> buffer{1, 2, 3, 4};
    EXPECT_EQ(run("r0 = *(u32 *)(r1 + 0)\nr0 += r2\nexit", buffer).r0, 0x04030201u + 16);
    EXPECT_EQ(
        run("r3 = *(u8 *)(r1 + 15)\n*(u64 *)(r1 + 8) = 7\nr0 = *(u64 *)(r1 + 8)\nexit", buffer).r0,
        7u);

    const Fault behind = fault("r0 = *(u64 *)(r1 + 9)\nexit", buffer);
    EXPECT_EQ(behind.kind, Fault::Kind::BadAccess);
    EXPECT_EQ(behind.insn, 0u);
    EXPECT_EQ(behind.reg, 1);
    EXPECT_THAT(behind.message, HasSubstr("offset 9 of the context, which has only 16 bytes"));

    EXPECT_EQ(fault("r0 = *(u8 *)(r1 - 1)\nexit", buffer).kind, Fault::Kind::BadAccess);
    EXPECT_EQ(fault("*(u8 *)(r10 + 0) = 1\nr0 = 0\nexit").kind, Fault::Kind::BadAccess);
    EXPECT_EQ(fault("r0 = *(u8 *)(r10 - 513)\nexit").kind, Fault::Kind::BadAccess);
    EXPECT_THAT(fault("r1 = 0\nr0 = *(u32 *)(r1 + 8)\nexit").message, HasSubstr("null pointer"));
    EXPECT_EQ(fault("r1 = -4\nr0 = *(u64 *)(r1 + 0)\nexit").kind, Fault::Kind::BadAccess);
}

TEST(Interpreter, EndlessProgramsEnd) {
    EXPECT_EQ(fault("r0 = 0\ngoto -1").kind, Fault::Kind::Budget);
    EXPECT_EQ(fault("r0 = 0\nif r0 == 0 goto -1\nexit").kind, Fault::Kind::Budget);
    EXPECT_EQ(fault("f:\ncall f\nexit").kind, Fault::Kind::CallDepth);
    const Outcome bounded =
        run("r0 = 0\nr0 += 1\nmay_goto +1\ngoto -3\nexit", {}, uint64_t{1} << 26);
    EXPECT_EQ(bounded.r0, (uint64_t{1} << 23) + 1);
}

TEST(Interpreter, HelpersMustExist) {
    const Env env;
    const auto unknown = Object::load(object_of("call 0x1869f\nexit"), env);
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().message, HasSubstr("helper 99999, which does not exist"));
    const auto elsewhere = Object::load(object_of("call 28\nexit"), env);  // fib: get_stackid is 27
    ASSERT_FALSE(elsewhere);
    EXPECT_EQ(elsewhere.error().code, ErrorCode::Unsupported);
    // In code that cannot be reached they need not.
    EXPECT_EQ(result("r1 = 0\nif r1 == 0 goto +1\ncall 0x1869f\nr0 = 4\nexit"), 4u);
}

}  // namespace
}  // namespace skep::engine
