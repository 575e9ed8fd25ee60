// SPDX-License-Identifier: Apache-2.0
// Programs that get better code while they run.
#include "engine/jit/tiering.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "engine/jit/native_run.hpp"
#include "engine/jit/optimise.hpp"
#include "engine/testing.hpp"
#include "maps/map.hpp"

namespace skep::engine {
namespace {

/// Arithmetic, a function, a loop with a callback, and a number that it is given.
constexpr std::string_view kText =
    "main:\nr6 = *(u64 *)(r1 + 0)\n*(u64 *)(r10 - 8) = r6\nr1 = 3\nr2 = callback ll\nr3 = r10\n"
    "r3 += -8\nr4 = 0\ncall 181\nr1 = *(u64 *)(r10 - 8)\nr2 = r6\ncall mix\nexit\n"
    "callback:\nr3 = *(u64 *)(r2 + 0)\nr3 += r1\n*(u64 *)(r2 + 0) = r3\nr0 = 0\nexit\n"
    "mix:\nr0 = r1\nr0 *= 31\nr0 ^= r2\nexit";
constexpr uint64_t expected(uint64_t number) {
    return ((number + 3) * 31) ^ number;
}

class Tiering : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!jit::trampoline()) GTEST_SKIP() << jit::trampoline().error().message;
        if (const auto module = jit::optimiser(); !module) GTEST_SKIP() << module.error().message;
    }

    std::unique_ptr<Object> load(Jit jit) {
        return *Object::load(object_of(kText, ProgType::RawTracepoint), env_, {.jit = jit});
    }
    static uint64_t run(const Object& object, Execution& execution, uint64_t number) {
        NoTask task;
        Event event{.ctx = reinterpret_cast<uint8_t*>(&number), .ctx_size = 8, .task = &task};
        const Outcome outcome = object.progs()[0]->run(execution, event);
        EXPECT_FALSE(outcome.fault);
        return outcome.r0;
    }

    Env env_;
};

TEST_F(Tiering, AHotProgramGetsBetterCode) {
    const auto object = load(Jit::Auto);
    const Prog& prog = *object->progs()[0];
    const auto execution = *Execution::create(env_);
    const jit::NativeCode* baseline = prog.native();
    for (int64_t i = 0; i < jit::kRunsUntilHot / 2; i++)
        ASSERT_EQ(run(*object, *execution, uint64_t(i)), expected(uint64_t(i)));
    jit::wait_for_better();
    EXPECT_EQ(prog.native(), baseline);
    for (int64_t i = 0; i < jit::kRunsUntilHot / 2; i++)
        ASSERT_EQ(run(*object, *execution, uint64_t(i)), expected(uint64_t(i)));
    jit::wait_for_better();
    ASSERT_TRUE(prog.optimised()) << prog.why_not_optimised();
    EXPECT_EQ(prog.native(), prog.optimised());
    for (uint64_t i = 0; i < 1000; i++) ASSERT_EQ(run(*object, *execution, i), expected(i));
}

TEST_F(Tiering, NobodyElseDoes) {
    const auto object = load(Jit::Baseline);
    const auto execution = *Execution::create(env_);
    for (int64_t i = 0; i < 2 * jit::kRunsUntilHot; i++) run(*object, *execution, uint64_t(i));
    jit::wait_for_better();
    EXPECT_FALSE(object->progs()[0]->optimised());
}

TEST_F(Tiering, LongRunsCountMore) {
    const auto object =
        *Object::load(object_of("r0 = 0\nr1 = 0\nr0 += r1\nr1 += 1\nif r1 < 100000 goto -3\nexit",
                                ProgType::RawTracepoint),
                      env_, {.jit = Jit::Auto});
    const auto execution = *Execution::create(env_);
    ASSERT_TRUE(object->progs()[0]->native()) << object->progs()[0]->why_not_native();
    const uint64_t first = run(*object, *execution, 0);
    for (int i = 0; i < 50; i++) EXPECT_EQ(run(*object, *execution, 0), first);
    jit::wait_for_better();
    EXPECT_TRUE(object->progs()[0]->optimised());
    EXPECT_EQ(run(*object, *execution, 0), first);
}

// Threads run programs that others are swapped under, and objects go while their code is made.
TEST_F(Tiering, SwapsUnderLoad) {
    const unsigned threads = std::min(maps::possible_cpus(), 4u);
    for (int round = 0; round < 10; round++) {
        auto object = load(Jit::Auto);
        std::vector<std::thread> running;
        for (unsigned i = 0; i < threads; i++)
            running.emplace_back([&, i] {
                const auto execution = Execution::create(env_);
                ASSERT_TRUE(execution);
                const Prog& prog = *object->progs()[0];
                const bool until_swapped = round % 2 == 0;
                for (uint64_t n = i; n < 100'000 || (until_swapped && !prog.optimised()); n++)
                    ASSERT_EQ(run(*object, **execution, n), expected(n));
            });
        for (std::thread& thread : running) thread.join();
        object.reset();
    }
    jit::wait_for_better();
}

TEST_F(Tiering, AChildKeepsTheBaseline) {
    const auto object = load(Jit::Auto);
    const auto execution = *Execution::create(env_);
    jit::wait_for_better();
    const pid_t child = fork();
    if (child == 0) {
        bool right = true;
        for (int64_t i = 0; i < 2 * jit::kRunsUntilHot; i++)
            right &= run(*object, *execution, uint64_t(i)) == expected(uint64_t(i));
        _exit(right && !object->progs()[0]->optimised() ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace skep::engine
