// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/processor_fault.hpp"

#include <unistd.h>

#include <thread>

#include "engine/jit/native_code.hpp"
#include "engine/jit/native_run.hpp"
#include "engine/jit/optimise.hpp"
#include "engine/testing.hpp"

// After ours: it has a macro of a name that is one of our macros' too.
#include <sys/mman.h>

// Contexts in memory that is taken away.

namespace skep::engine {
namespace {

using ::testing::HasSubstr;

/// A page of a file: not to be read, or with no file behind it any more.
class Page {
  public:
    static constexpr size_t kSize = 4096;

    Page() {
        file_ = memfd_create("page", 0);
        EXPECT_EQ(ftruncate(file_, kSize), 0);
        memory_ = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
        EXPECT_NE(memory_, MAP_FAILED);
    }
    ~Page() {
        munmap(memory_, kSize);
        close(file_);
    }
    void forbid() { EXPECT_EQ(mprotect(memory_, kSize, PROT_NONE), 0); }
    void allow() { EXPECT_EQ(mprotect(memory_, kSize, PROT_READ | PROT_WRITE), 0); }
    void shorten() { EXPECT_EQ(ftruncate(file_, 0), 0); }
    uint8_t* memory() const { return static_cast<uint8_t*>(memory_); }

  private:
    int file_;
    void* memory_;
};

class ProcessorFault : public ::testing::TestWithParam<Jit> {
  protected:
    void SetUp() override {
        if (!jit::trampoline()) GTEST_SKIP() << jit::trampoline().error().message;
        if (GetParam() == Jit::Optimising)
            if (const auto module = jit::optimiser(); !module)
                GTEST_SKIP() << module.error().message;
    }

    std::unique_ptr<Object> load(std::string_view text) {
        auto object =
            Object::load(object_of(text, ProgType::RawTracepoint), env_, {.jit = GetParam()});
        EXPECT_TRUE(object) << object.error().to_string();
        EXPECT_NE((*object)->progs()[0]->native(), nullptr);
        return std::move(*object);
    }
    Outcome run(const Object& object, Execution& execution) {
        NoTask task;
        Event event{.ctx = page_.memory(), .ctx_size = Page::kSize, .task = &task};
        return object.progs()[0]->run(execution, event);
    }
    Outcome run(const Object& object) { return run(object, **Execution::create(env_)); }

    Env env_;
    Page page_;
};

INSTANTIATE_TEST_SUITE_P(Tiers, ProcessorFault, ::testing::Values(Jit::Baseline, Jit::Optimising),
                         [](const auto& tier) {
                             return tier.param == Jit::Baseline ? "Baseline" : "Optimising";
                         });

TEST_P(ProcessorFault, EndsTheProgramAndNotTheProcess) {
    const auto object = load("r6 = r1\nr0 = 1\nr0 = *(u64 *)(r6 + 16)\nexit");
    page_.memory()[16] = 7;
    const auto execution = *Execution::create(env_);
    for (int round = 0; round < 3; round++) {
        EXPECT_EQ(run(*object, *execution).r0, 7u);
        page_.forbid();
        const Outcome outcome = run(*object, *execution);
        ASSERT_TRUE(outcome.fault);
        EXPECT_EQ(outcome.fault->kind, Fault::Kind::Processor);
        EXPECT_EQ(outcome.fault->insn, 2u);
        EXPECT_THAT(outcome.fault->to_string(), HasSubstr("SIGSEGV"));
        EXPECT_THAT(outcome.fault->message,
                    HasSubstr(fmt::format("{:#x}", uintptr_t(page_.memory() + 16))));
        page_.allow();
    }
    EXPECT_EQ(jit::running, nullptr);
}

TEST_P(ProcessorFault, OfAFileThatHasBecomeShorter) {
    const auto object = load("r0 = *(u64 *)(r1 + 0)\nexit");
    page_.shorten();
    const Outcome outcome = run(*object);
    ASSERT_TRUE(outcome.fault);
    EXPECT_THAT(outcome.fault->message, HasSubstr("SIGBUS"));
}

TEST_P(ProcessorFault, InFunctionsAndCallbacks) {
    const auto object = load(
        "main:\nr6 = r1\nr1 = 3\nr2 = callback ll\nr3 = r10\n*(u64 *)(r10 - 8) = r6\nr4 = 0\n"
        "call 181\nr0 = 0\nexit\n"
        "callback:\nr1 = *(u64 *)(r2 - 8)\ncall load\nr0 &= 1\nexit\n"
        "load:\nr0 = *(u64 *)(r1 + 8)\nexit");
    const auto execution = *Execution::create(env_);
    for (int round = 0; round < 3; round++) {
        EXPECT_FALSE(run(*object, *execution).fault);
        page_.forbid();
        const Outcome outcome = run(*object, *execution);
        ASSERT_TRUE(outcome.fault);
        EXPECT_EQ(outcome.fault->kind, Fault::Kind::Processor) << outcome.fault->to_string();
        page_.allow();
    }
}

TEST_P(ProcessorFault, OnSeveralThreads) {
    const auto object = load("r0 = *(u64 *)(r1 + 0)\nexit");
    page_.forbid();
    std::vector<std::jthread> threads;
    std::atomic<int> faults = 0;
    for (int i = 0; i < 2; i++)
        threads.emplace_back([&] {
            const auto execution = *Execution::create(env_);
            for (int round = 0; round < 200; round++)
                faults += run(*object, *execution).fault.has_value();
        });
    threads.clear();
    EXPECT_EQ(faults, 400);
}

TEST_P(ProcessorFault, OfTheProcessItselfEndsIt) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // the tiering thread may be there
    const auto object = load("r0 = 0\nexit");
    run(*object);
    page_.forbid();
    EXPECT_DEATH(*const_cast<volatile uint8_t*>(page_.memory()) = 1, "");
}

}  // namespace
}  // namespace skep::engine
