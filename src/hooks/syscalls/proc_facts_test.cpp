// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/proc_facts.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/testing.hpp"

namespace skep::hooks {
namespace {

/// A child that waits to be killed.
class Child {
  public:
    Child() : pid_(fork()) {
        if (pid_ != 0) return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
    }
    ~Child() { end(); }
    pid_t pid() const { return pid_; }
    void end() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

  private:
    pid_t pid_;
};

/// By pidfds, and as on a kernel that has no PIDFD_GET_INFO.
class ProcFactsTest : public ::testing::TestWithParam<bool> {
  protected:
    ProcFacts facts_{GetParam()};
};

TEST_P(ProcFactsTest, KnowsProcessesAndThreads) {
    EXPECT_EQ(facts_.tgid(getpid()), getpid());
    EXPECT_EQ(facts_.parent(getpid()), getppid());
    std::thread([&] {
        prctl(PR_SET_NAME, "a) b (c");
        for (int i = 0; i < 3; i++) {
            facts_.next_event();
            EXPECT_EQ(facts_.tgid(gettid()), getpid());
            EXPECT_STREQ(facts_.comm(gettid()).data(), "a) b (c");
            EXPECT_EQ(facts_.ids(gettid()).uid, getuid());
            EXPECT_EQ(facts_.ids(gettid()).gid, getgid());
        }
        prctl(PR_SET_NAME, "");
        EXPECT_STREQ(facts_.comm(gettid()).data(), "");
    }).join();
}

TEST_P(ProcFactsTest, ForgetsTheDead) {
    Child child;
    EXPECT_EQ(facts_.tgid(child.pid()), child.pid());
    EXPECT_EQ(facts_.parent(child.pid()), getpid());
    EXPECT_STRNE(facts_.comm(child.pid()).data(), "");
    EXPECT_EQ(facts_.processes(), std::vector{child.pid()});
    const pid_t gone = child.pid();
    child.end();
    facts_.next_event();
    EXPECT_STREQ(facts_.comm(gone).data(), "");
    EXPECT_EQ(facts_.ids(gone).uid, 0u);
    EXPECT_EQ(facts_.cgroup_id(gone), 0u);
    EXPECT_EQ(facts_.tgid(gone), gone);
    EXPECT_TRUE(facts_.processes().empty());
}

TEST_P(ProcFactsTest, KeepsFewDescriptors) {
    const auto descriptors = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
    };
    const auto before = descriptors();
    for (int i = 0; i < 250; i++) {
        Child child;
        facts_.next_event();
        facts_.tgid(child.pid());
        facts_.comm(child.pid());
    }
    EXPECT_LE(descriptors() - before, 200);
    facts_.forget(getpid());
}

INSTANTIATE_TEST_SUITE_P(, ProcFactsTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Pidfd" : "Proc"; });

TEST(ProcFacts, BothWaysAgreeOnTheCgroup) {
    ProcFacts by_pidfd(true), by_proc(false);
    const uint64_t id = by_proc.cgroup_id(getpid());
    // Where PIDFD_GET_INFO is missing, this compares /proc with itself.
    if (id == 0) SKEP_SKIP("no cgroup v2 hierarchy is mounted");
    EXPECT_EQ(by_pidfd.cgroup_id(getpid()), id);
}

TEST(ProcFacts, FindsDescendants) {
    Child one, two;
    const std::vector<pid_t> tree = process_trees({getpid()});
    EXPECT_EQ(tree.front(), getpid());
    for (const pid_t pid : {one.pid(), two.pid()})
        EXPECT_NE(std::ranges::find(tree, pid), tree.end());
    EXPECT_EQ(process_trees({one.pid()}), std::vector{one.pid()});
    EXPECT_TRUE(process_trees({}).empty());
}

TEST(ProcFacts, ReadsStatusAndStat) {
    const std::string_view status =
        "Name:\tx\nTgid:\t12\nPid:\t13\nUid:\t1\t2\t3\t4\nNoNewPrivs:\t1";
    EXPECT_EQ(status_field(status, "Tgid"), "12");
    EXPECT_EQ(status_field(status, "Uid"), "1\t2\t3\t4");
    EXPECT_EQ(status_field(status, "NoNewPrivs"), "1");
    EXPECT_EQ(status_field(status, "gid"), "");
    EXPECT_EQ(status_field("", "Pid"), "");
    const auto fields = stat_fields("7 (a) R 1) S 3 4\n");
    EXPECT_EQ(fields, (std::vector<std::string_view>{"S", "3", "4"}));
    EXPECT_TRUE(stat_fields("7 (a").empty());
    EXPECT_TRUE(stat_fields("7 (a)").empty());
    EXPECT_TRUE(stat_fields("").empty());
}

}  // namespace
}  // namespace skep::hooks
