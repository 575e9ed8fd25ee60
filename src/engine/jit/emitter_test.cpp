// SPDX-License-Identifier: Apache-2.0
// Machine code of both tiers against the interpreter: the same object is loaded for both, run on
// the same events, and must do the same.
#include "engine/jit/emitter.hpp"

#include <fmt/format.h>

#include "engine/embedded_types.hpp"
#include "engine/jit/optimise.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/testing.hpp"

namespace skep::engine {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kEdges[] = {0,
                               1,
                               2,
                               7,
                               31,
                               32,
                               63,
                               64,
                               0x7f,
                               0x80,
                               0xff,
                               0x8000,
                               0x7fffffff,
                               0x80000000,
                               0xffffffff,
                               0x100000000,
                               0x1122334455667788,
                               0x7fffffffffffffff,
                               0x8000000000000000,
                               0x8000000000000001,
                               0xfffffffffffffffe,
                               0xffffffffffffffff};

/// Whether this process can run machine code at all.
bool can_run() {
    const Result<jit::Trampoline>& trampoline = jit::trampoline();
    if (!trampoline) {
        EXPECT_EQ(trampoline.error().code, ErrorCode::Unsupported);
    }
    return trampoline.has_value();
}

class Emitter : public ::testing::TestWithParam<Jit> {
  protected:
    void SetUp() override {
        if (!can_run()) GTEST_SKIP() << jit::trampoline().error().message;
        if (optimises())
            if (const auto module = jit::optimiser(); !module)
                GTEST_SKIP() << module.error().message;
        env_.printk = [this](std::string_view text) { printed_ += text; };
        execution_ = *Execution::create(env_);
    }

    static bool optimises() { return GetParam() == Jit::Optimising; }

    std::unique_ptr<Object> load(const object::ObjectSpec& spec, Jit jit) {
        auto object = Object::load(spec, env_, {.jit = jit});
        EXPECT_TRUE(object) << object.error().to_string();
        if (!object) return nullptr;
        for (const auto& prog : (*object)->progs()) {
            EXPECT_TRUE(prog->runs_unchecked()) << prog->why_not_verified();
            EXPECT_EQ(prog->native() != nullptr, jit != Jit::Off) << prog->why_not_native();
            EXPECT_EQ(prog->optimised() != nullptr, jit == Jit::Optimising)
                << prog->why_not_optimised();
        }
        return std::move(*object);
    }

    Outcome run(const Object& object, std::span<const uint64_t> context) {
        Bytes bytes(std::max<size_t>(context.size() * 8, 8));
        if (!context.empty()) std::memcpy(bytes.data(), context.data(), context.size() * 8);
        Event event{.ctx = bytes.data(), .ctx_size = uint32_t(bytes.size()), .task = &task_};
        execution_->budget = budget_;
        return object.progs()[0]->run(*execution_, event);
    }

    /// Of both, which must be the same.
    Outcome both(const object::ObjectSpec& spec, std::span<const uint64_t> context = {}) {
        const auto interpreted = load(spec, Jit::Off), native = load(spec, GetParam());
        if (!interpreted || !native) return {};
        const Outcome expected = run(*interpreted, context), outcome = run(*native, context);
        EXPECT_EQ(outcome.r0, expected.r0);
        EXPECT_EQ(outcome.fault ? outcome.fault->to_string() : "",
                  expected.fault ? expected.fault->to_string() : "");
        return outcome;
    }
    Outcome both(std::string_view text, std::span<const uint64_t> context = {}) {
        SCOPED_TRACE(text);
        return both(object_of(text, ProgType::RawTracepoint), context);
    }

    /// `text` with each pair of numbers in rD and rS; then all registers count.
    void try_numbers(const std::string& text, int dst, int src) {
        std::string program =
            "r0 = *(u64 *)(r1 + 0)\n*(u64 *)(r10 - 512) = r0\n"
            "r0 = *(u64 *)(r1 + 8)\n*(u64 *)(r10 - 504) = r0\n";
        for (int i = 0; i <= 9; i++)
            program += fmt::format("r{0} = {0}\nr{0} <<= 33\nr{0} += {0}\n", i);
        program += fmt::format("r{} = *(u64 *)(r10 - 504)\nr{} = *(u64 *)(r10 - 512)\n", src, dst);
        program += text + "\n";
        for (int i = 1; i <= 9; i++) program += fmt::format("r0 *= 31\nr0 ^= r{}\n", i);
        program += "exit";
        const object::ObjectSpec spec = object_of(program, ProgType::RawTracepoint);
        const auto interpreted = load(spec, Jit::Off), native = load(spec, GetParam());
        if (!interpreted || !native) return;
        for (const uint64_t a : kEdges)
            for (const uint64_t b : kEdges) {
                const uint64_t context[] = {a, b};
                const Outcome expected = run(*interpreted, context),
                              outcome = run(*native, context);
                ASSERT_FALSE(outcome.fault);
                ASSERT_EQ(outcome.r0, expected.r0)
                    << text << fmt::format(" on {:#x} and {:#x}\n", a, b) << program;
            }
    }

