// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "kernel_runtime/sandbox.hpp"

// Tracepoints, perf events and iterators, of what the test's own process does.

namespace skep::kernel_test {
namespace {

using kernel::attach;
using kernel::LinkPtr;
using ::testing::HasSubstr;

constexpr int kCalls = 17;

void call_getppid() {
    for (int i = 0; i < kCalls; i++) syscall(SYS_getppid);
}

TEST(KernelTrace, TracepointsInTheirThreeForms) {
    NEEDS_KERNEL();
    const kernel::Object object = load_for_me("trace");
    struct Case {
        const char* prog;
        const char* counter;
        const char* kind;
    };
    for (const auto& [prog, counter, kind] :
         {Case{"tp", "by_tp", "perf_event"}, Case{"raw_tp", "by_raw_tp", "raw_tracepoint"},
          Case{"tp_btf", "by_tp_btf", "raw_tracepoint"}}) {
        call_getppid();
        EXPECT_EQ(global(object, counter), 0u) << prog;
        {
            const LinkPtr link = must(attach(must(object.prog(prog))));
            call_getppid();
            EXPECT_EQ(must(link->state()).kind, kind);
        }
        call_getppid();
        EXPECT_EQ(global(object, counter), uint64_t{kCalls}) << prog;
    }
}

TEST(KernelTrace, Cookie) {
    NEEDS_KERNEL();
    const kernel::Object object = load_for_me("trace", {.progs = {"tp"}});
    const LinkPtr link = must(attach(must(object.prog("tp")), {.cookie = 0x1234567890}));
    call_getppid();
    EXPECT_EQ(global(object, "cookie"), 0x1234567890u);
}

TEST(KernelTrace, AnotherTracepointThanTheSectionSays) {
    NEEDS_KERNEL();
    const kernel::Object object = load_for_me("trace", {.progs = {"tp"}});
    const LinkPtr link =
        must(attach(must(object.prog("tp")), {.target = "syscalls/sys_enter_getuid"}));
    call_getppid();
    EXPECT_EQ(global(object, "by_tp"), 0u);
    syscall(SYS_getuid);
    EXPECT_EQ(global(object, "by_tp"), 1u);
}

TEST(KernelTrace, PerfEventsFollowOneProcess) {
    NEEDS_KERNEL();
    const kernel::Object object = load_for_me("trace", {.progs = {"perf"}});
    const auto spin = [] {
        volatile uint64_t sum = 0;
        const time_t end = time(nullptr) + 5;
        for (uint64_t i = 0; time(nullptr) < end && i < 300'000'000; i++) sum = sum + i;
    };
    {
        // PERF_COUNT_SW_TASK_CLOCK: every millisecond that this process runs.
        const LinkPtr link =
            must(attach(must(object.prog("perf")),
                        {.pid = getpid(), .perf = {.type = 1, .config = 1, .period = 1'000'000}}));
        spin();
    }
    const uint64_t seen = global(object, "by_perf");
    EXPECT_GT(seen, 2u);
    spin();
    EXPECT_EQ(global(object, "by_perf"), seen);
}

TEST(KernelTrace, PerfEventsOfAllCpus) {
    NEEDS_KERNEL();
    const kernel::Object object = load_for_me("trace", {.progs = {"perf"}});
    const LinkPtr link = must(
        attach(must(object.prog("perf")), {.perf = {.type = 1, .config = 0, .frequency = 99}}));
    EXPECT_EQ(must(link->state()).prog_id, must(object.prog("perf")).id());
    const auto update = link->update(must(object.prog("perf")));
    ASSERT_FALSE(update) << "the kernel has no replacement for these";
    EXPECT_EQ(update.error().exit_code(), 3);
    must(link->detach());
    EXPECT_TRUE(must(link->state()).gone);
}

TEST(KernelTrace, ACounterThatThisMachineMayLack) {
    NEEDS_KERNEL();
    const kernel::Object object = load_for_me("trace", {.progs = {"perf"}});
    const auto link =
        attach(must(object.prog("perf")),
               {.pid = getpid(), .perf = {.type = 0, .config = 0, .period = 100'000}});
    if (link) SKEP_SKIP("this machine has hardware counters");
    EXPECT_THAT(link.error().message, HasSubstr("does not have this counter"));
    EXPECT_THAT(link.error().hint, HasSubstr("instead: the software events"));
    EXPECT_EQ(link.error().exit_code(), 3);
}

TEST(KernelTrace, Iterators) {
    NEEDS_KERNEL();
    const kernel::Object object = load_for_me("iterators", {.progs = {"tasks"}});
    const LinkPtr link = must(attach(must(object.prog("tasks"))));
    EXPECT_EQ(must(link->state()).kind, "iter");
    const std::string expected = fmt::format("pid {} tgid {}\n", getpid(), getpid());
    EXPECT_EQ(must(kernel::read_iterator(*link)), expected);
    EXPECT_EQ(must(kernel::read_iterator(*link)), expected) << "a second time";
}

TEST(KernelTrace, IteratorOfAMap) {
    NEEDS_KERNEL();
    auto loaded =
        kernel::Object::load(object_bytes("iterators"), "iterators.bpf.o", {.progs = {"elements"}});
    if (!loaded) {
        EXPECT_EQ(loaded.error().exit_code(), 3) << loaded.error().to_string();
        SKEP_SKIP(loaded.error().message);
    }
    const kernel::Object& object = *loaded;
    const kernel::Map numbers = must(object.map("numbers"));
    for (const uint32_t key : {3u, 4u})
        must(numbers.update(bytes_of(key), bytes_of(uint64_t{key} * 100)));
    const LinkPtr link = must(attach(must(object.prog("elements")), {.map = &numbers}));
    const std::string text = must(kernel::read_iterator(*link));
    EXPECT_THAT(text, HasSubstr("3=300\n"));
    EXPECT_THAT(text, HasSubstr("4=400\n"));
}

TEST(KernelTrace, NothingThatIsNotThere) {
    NEEDS_KERNEL();
    const kernel::Object object =
        load_for_me("refused", {.progs = {"no_tracepoint", "no_raw_tracepoint"}});
    for (const char* name : {"no_tracepoint", "no_raw_tracepoint"}) {
        const auto link = attach(must(object.prog(name)));
        ASSERT_FALSE(link);
        EXPECT_EQ(link.error().sys_errno, ENOENT);
        EXPECT_EQ(link.error().exit_code(), 3);
        EXPECT_THAT(link.error().message, HasSubstr("there is no such tracepoint here"));
    }
}

}  // namespace
}  // namespace skep::kernel_test
