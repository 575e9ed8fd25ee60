// SPDX-License-Identifier: Apache-2.0
#include "engine/verified_ops.hpp"

#include <algorithm>

#include "engine/embedded_types.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/testing.hpp"
#include "maps/prog_array.hpp"

namespace skep::engine {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kFirstByte = R"(
    r2 = *(u32 *)(r1 + 0)
    r3 = *(u32 *)(r1 + 4)
    r0 = 0
    r4 = r2
    r4 += 14
    if r4 > r3 goto +1
    r0 = *(u8 *)(r2 + 0)
    exit
)";

/// Loads, and runs on a packet whose first byte is 7.
class VerifiedOps : public ::testing::Test {
  protected:
    const Prog& load(const object::ObjectSpec& spec, const Object::Options& options = {}) {
        auto object = Object::load(spec, env_, options);
        EXPECT_TRUE(object) << object.error().to_string();
        object_ = std::move(*object);
        return *object_->progs()[0];
    }
    const Prog& load(std::string_view text, ProgType type = ProgType::Xdp,
                     const Object::Options& options = {}) {
        return load(object_of(text, type), options);
    }

    Outcome run(const Prog& prog) {
        execution_.reset();
        execution_ = *Execution::create(env_);
        if (observer) execution_->observer = observer;
        Bytes frame(60);
        frame[0] = 7;
        const bool xdp = prog.spec().type == ProgType::Xdp;
        EXPECT_TRUE(xdp ? packet_.start_xdp(frame, {}) : packet_.start_skb(frame, {}));
        Event event{.task = &task_};
        packet_.attach(event);
        return prog.run(*execution_, event);
    }

    static bool has(const Prog& prog, OpCode code) {
        return std::ranges::any_of(prog.ops(),
                                   [&](const Op& op) { return OpCode(op.code) == code; });
    }

    Execution::Observer observer;
    Env env_;
    NoTask task_;
    PacketBuffer packet_;
    std::unique_ptr<Object> object_;
    std::unique_ptr<Execution> execution_;
};

// The verifier takes any instruction for a function whose address is taken.
TEST_F(VerifiedOps, FunctionsThatTheObjectDoesNotNameAreCalledBack) {
    object::ObjectSpec spec = object_of(R"(
        r1 = 5
        ld_pseudo r2, 0x4, 0x5
        r3 = 0
        r4 = 0
        call 181
        exit
        r0 = 0
        exit
)",
                                        ProgType::Xdp);
    spec.progs[0].subprogs.resize(1);
    for (const bool checked : {false, true}) {
        const Prog& prog = load(spec, {.checked = checked});
        EXPECT_TRUE(prog.verified()) << prog.why_not_verified();
        const Outcome outcome = run(prog);
        EXPECT_FALSE(outcome.fault) << outcome.fault->to_string();
        EXPECT_EQ(outcome.r0, 5u);
    }
}

TEST_F(VerifiedOps, PacketAndContextAreReadAsTheyAre) {
    const Prog& prog = load(kFirstByte);
    EXPECT_TRUE(prog.verified()) << prog.why_not_verified();
    EXPECT_TRUE(prog.runs_unchecked());
    EXPECT_TRUE(has(prog, OpCode::LoadEvent));
    EXPECT_TRUE(has(prog, OpCode::PlainLoadB));
    EXPECT_FALSE(std::ranges::any_of(
        prog.ops(), [](const Op& op) { return is_checked_access(OpCode(op.code)); }));
    EXPECT_EQ(run(prog).r0, 7u);
}

TEST_F(VerifiedOps, ChecksAreKeptWhereWanted) {
    const Prog& prog = load(kFirstByte, ProgType::Xdp, {.checked = true});
    EXPECT_TRUE(prog.verified());
    EXPECT_FALSE(prog.runs_unchecked());
    EXPECT_TRUE(has(prog, OpCode::LoadB));
    EXPECT_EQ(run(prog).r0, 7u);
}

TEST_F(VerifiedOps, WhatTheVerifierRefusesRunsChecked) {
    const Prog& prog = load("r2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 100)\nexit");
    EXPECT_FALSE(prog.verified());
    EXPECT_THAT(prog.why_not_verified(), HasSubstr("invalid access to packet"));
    const Outcome outcome = run(prog);
    ASSERT_TRUE(outcome.fault);
    EXPECT_EQ(outcome.fault->kind, Fault::Kind::BadAccess);
}

TEST_F(VerifiedOps, FieldsThatTheKernelKeepsNarrower) {
    // queue_mapping: 16 bits, and 0xffff is not taken.
    constexpr std::string_view kText = R"(
        r2 = 5
        *(u32 *)(r1 + 12) = r2
        r2 = 0x1ffff
        *(u32 *)(r1 + 12) = r2
        r0 = *(u32 *)(r1 + 12)
        exit
    )";
    EXPECT_EQ(run(load(kText, ProgType::SchedCls)).r0, 5u);
    EXPECT_EQ(run(load(kText, ProgType::SchedCls, {.checked = true})).r0, 5u);
}

