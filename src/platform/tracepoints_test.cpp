// SPDX-License-Identifier: Apache-2.0
#include "platform/tracepoints.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "platform/syscalls.hpp"

namespace skep::platform {
namespace {

TEST(Syscalls, NumbersAreTheSystems) {
    EXPECT_EQ(find_syscall("openat")->number, unsigned(SYS_openat));
    EXPECT_EQ(find_syscall("fstat")->number, unsigned(SYS_fstat));
    EXPECT_EQ(find_syscall("newfstat"), find_syscall("fstat"));
    EXPECT_EQ(find_syscall(SYS_execve)->name, "execve");
    EXPECT_EQ(find_syscall(SYS_clone3)->name, "clone3");
    EXPECT_EQ(find_syscall(400u), nullptr);
    EXPECT_EQ(find_syscall("no_such_call"), nullptr);
    EXPECT_EQ(find_syscall(""), nullptr);
}

TEST(Syscalls, HaveParameters) {
    const SyscallInfo& openat = *find_syscall("openat");
    EXPECT_EQ(openat.arity(), 4u);
    EXPECT_EQ(openat.param(1), "const char *filename");
    EXPECT_EQ(openat.param(4), "");
    EXPECT_EQ(find_syscall("getpid")->arity(), 0u);
    EXPECT_EQ(find_syscall("getpid")->param(0), "");
    for (const SyscallInfo& call : syscalls()) EXPECT_LE(call.arity(), 6u) << call.name;
}

TEST(Tracepoints, OfSystemCallsFollowFromTheTable) {
    const auto enter = tracepoint_layout("syscalls/sys_enter_openat");
    ASSERT_TRUE(enter);
    EXPECT_EQ(enter->fields.size(), 9u);
    EXPECT_EQ(*enter->find("filename"),
              (TracepointField{"const char *", "filename", 24, 8, false}));
    EXPECT_EQ(*enter->find("dfd"), (TracepointField{"int", "dfd", 16, 8, false}));
    EXPECT_EQ(enter->find("common_pid")->offset, 4u);
    EXPECT_EQ(enter->fixed_size(), 48u);
    EXPECT_EQ(tracepoint_layout("syscalls/sys_exit_openat")->find("ret")->offset, 16u);
}

TEST(Tracepoints, OfTheScheduler) {
    const auto exec = tracepoint_layout("sched/sched_process_exec");
    EXPECT_EQ(exec->find("filename")->type, "__data_loc char[]");
    EXPECT_EQ(exec->fixed_size(), 20u);
    EXPECT_EQ(tracepoint_layout("raw_syscalls/sys_enter")->find("args")->size, 48u);
}

TEST(Tracepoints, UnknownOnesHaveNoLayout) {
    for (const std::string_view name :
         {"", "sched/sched_switch", "syscalls/sys_enter_", "syscalls/sys_enter_fstat",
          "syscalls/sys_exit_no_such_call", "sched_process_exec"})
        EXPECT_FALSE(tracepoint_layout(name)) << name;
    for (const std::string& name : tracepoint_names()) EXPECT_TRUE(tracepoint_layout(name)) << name;
}

}  // namespace
}  // namespace skep::platform
