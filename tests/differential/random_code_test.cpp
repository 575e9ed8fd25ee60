// SPDX-License-Identifier: Apache-2.0
#include "differential/random_code.hpp"

#include <cstring>

#include "differential/packet_kernel.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/testing.hpp"
#include "isa/disasm.hpp"
#include "kernel/kernel_probe.hpp"

// Random arithmetic, jumps and memory accesses, in the engine and in the running kernel.

namespace skep::kernel_test {
namespace {

constexpr int kRounds = 150;
constexpr int kInputs = 4;

/// Runs the program as sched_cls on a frame, in the engine: as verified, checked, and as machine
/// code of each tier.
class InEngine {
  public:
    explicit InEngine(const std::vector<isa::Insn>& insns) {
        object::ObjectSpec spec{.name = "test", .license = "GPL"};
        spec.progs.push_back({.name = "test", .type = ProgType::SchedCls, .insns = insns});
        verified_ = *engine::Object::load(spec, env_, {.jit = engine::Jit::Off});
        native_ = *engine::Object::load(spec, env_, {.jit = engine::Jit::Baseline});
        optimised_ = *engine::Object::load(spec, env_, {.jit = engine::Jit::Optimising});
        checked_ = *engine::Object::load(spec, env_, {.checked = true});
        EXPECT_EQ(verified_->progs()[0]->why_not_verified(), "");
        EXPECT_EQ(native_->progs()[0]->why_not_native(), "");
        execution_ = *engine::Execution::create(env_);
    }

    uint32_t run(ByteView frame) { return run(*verified_, frame); }
    uint32_t run_native(ByteView frame) { return run(*native_, frame); }
    /// Machine code of the baseline, where there is no better tier.
    uint32_t run_optimised(ByteView frame) { return run(*optimised_, frame); }
    uint32_t run_checked(ByteView frame) { return run(*checked_, frame); }

  private:
    uint32_t run(const engine::Object& object, ByteView frame) {
        EXPECT_TRUE(packet_.start_skb(frame, {}));
        engine::Event event{.task = &task_};
        packet_.attach(event);
        const auto outcome = object.find_prog("test")->run(*execution_, event);
        if (outcome.fault) ADD_FAILURE() << outcome.fault->to_string();
        return uint32_t(outcome.r0);
    }

    engine::Env env_;
    std::unique_ptr<engine::Object> verified_, native_, optimised_, checked_;
    std::unique_ptr<engine::Execution> execution_;
    engine::PacketBuffer packet_;
    engine::NoTask task_;
};

Bytes random_bytes(std::mt19937& random) {
    Bytes bytes(14 + kSeedBytes);
    for (uint8_t& byte : bytes)
        // Numbers near 0 and -1 are where signs, carries and shifts go wrong.
        byte = random() % 3 ? (random() % 2 ? 0 : 0xff) : uint8_t(random());
    std::memset(bytes.data() + 12, 0x88, 2);  // an ethertype that the kernel does not look into
    return bytes;
}

std::string text_of(const std::vector<isa::Insn>& insns) {
    std::string text;
    for (size_t i = 0; i < insns.size(); i += insns[i].slots()) {
        isa::append_text(text, insns, i);
        text += '\n';
    }
    return text;
}

class RandomCode : public testing::TestWithParam<int> {};

TEST_P(RandomCode, DoesWhatTheKernelDoes) {
    if (geteuid() != 0) GTEST_SKIP() << "only root may load programs into the kernel";
    std::mt19937 random(std::random_device{}());
    int accepted = 0;
    for (int round = 0; round < kRounds; round++) {
        const std::vector<isa::Insn> insns = random_code(random, 60, GetParam());
        const Answer loaded = offer({.type = ProgType::SchedCls, .insns = insns});
        if (round == 0 && loaded.unanswered())
            GTEST_SKIP() << "this kernel loads no such program: " << std::strerror(loaded.error);
        if (!loaded.accepted()) continue;  // instructions that it is too old for
        accepted++;
        InEngine here(insns);
        for (int input = 0; input < kInputs; input++) {
            const Bytes frame = random_bytes(random);
            const KernelRun there = run_in_kernel(loaded.prog.get(), frame, {});
            ASSERT_EQ(there.error, 0) << std::strerror(there.error);
            ASSERT_EQ(here.run(frame), there.retval) << text_of(insns);
            ASSERT_EQ(here.run_native(frame), there.retval) << text_of(insns);
            ASSERT_EQ(here.run_optimised(frame), there.retval) << text_of(insns);
            ASSERT_EQ(here.run_checked(frame), there.retval) << text_of(insns);
        }
    }
    EXPECT_GT(accepted, GetParam() <= 3 ? kRounds * 9 / 10 : -1);
}

INSTANTIATE_TEST_SUITE_P(Cpu, RandomCode, testing::Values(2, 3, 4),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace skep::kernel_test