    Env env_;
    NoTask task_;
    std::string printed_;
    uint64_t budget_ = 1'000'000;
    std::unique_ptr<Execution> execution_;
};

INSTANTIATE_TEST_SUITE_P(Tiers, Emitter, ::testing::Values(Jit::Baseline, Jit::Optimising),
                         [](const auto& tier) {
                             return tier.param == Jit::Baseline ? "Baseline" : "Optimising";
                         });

constexpr std::pair<int, int> kAllPairs[] = {
    {0, 1}, {0, 2}, {0, 3}, {1, 0}, {1, 2}, {1, 3}, {2, 0}, {2, 3}, {2, 9}, {3, 0}, {3, 2},
    {3, 3}, {3, 6}, {2, 2}, {0, 0}, {6, 3}, {6, 0}, {6, 2}, {7, 4}, {4, 8}, {5, 5}};

/// Which registers it is matters only to the baseline; the other tier takes longer to load.
std::span<const std::pair<int, int>> pairs(Jit jit) {
    static constexpr std::pair<int, int> kFew[] = {{0, 1}, {2, 2}};
    if (jit == Jit::Optimising) return kFew;
#ifdef __SANITIZE_ADDRESS__
    return std::span(kAllPairs).first(
        8);  // the code is the same; to make it takes ten times as long
#else
    return kAllPairs;
#endif
}

TEST_P(Emitter, ArithmeticOfRegisters) {
    for (const auto& [dst, src] : pairs(GetParam()))
        for (const char* op : {"+=", "-=", "*=", "/=", "%=", "s/=", "s%=", "|=", "&=", "^=", "<<=",
                               ">>=", "s>>=", "="})
            for (const char width : {'r', 'w'})
                try_numbers(fmt::format("{0}{1} {2} {0}{3}", width, dst, op, src), dst, src);
}

TEST_P(Emitter, ArithmeticOfNumbers) {
    constexpr int32_t kNumbers[] = {1,
                                    -1,
                                    2,
                                    3,
                                    5,
                                    7,
                                    10,
                                    -7,
                                    64,
                                    100,
                                    255,
                                    641,
                                    65535,
                                    1000000,
                                    127,
                                    1 << 20,
                                    0x7fffffff,
                                    INT32_MIN,
                                    INT32_MIN + 1,
                                    1 << 30};
    const std::vector<int> targets = optimises() ? std::vector{3} : std::vector{0, 1, 2, 3, 8};
    for (const int dst : targets)
        for (const char* op : {"+=", "-=", "*=", "/=", "%=", "s/=", "s%=", "|=", "&=", "^=", "="})
            for (const char width : {'r', 'w'})
                for (const int32_t number : kNumbers)
                    try_numbers(fmt::format("{}{} {} {}", width, dst, op, number), dst,
                                dst == 4 ? 5 : 4);
    for (const int dst : targets)
        for (const char* op : {"<<=", ">>=", "s>>="})
            for (const char width : {'r', 'w'})
                for (const int count : {0, 1, 8, 31, 32, 63})
                    if (width == 'r' || count < 32)
                        try_numbers(fmt::format("{}{} {} {}", width, dst, op, count), dst, 4);
}

TEST_P(Emitter, MovesAndBytes) {
    for (const auto& [dst, src] : pairs(GetParam())) {
        for (const char* text : {"r{} = (s8)r{}", "r{} = (s16)r{}", "r{} = (s32)r{}",
                                 "w{} = (s8)w{}", "w{} = (s16)w{}"})
            try_numbers(fmt::format(fmt::runtime(text), dst, src), dst, src);
        for (const char* text :
             {"r{0} = le16 r{0}", "r{0} = le32 r{0}", "r{0} = be16 r{0}", "r{0} = be32 r{0}",
              "r{0} = be64 r{0}", "r{0} = bswap16 r{0}", "r{0} = -r{0}", "w{0} = -w{0}"})
            try_numbers(fmt::format(fmt::runtime(text), dst), dst, src);
        if (dst != src) {
            try_numbers(fmt::format("r{0} = r{1}\nr{0} += -5", dst, src), dst, src);
            for (const int count : {8, 32, 48, 56})
                for (const char* then : {">>=", "s>>="})
                    try_numbers(fmt::format("r{0} <<= {1}\nr{0} {2} {1}", dst, count, then), dst,
                                src);
        }
    }
}

TEST_P(Emitter, Jumps) {
    for (const auto& [dst, src] : pairs(GetParam()))
        for (const char* op : {"==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&"})
            for (const char width : {'r', 'w'}) {
                try_numbers(
                    fmt::format("if {0}{1} {2} {0}{3} goto +1\nr9 = 5", width, dst, op, src), dst,
                    src);
                for (const int32_t number : {0, 1, -1, 0x7fffffff})
                    try_numbers(
                        fmt::format("if {}{} {} {} goto +1\nr9 = 5", width, dst, op, number), dst,
                        src);
                // Backward, at most once.
                try_numbers(fmt::format("r9 = 0\ngoto +3\nr9 += 1\nif r9 > 1 goto +2\ngoto +0\n"
                                        "if {0}{1} {2} {0}{3} goto -4",
                                        width, dst, op, src),
                            dst == 9 ? 8 : dst, src == 9 ? 8 : src);
            }
}

TEST_P(Emitter, Memory) {
    constexpr std::string_view kFill = "*(u64 *)(r10 - 8) = r2\n*(u64 *)(r10 - 16) = r3\n";
    for (const int reg :
         optimises() ? std::vector{0, 3} : std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
        for (const char* text :
             {"r{} = *(u8 *)(r10 - 3)", "r{} = *(u16 *)(r10 - 4)", "r{} = *(u32 *)(r10 - 8)",
              "r{} = *(u64 *)(r10 - 16)", "r{} = *(s8 *)(r10 - 3)", "r{} = *(s16 *)(r10 - 4)",
              "r{} = *(s32 *)(r10 - 8)", "*(u8 *)(r10 - 7) = r{}\nr9 = *(u64 *)(r10 - 8)",
              "*(u16 *)(r10 - 6) = r{}\nr9 = *(u64 *)(r10 - 8)",
              "*(u32 *)(r10 - 4) = r{}\nr9 = *(u64 *)(r10 - 8)",
              "*(u64 *)(r10 - 16) = r{}\nr9 = *(u64 *)(r10 - 16)",
              "r{0} = load_acquire((u32 *)(r10 - 8))",
              "store_release((u16 *)(r10 - 8), r{})\nr9 = *(u64 *)(r10 - 8)"})
            try_numbers(std::string(kFill) + fmt::format(fmt::runtime(text), reg), reg == 2 ? 3 : 2,
                        reg == 2 ? 2 : 3);
    for (const char* text : {"*(u8 *)(r10 - 7) = -1", "*(u16 *)(r10 - 8) = 0x1234",
                             "*(u32 *)(r10 - 4) = -5", "*(u64 *)(r10 - 8) = -6"})
        try_numbers(std::string(kFill) + text + "\nr9 = *(u64 *)(r10 - 8)", 2, 3);
}

TEST_P(Emitter, Atomics) {
    for (const int reg : optimises() ? std::vector{0, 6} : std::vector{0, 1, 2, 3, 6, 9}) {
        const int base = reg == 0 ? 4 : 0;
        const std::string fill = fmt::format(
            "*(u64 *)(r10 - 8) = r2\n*(u64 *)(r10 - 16) = r3\nr{0} = r10\nr{0} += -20\n", base);
        for (const char* size : {"u32", "u64"})
            for (const char* op : {"+=", "|=", "&=", "^="})
                try_numbers(
                    fill + fmt::format("lock *({} *)(r{} + 12) {} {}{}\nr{} = 0\n"
                                       "r9 = *(u64 *)(r10 - 8)",
                                       size, base, op, size[1] == '3' ? 'w' : 'r', reg, base),
                    2, 3);
        for (const char* op : {"add", "or", "and", "xor"}) {
            try_numbers(fill + fmt::format("r{0} = atomic_fetch_{1}((u64 *)(r{2} + 12), r{0})\n"
                                           "r{2} = 0\nr8 = *(u64 *)(r10 - 8)",
                                           reg, op, base),
                        2, 3);
            try_numbers(fill + fmt::format("w{0} = atomic_fetch_{1}((u32 *)(r{2} + 12), w{0})\n"
                                           "r{2} = 0\nr8 = *(u64 *)(r10 - 8)",
                                           reg, op, base),
                        2, 3);
        }
        try_numbers(fill + fmt::format("r{0} = xchg_64(r{1} + 12, r{0})\nr{1} = 0\n"
                                       "r8 = *(u64 *)(r10 - 8)",
                                       reg, base),
                    2, 3);
        try_numbers(fill + fmt::format("w{0} = xchg32_32(r{1} + 12, w{0})\nr{1} = 0\n"
                                       "r8 = *(u64 *)(r10 - 8)",
                                       reg, base),
                    2, 3);
        for (const char* same : {"r0 = r2\n", "r0 = r3\n"}) {
            const std::string begin = std::string("*(u64 *)(r10 - 8) = r2\n") + same;
            try_numbers(begin + fmt::format("r0 = cmpxchg_64(r10 - 8, r0, r{})\n"
                                            "r8 = *(u64 *)(r10 - 8)",
                                            reg),
                        2, 3);
            try_numbers(begin + fmt::format("w0 = cmpxchg32_32(r10 - 8, w0, w{})\n"
                                            "r8 = *(u64 *)(r10 - 8)",
                                            reg),
                        2, 3);
        }
    }
}

TEST_P(Emitter, FunctionsKeepTheRegistersOfTheirCallers) {
    // Seven deep beside main; each uses other registers, and writes to its own frame.
    std::string text =
        "main:\nr6 = 61\nr7 = 71\nr8 = 81\nr9 = 91\n*(u64 *)(r10 - 8) = 5\nr1 = 1\ncall f1\n";
    text +=
        "r0 += r6\nr0 *= 3\nr0 += r7\nr0 *= 3\nr0 += r8\nr0 *= 3\nr0 += r9\n"
        "r1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit\n";
    for (int i = 1; i <= 7; i++) {
        const int reg = 6 + i % 4;
        text += fmt::format("f{}:\nr{} = r1\n*(u64 *)(r10 - 8) = r1\nr1 += {}\n", i, reg, i);
        text += i < 7 ? fmt::format("call f{}\n", i + 1) : "r0 = r1\n";
        text += fmt::format("r0 *= 5\nr0 += r{}\nr1 = *(u64 *)(r10 - 8)\nr0 ^= r1\nexit\n", reg);
    }
    const Outcome outcome = both(text);
    EXPECT_FALSE(outcome.fault);
    EXPECT_NE(outcome.r0, 0u);
}

TEST_P(Emitter, TheBudgetEndsLoopsAndLongRuns) {
    // Twice 10 rounds of 3 instructions and a call each. That there is a may_goto makes it count.
    constexpr std::string_view kText =
        "main:\nmay_goto +0\nr6 = *(u64 *)(r1 + 0)\nr6 &= 15\nr7 = 0\nr8 = 0\n"
        "r1 = r8\ncall f\nr7 += r0\nr8 += 1\nif r8 < r6 goto -5\nr0 = r7\nexit\n"
        "f:\nr2 = 0\nr2 += 1\nif r2 < 5 goto -2\nr0 = r1\nr0 += r2\nexit";
    const uint64_t rounds[] = {10};
    uint64_t least = 0;
    for (budget_ = 0; budget_ < 300 && least == 0; budget_++) {
        const Outcome outcome = both(kText, rounds);
        if (!outcome.fault) {
            EXPECT_EQ(outcome.r0, 95u);
            least = budget_;
        } else {
            EXPECT_EQ(outcome.fault->kind, Fault::Kind::Budget);
        }
    }
    EXPECT_GT(least, 50u);
}

TEST_P(Emitter, TheBudgetDoesNotCountWhatIsBounded) {
    const auto native =
        load(object_of("r0 = 3\nr1 = 0\nr0 += 1\nr1 += 1\nif r1 < 1000 goto -3\nexit",
                       ProgType::RawTracepoint),
             GetParam());
    budget_ = 10;
    const Outcome outcome = run(*native, {});
    EXPECT_FALSE(outcome.fault);
    EXPECT_EQ(outcome.r0, 1003u);
}

TEST_P(Emitter, MayGotoEnds) {
    budget_ = uint64_t{1} << 30;
    constexpr std::string_view kText =
        "main:\nr6 = 0\nr6 += 1\nmay_goto +1\ngoto -3\ncall f\nr0 += r6\nexit\n"
        "f:\nr0 = 0\nr0 += 1\nmay_goto +1\ngoto -3\nexit";
    EXPECT_EQ(both(kText).r0, 2 * ((uint64_t{1} << 23) + 1));
}

TEST_P(Emitter, HelpersGetTheirArguments) {
    // bpf_strtol: 5 arguments would be best, 4 it is; its result and what it writes.
    EXPECT_EQ(both("*(u64 *)(r10 - 8) = 0x333231\nr6 = 7\nr7 = 8\nr8 = 9\nr9 = 10\n"
                   "r1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\nr4 = r10\nr4 += -16\n"
                   "*(u64 *)(r10 - 16) = 0\ncall 105\nr1 = *(u64 *)(r10 - 16)\n"
                   "r0 *= 1000\nr0 += r1\nr0 *= 100000\nr6 *= 1000\nr0 += r6\nr7 *= 100\nr0 += r7\n"
                   "r8 *= 10\nr0 += r8\nr0 += r9\nexit")
                  .r0,
              312300000u + 7000 + 800 + 90 + 10);
    // In a function, and in a loop, whose budget lives in a register.
    both(
        "main:\nmay_goto +0\nr6 = 0\nr7 = 0\ncall 5\nr7 += 1\ncall f\nr6 += r0\nr7 += 1\nif r7 < "
        "20 goto -6\n"
        "r0 = r6\nexit\n"
        "f:\nr6 = 3\ncall 8\nr0 = 1\nr0 += r6\nexit");
}

// The index comes from the stack, and from memory that others may write to. Values of 12 bytes lie
// 16 apart; what is behind the last one is null.
TEST_P(Emitter, LookupsInArrays) {
    constexpr std::string_view kBegin[] = {
        "r6 = *(u64 *)(r1 + 0)\n*(u32 *)(r10 - 4) = r6\nld_pseudo r1, 0x1, 0\nr2 = r10\nr2 += -4\n",
        "r6 = *(u64 *)(r1 + 0)\nr2 = r1\n*(u64 *)(r10 - 8) = r6\nr7 = r10\nr7 += -8\n"
        "ld_pseudo r1, 0x1, 0\nr2 = r7\n"};
    for (const MapType type : {MapType::Array, MapType::PercpuArray})
        for (const std::string_view begin : kBegin) {
            object::ObjectSpec spec =
                object_of(std::string(begin) +
                              "call 1\nif r0 == 0 goto +6\nr1 = *(u64 *)(r0 + 0)\nr1 += 7\n"
                              "r1 += r6\n*(u64 *)(r0 + 0) = r1\nr0 = r1\nexit\nr0 = 99\nexit",
                          ProgType::RawTracepoint);
            spec.maps.push_back({.name = "values",
                                 .type = type,
                                 .key_size = 4,
                                 .value_size = 12,
                                 .max_entries = 5});
            object::ProgSpec& prog = spec.progs[0];
            for (uint32_t i = 0; i < prog.insns.size(); i++)
                if (prog.insns[i].is_wide())
                    prog.references.push_back({object::Reference::Kind::Map, i, 0});
            const auto interpreted = load(spec, Jit::Off), native = load(spec, GetParam());
            ASSERT_TRUE(interpreted && native);
            for (const uint64_t index : {0, 1, 4, 1, 5, 0, -1, 0x7fffffff}) {
                const uint64_t context[] = {index};
                const Outcome expected = run(*interpreted, context), got = run(*native, context);
                EXPECT_FALSE(got.fault);
                EXPECT_EQ(got.r0, expected.r0) << index;
                EXPECT_EQ(got.r0 == 99, index > 4);
            }
            for (uint32_t key = 0; key < 5; key++) {
                const uint32_t cpu = execution_->cpu();
                EXPECT_EQ(std::memcmp(interpreted->maps()[0]->lookup(&key, cpu),
                                      native->maps()[0]->lookup(&key, cpu), 12),
                          0);
            }
        }
}

constexpr std::string_view kLoop =
    "main:\nr6 = r1\n*(u64 *)(r10 - 8) = 0\nr1 = 10\nr2 = callback ll\nr3 = r10\nr3 += -8\nr4 = 0\n"
    "call 181\nr1 = *(u64 *)(r10 - 8)\nr0 *= 1000\nr0 += r1\nexit\n"
    "callback:\nr6 = r2\nr3 = *(u64 *)(r2 + 0)\nr3 += r1\n*(u64 *)(r6 + 0) = r3\nr7 = 5\nr0 = 0\n"
    "if r1 < 7 goto +1\nr0 = 1\nexit";

TEST_P(Emitter, CallbacksRun) {
    const Outcome outcome = both(kLoop);
    EXPECT_FALSE(outcome.fault);
    EXPECT_EQ(outcome.r0, 8000u + 28);
    for (budget_ = 0; budget_ < 12; budget_++) both(kLoop);
}

/// Programs on packets, with a prog array `progs` that "ld_pseudo rN, 0x1, 0" refers to.
class EmitterOnPackets : public Emitter {
  protected:
    static object::ObjectSpec spec_of(std::initializer_list<std::string_view> texts,
                                      ProgType type = ProgType::SchedCls) {
        object::ObjectSpec spec{.name = "test", .license = "GPL"};
        spec.maps.push_back({.name = "progs",
                             .type = MapType::ProgArray,
                             .key_size = 4,
                             .value_size = 4,
                             .max_entries = 4});
        for (const std::string_view text : texts) {
            object::ProgSpec prog = object_of(text, type).progs[0];
            prog.name = fmt::format("prog{}", spec.progs.size());
            for (uint32_t i = 0; i < prog.insns.size(); i++)
                if (prog.insns[i].is_wide() && prog.insns[i].src == isa::kPseudoMapFd)
                    prog.references.push_back({object::Reference::Kind::Map, i, 0});
            spec.maps[0].initial_slots.push_back(
                {uint32_t(spec.progs.size()), uint32_t(spec.progs.size())});
            spec.progs.push_back(std::move(prog));
        }
        return spec;
    }

    Outcome run_on_packet(const Object& object, size_t prog = 0, size_t size = 60) {
        Bytes frame(size);
        for (size_t i = 0; i < size; i++) frame[i] = uint8_t(i);
        EXPECT_TRUE(packet_.start_skb(frame, {}));
        Event event{.task = &task_};
        packet_.attach(event);
        execution_->budget = budget_;
        return object.progs()[prog]->run(*execution_, event);
    }

    Outcome both_on_packets(const object::ObjectSpec& spec, size_t size = 60) {
        const auto interpreted = load(spec, Jit::Off), native = load(spec, GetParam());
        if (!interpreted || !native) return {};
        const Outcome expected = run_on_packet(*interpreted, 0, size);
        const Outcome outcome = run_on_packet(*native, 0, size);
        EXPECT_EQ(outcome.r0, expected.r0);
        EXPECT_EQ(outcome.fault ? outcome.fault->to_string() : "",
                  expected.fault ? expected.fault->to_string() : "");
        return outcome;
    }

    PacketBuffer packet_;
};

INSTANTIATE_TEST_SUITE_P(Tiers, EmitterOnPackets, ::testing::Values(Jit::Baseline, Jit::Optimising),
                         [](const auto& tier) {
                             return tier.param == Jit::Baseline ? "Baseline" : "Optimising";
                         });

TEST_P(EmitterOnPackets, PointersOfTheContext) {
    const Outcome outcome = both_on_packets(
        spec_of({"r2 = *(u32 *)(r1 + 76)\nr3 = *(u32 *)(r1 + 80)\nr0 = 0\nr4 = r2\nr4 += 14\n"
                 "if r4 > r3 goto +1\nr0 = *(u16 *)(r2 + 12)\nexit"}));
    EXPECT_EQ(outcome.r0, 0x0d0cu);
}

TEST_P(EmitterOnPackets, WhatStaysCheckedIsAStepOfTheInterpreter) {
    // queue_mapping has 16 bits, and 0xffff is not taken; all registers are kept.
    const Outcome outcome = both_on_packets(
        spec_of({"r6 = 600\nr7 = 70\nr9 = 9000\nr2 = 5\nr3 = 30\nr4 = 4\nr5 = 50000\n"
                 "*(u32 *)(r1 + 12) = r2\nr2 = 0x1ffff\n*(u32 *)(r1 + 12) = r2\n"
                 "r0 = *(u32 *)(r1 + 12)\nr0 += r3\nr0 += r5\nr0 += r6\nr0 += r9\nexit"}));
    EXPECT_EQ(outcome.r0, 5u + 30 + 50000 + 600 + 9000);
}

TEST_P(EmitterOnPackets, LegacyLoads) {
    // In a function, and in a loop; beyond the end the function returns 0.
    constexpr std::string_view kText =
        "main:\nr6 = r1\nr7 = 0\nr8 = 0\nr0 = *(u16 *)skb[12]\nr7 += r0\nr8 += 1\n"
        "if r8 < 3 goto -4\nr1 = 14\nr0 = *(u32 *)skb[r1 + 2]\nr0 += r7\nexit";
    EXPECT_EQ(both_on_packets(spec_of({kText})).r0, 3 * 0x0c0du + 0x10111213);
    EXPECT_EQ(both_on_packets(spec_of({kText}), 17).r0, 0u);
}

TEST_P(EmitterOnPackets, TailCallsGoToMachineCode) {
    const auto spec = spec_of({"r6 = r1\nld_pseudo r2, 0x1, 0\nr3 = 1\ncall 12\nr0 = 3\nexit",
                               "r2 = *(u32 *)(r1 + 0)\nr0 = 7\nr0 += r2\nexit"});
    EXPECT_EQ(both_on_packets(spec).r0, 67u);
    // An empty slot, and one beyond the last.
    for (const char* slot : {"3", "4", "-1"})
        EXPECT_EQ(both_on_packets(spec_of({fmt::format("r6 = r1\nld_pseudo r2, 0x1, 0\nr3 = {}\n"
                                                       "call 12\nr0 = 3\nexit",
                                                       slot)}))
                      .r0,
                  3u);
    // A program that calls itself ends after 33 times.
    EXPECT_EQ(both_on_packets(spec_of({"r6 = r1\nr7 = *(u32 *)(r1 + 8)\nr7 += 1\n"
                                       "*(u32 *)(r1 + 8) = r7\nld_pseudo r2, 0x1, 0\nr3 = 0\n"
                                       "call 12\nr0 = r7\nexit"}))
                  .r0,
              34u);
}

TEST_P(EmitterOnPackets, TailCallsGoToCheckedPrograms) {
    // The second is refused; it loads from the packet, and calls a helper.
    const auto spec = spec_of({"r6 = r1\nld_pseudo r2, 0x1, 0\nr3 = 1\ncall 12\nr0 = 3\nexit",
                               "r6 = r1\nr2 = *(u32 *)(r1 + 76)\nr0 = *(u8 *)(r2 + 40)\nexit"});
    const auto object = *Object::load(spec, env_, {.jit = GetParam()});
    ASSERT_TRUE(object->progs()[0]->native());
    ASSERT_FALSE(object->progs()[1]->verified());
    EXPECT_EQ(run_on_packet(*object).r0, 40u);
    const Outcome outcome = run_on_packet(*object, 0, 30);
    ASSERT_TRUE(outcome.fault);
    EXPECT_EQ(outcome.fault->prog, "prog1");
    EXPECT_EQ(outcome.fault->insn, 2u);
    EXPECT_EQ(run_on_packet(*object).r0, 40u);
}

TEST_P(EmitterOnPackets, CheckedProgramsTailCallCompiledOnes) {
    const auto spec =
        spec_of({"r2 = *(u32 *)(r1 + 76)\nr0 = *(u8 *)(r2 + 40)\n"
                 "ld_pseudo r2, 0x1, 0\nr3 = 1\ncall 12\nr0 = 3\nexit",
                 "r2 = *(u32 *)(r1 + 0)\nr0 = 7\nr0 += r2\nexit"});
    const auto object = *Object::load(spec, env_, {.jit = GetParam()});
    ASSERT_FALSE(object->progs()[0]->verified());
    EXPECT_EQ(run_on_packet(*object).r0, 67u);
}

TEST_P(EmitterOnPackets, HelpersThatMoveThePacket) {
    // skb_change_tail, then the packet's new end; the pointers are read anew.
    EXPECT_EQ(both_on_packets(spec_of({"r6 = r1\nr2 = 90\nr3 = 0\ncall 38\nr2 = *(u32 *)(r6 + 76)\n"
                                       "r3 = *(u32 *)(r6 + 80)\nr0 = r3\nr0 -= r2\nexit"}))
                  .r0,
              90u);
}

/// A helper that faults whatever it is given.
uint64_t faulting(Execution& x, uint64_t r1, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.fault(Fault::Kind::BadArgument, fmt::format("given {}", r1), 1, r1);
}

TEST_P(Emitter, FaultsOfHelpersEndTheProgram) {
    // In the third function, called by a callback: two runs of machine code to unwind.
    constexpr std::string_view kText =
        "main:\n*(u64 *)(r10 - 8) = 0\nr1 = 10\nr2 = callback ll\nr3 = r10\nr3 += -8\nr4 = 0\n"
        "call 181\nr0 = 5\nexit\n"
        "callback:\nr6 = r2\ncall inner\nr0 = 0\nexit\n"
        "inner:\nr8 = r1\nif r1 < 3 goto +2\nr1 = 77\ncall 5\nr0 = r8\nexit";
    const object::ObjectSpec spec = object_of(kText, ProgType::RawTracepoint);
    const auto object = load(spec, GetParam());
    // bpf_ktime_get_ns() asks the environment, which may do anything.
    Execution* x = execution_.get();
    env_.clock = [x](Clock) { return faulting(*x, 77, 0, 0, 0, 0); };
    const Outcome outcome = run(*object, {});
    ASSERT_TRUE(outcome.fault);
    EXPECT_THAT(outcome.fault->message, HasSubstr("given 77"));
    EXPECT_EQ(outcome.fault->insn, 17u);
    env_.clock = [](Clock) { return uint64_t{1}; };
    EXPECT_EQ(run(*object, {}).r0, 5u);
}

TEST_P(Emitter, LoadsThroughKernelPointersThatLeadNowhereGiveZero) {
    const btf::Btf& types = embedded_types();
    const auto task = types.find("task_struct", btf::Kind::Struct);
    ASSERT_TRUE(task);
    const auto offset = [&](std::string_view field) {
        return types.find_field(task->id(), field)->bit_offset / 8;
    };
    // The registers around it keep what they hold.
    const Outcome outcome = both(
        fmt::format("r9 = 5\ncall 158\nr1 = r0\nr2 = 20\nr3 = 300\nr4 = 4000\nr5 = 50000\n"
                    "r1 = *(u64 *)(r1 + {})\nr1 = *(u32 *)(r1 + {})\nr0 = r1\nr0 += r2\nr0 += r3\n"
                    "r0 += r4\nr0 += r5\nr0 += r9\nexit",
                    offset("real_parent"), offset("pid")));
    EXPECT_EQ(outcome.r0, 54325u);
}

TEST_P(Emitter, ShiftsWithoutBmi2) {
    if (optimises()) GTEST_SKIP() << "the baseline's";
    // Without a program around it: code and state alone.
    const Result<jit::Trampoline>& trampoline = jit::trampoline();
    for (const auto& [dst, src] : pairs(GetParam()))
        for (const char* op : {"<<=", ">>=", "s>>="})
            for (const char width : {'r', 'w'}) {
                std::string text = fmt::format(
                    "r{} = *(u64 *)(r10 - 16)\nr{} = *(u64 *)(r10 - 8)\n"
                    "{}{} {} {}{}\n",
                    src, dst, width, dst, op, width, src);
                for (int i = 1; i <= 9; i++)
                    if (i != dst && i != src) text = fmt::format("r{} = {}\n", i, 1000 * i) + text;
                if (dst != 0) text += fmt::format("r0 = r{}\n", dst);
                for (int i = 1; i <= 9; i++) text += fmt::format("r0 *= 31\nr0 ^= r{}\n", i);
                const auto insns = isa::assemble(text + "exit")->insns;
                const auto ops = *make_ops(insns);
                std::unique_ptr<jit::Code> codes[2];
                for (const bool bmi2 : {false, true}) {
                    jit::Emitter emitter(ops, {}, *trampoline, {.bmi2 = bmi2});
                    codes[bmi2] = *jit::Code::place(emitter.emit());
                }
                for (const uint64_t a : kEdges)
                    for (const uint64_t b : kEdges) {
                        uint64_t results[2];
                        for (const bool bmi2 : {false, true}) {
                            if (bmi2 && !jit::has_bmi2()) continue;
                            alignas(16) uint64_t stack[64] = {};
                            stack[63] = a, stack[62] = b;
                            uint64_t registers[11] = {};
                            registers[10] = reinterpret_cast<uint64_t>(stack + 64);
                            RunState state;
                            results[bmi2] =
                                enter(*trampoline, &state, codes[bmi2]->begin(), registers);
                        }
                        if (jit::has_bmi2()) {
                            ASSERT_EQ(results[0], results[1]) << text << a << ' ' << b;
                        }
                    }
            }
}

TEST_P(Emitter, CodeAndInstructionsFindEachOther) {
    if (optimises()) GTEST_SKIP() << "the baseline's";
    const auto object = load(object_of(kLoop, ProgType::RawTracepoint), GetParam());
    const Prog& prog = *object->progs()[0];
    const jit::NativeCode& native = *prog.native();
    EXPECT_EQ(native.function(0), native.bytes().data());
    EXPECT_EQ(native.function(1), nullptr);
    size_t total = 0;
    for (uint32_t i = 0; i < prog.spec().insns.size(); i++) {
        const auto bytes = native.bytes_of(i);
        total += bytes.size();
        if (bytes.empty()) continue;
        EXPECT_EQ(native.insn_at(bytes.data()), i);
        EXPECT_EQ(native.insn_at(&bytes.back()), i);
    }
    EXPECT_LT(total, native.bytes().size());
    EXPECT_FALSE(native.insn_at(native.bytes().data() + total));
    EXPECT_LT(native.overhead(), 1024u);
}

TEST_P(Emitter, NothingIsCompiledThatIsCheckedTracedOrCounted) {
    const object::ObjectSpec spec = object_of("r0 = 1\nexit", ProgType::RawTracepoint);
    for (const Object::Options& options : {Object::Options{.checked = true, .jit = GetParam()},
                                           Object::Options{.jit = GetParam(), .traced = true},
                                           Object::Options{.jit = GetParam(), .coverage = true}})
        EXPECT_FALSE((*Object::load(spec, env_, options))->progs()[0]->native());
    const object::ObjectSpec refused = object_of("r0 = r5\nexit", ProgType::RawTracepoint);
    EXPECT_FALSE((*Object::load(refused, env_, {.jit = GetParam()}))->progs()[0]->native());
}

}  // namespace
}  // namespace skep::engine