TEST_F(VerifiedOps, AnEventWithTooLittleContextIsNoEvent) {
    const Prog& prog = load("r0 = *(u64 *)(r1 + 32)\nexit", ProgType::RawTracepoint);
    ASSERT_TRUE(prog.runs_unchecked()) << prog.why_not_verified();
    execution_ = *Execution::create(env_);
    Bytes context(40);
    context[32] = 9;
    Event event{.ctx = context.data(), .ctx_size = 40, .task = &task_};
    EXPECT_EQ(prog.run(*execution_, event).r0, 9u);
    event.ctx_size = 32;
    const Outcome outcome = prog.run(*execution_, event);
    ASSERT_TRUE(outcome.fault);
    EXPECT_EQ(outcome.fault->kind, Fault::Kind::BadContext);
    EXPECT_THAT(outcome.fault->message, HasSubstr("uses 40 bytes"));
}

TEST_F(VerifiedOps, KernelPointersThatLeadNowhereGiveZero) {
    const btf::Btf& types = embedded_types();
    const auto task = types.find("task_struct", btf::Kind::Struct);
    ASSERT_TRUE(task);
    const auto offset = [&](std::string_view field) {
        return types.find_field(task->id(), field)->bit_offset / 8;
    };
    const std::string text =
        fmt::format("call 158\nr0 = *(u64 *)(r0 + {})\nr0 = *(u32 *)(r0 + {})\nexit",
                    offset("real_parent"), offset("pid"));
    for (const bool checked : {false, true}) {
        const Prog& prog = load(text, ProgType::RawTracepoint, {.checked = checked});
        ASSERT_TRUE(prog.verified()) << prog.why_not_verified();
        EXPECT_TRUE(has(prog, OpCode::ProbeLoadW));
        execution_.reset();
        execution_ = *Execution::create(env_);
        uint64_t context[2] = {};
        Event event{.ctx = reinterpret_cast<uint8_t*>(context), .ctx_size = 16, .task = &task_};
        const Outcome outcome = prog.run(*execution_, event);
        EXPECT_FALSE(outcome.fault);
        EXPECT_EQ(outcome.r0, 0u);
    }
}

TEST_F(VerifiedOps, DeadCodeIsGone) {
    const Prog& prog = load("r0 = 2\nif r0 == 2 goto +1\nr0 = 1\nexit");
    EXPECT_EQ(OpCode(prog.ops()[2].code), OpCode::Invalid);
    EXPECT_EQ(run(prog).r0, 2u);
}

TEST_F(VerifiedOps, ATailCallInAFunctionKeepsTheChecks) {
    object::ObjectSpec spec = object_of(
        "main:\ncall jump\nr0 = 1\nexit\n"
        "jump:\nr2 = 0 ll\nr3 = 0\nr1 = 0\nr0 = 0\nexit\n",
        ProgType::Xdp);
    ASSERT_TRUE(load(spec).runs_unchecked());
    spec = object_of(
        "main:\ncall jump\nr0 = 1\nexit\n"
        "jump:\nld_pseudo r2, 0x1, 0\nr3 = 0\ncall 12\nr0 = 0\nexit\n",
        ProgType::Xdp);
    spec.maps.push_back({.name = "progs",
                         .type = MapType::ProgArray,
                         .key_size = 4,
                         .value_size = 4,
                         .max_entries = 2});
    const auto& insns = spec.progs[0].insns;
    for (uint32_t i = 0; i < insns.size(); i++)
        if (insns[i].is_wide()) {
            spec.progs[0].references.push_back({object::Reference::Kind::Map, i, 0});
            break;
        }
    const Prog& prog = load(spec);
    EXPECT_FALSE(prog.runs_unchecked());
    EXPECT_THAT(prog.why_not_verified(), HasSubstr("tail call"));
}

TEST_F(VerifiedOps, EachInstructionIsShownBeforeItRuns) {
    std::vector<uint32_t> seen;
    observer = [&](const Prog&, uint32_t insn, std::span<const uint64_t, 11> registers, uint32_t) {
        if (insn == 1) {
            EXPECT_EQ(registers[0], 2u);
        }
        seen.push_back(insn);
    };
    EXPECT_EQ(run(load("r0 = 2\nif r0 == 2 goto +1\nr0 = 1\nexit", ProgType::Xdp,
                       {.checked = true, .traced = true}))
                  .r0,
              2u);
    EXPECT_EQ(seen, (std::vector<uint32_t>{0, 1, 3}));
}

}  // namespace
}  // namespace skep::engine
