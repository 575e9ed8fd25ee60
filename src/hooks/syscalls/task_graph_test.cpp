// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/task_graph.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <thread>

#include "base/testing.hpp"

namespace skep::hooks {
namespace {

using namespace platform::embedded;

/// Reads as the engine does: asks first.
class Reader : public ::testing::Test {
  protected:
    template <typename T>
    const T& get(const T* at) {
        EXPECT_TRUE(graph_.readable(reinterpret_cast<uint64_t>(at), sizeof(T)));
        return *at;
    }
    const struct task_struct* task(pid_t tid, bool current = false) {
        return reinterpret_cast<const struct task_struct*>(graph_.task_struct(tid, current));
    }

    ProcFacts facts_;
    TaskGraph graph_{facts_};
};

TEST_F(Reader, Identity) {
    const auto* self = task(gettid(), true);
    EXPECT_EQ(get(&self->pid), gettid());
    EXPECT_EQ(get(&self->tgid), getpid());
    char comm[16];
    prctl(PR_GET_NAME, comm);
    EXPECT_STREQ(get(&self->comm), comm);
    EXPECT_EQ(get(&self->__state), 0u);
    EXPECT_EQ(task(gettid()), self);
}

TEST_F(Reader, ThreadsHaveALeader) {
    std::thread([&] {
        const auto* self = task(gettid());
        EXPECT_EQ(get(&self->pid), gettid());
        EXPECT_EQ(get(&self->tgid), getpid());
        const auto* leader = get(&self->group_leader);
        EXPECT_NE(leader, self);
        EXPECT_EQ(get(&leader->pid), getpid());
        EXPECT_EQ(get(&leader->group_leader), leader);
        EXPECT_GE(get(&get(&self->signal)->nr_threads), 2);
    }).join();
}

TEST_F(Reader, AncestorsEndAtTheIdleTask) {
    const auto* at = task(gettid());
    const auto* parent = get(&at->real_parent);
    EXPECT_EQ(get(&parent->tgid), getppid());
    EXPECT_EQ(get(&at->parent), parent);
    int depth = 0;
    while (get(&at->pid) != 0) {
        at = get(&at->real_parent);
        ASSERT_LT(depth++, 100);
    }
    EXPECT_GE(depth, 1);
    EXPECT_STREQ(get(&at->comm), "swapper/0");
    EXPECT_EQ(get(&at->real_parent), at);
}

TEST_F(Reader, TimesAndPriorities) {
    const auto* self = task(gettid());
    timespec boot, mono;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    const u64 now = static_cast<u64>(boot.tv_sec) * 1'000'000'000;
    EXPECT_LE(get(&self->start_boottime), now + 1'000'000'000);
    EXPECT_GT(get(&self->start_boottime), 0u);
    EXPECT_LE(get(&self->start_time), get(&self->start_boottime));
    EXPECT_GT(get(&self->min_flt), 0u);
    EXPECT_EQ(get(&self->static_prio), 120 + getpriority(PRIO_PROCESS, 0));
    EXPECT_EQ(get(&self->exit_signal), SIGCHLD);
    EXPECT_GT(get(&self->nvcsw) + get(&self->nivcsw), 0u);
    EXPECT_EQ(get(&self->flags) & 0x00200000, 0u);  // PF_KTHREAD
}

TEST_F(Reader, CredentialsAndMemory) {
    const auto* self = task(gettid());
    const auto& cred = get(get(&self->real_cred));
    EXPECT_EQ(cred.uid.val, getuid());
    EXPECT_EQ(cred.euid.val, geteuid());
    EXPECT_EQ(cred.gid.val, getgid());
    EXPECT_EQ(cred.egid.val, getegid());
    EXPECT_EQ(cred.cap_effective.val != 0, geteuid() == 0);
    const auto* mm = get(&self->mm);
    EXPECT_LT(get(&mm->start_code), get(&mm->end_code));
    EXPECT_LT(get(&mm->arg_start), get(&mm->arg_end));
    EXPECT_EQ(get(&mm->arg_end), get(&mm->env_start));
}

TEST_F(Reader, Namespaces) {
    const auto* self = task(gettid());
    const auto* ns = get(&self->nsproxy);
    const auto inum = [](const char* link) {
        struct stat info;
        const std::string path = std::string("/proc/self/ns/") + link;
        return stat(path.c_str(), &info) == 0 ? static_cast<u32>(info.st_ino) : 0;
    };
    EXPECT_EQ(get(get(&ns->mnt_ns)).ns.inum, inum("mnt"));
    EXPECT_EQ(get(get(&ns->net_ns)).ns.inum, inum("net"));
    EXPECT_EQ(get(get(&ns->uts_ns)).ns.inum, inum("uts"));
    EXPECT_EQ(get(&get(&ns->pid_ns_for_children)->ns).inum, inum("pid_for_children"));
    EXPECT_NE(inum("mnt"), 0u);
    utsname name;
    uname(&name);
    EXPECT_STREQ(get(get(&ns->uts_ns)).name.nodename, name.nodename);

    const auto* pid = get(&self->thread_pid);
    const u32 level = get(&pid->level);
    EXPECT_EQ(get(&pid->numbers[level]).nr, gettid());
    EXPECT_EQ(get(&get(&pid->numbers[level]).ns->ns).inum, inum("pid"));
}

TEST_F(Reader, AWholeStructAtOnceIsFilled) {
    const auto* self = task(gettid());
    const struct task_struct copy = get(self);
    EXPECT_EQ(copy.tgid, getpid());
    EXPECT_EQ(copy.group_leader, task(getpid()));
    EXPECT_NE(copy.start_time, 0u);
    EXPECT_NE(copy.real_parent, nullptr);
    EXPECT_STRNE(copy.comm, "");
}

TEST_F(Reader, NothingElseIsReadable) {
    const uint64_t self = graph_.task_struct(gettid(), true);
    EXPECT_TRUE(graph_.readable(self, 0));
    EXPECT_FALSE(graph_.readable(self - 1, 1));
    EXPECT_FALSE(graph_.readable(self, 1 << 20));
    EXPECT_FALSE(graph_.readable(self, SIZE_MAX));
    EXPECT_FALSE(graph_.readable(UINT64_MAX, 8));
    EXPECT_FALSE(graph_.readable(0, 8));
    graph_.reset();
    EXPECT_FALSE(graph_.readable(self, 8));
}

TEST_F(Reader, ATaskThatHasGoneIsEmpty) {
    const auto* gone = task(0x3fffffff);
    EXPECT_STREQ(get(&gone->comm), "");
    EXPECT_EQ(get(&gone->start_time), 0u);
    EXPECT_EQ(get(get(&gone->cred)).uid.val, 0u);
    EXPECT_EQ(get(&get(&gone->real_parent)->pid), 0);
}

}  // namespace
}  // namespace skep::hooks
