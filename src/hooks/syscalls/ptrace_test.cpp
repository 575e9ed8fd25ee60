// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include "hooks/syscalls/process_tree_fixture.hpp"

namespace skep::hooks {
namespace {

// What only ptrace can tell.
class TracedTreeTest : public ProcessTreeTest {
  protected:
    void SetUp() override {}
};

TEST_P(TracedTreeTest, EveryCallReturnsOnce) {
    wanted_.enter.add(SYS_getppid);
    wanted_.exit.add(SYS_getppid);
    const Story story = act({"threads", "3", "37"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 111);
    EXPECT_EQ(story.returns(SYS_getppid), 111);
    for (const SysExit& call : story.exits) EXPECT_EQ(call.ret, getpid());
}

TEST_P(TracedTreeTest, ExitsAloneAndWithTheirErrors) {
    wanted_.exit.add(SYS_openat);
    const Story story = act({"opens", "53", "/no/such/file"});
    EXPECT_TRUE(story.enters.empty());
    EXPECT_EQ(std::ranges::count(story.exits, -ENOENT, &SysExit::ret), 53);
}

TEST_P(TracedTreeTest, AChildReturnsFromTheCloneThatMadeIt) {
    for (const int64_t nr : {SYS_clone, SYS_clone3, SYS_fork, SYS_vfork}) wanted_.exit.add(nr);
    for (const char* role : {"forks", "vforks", "threads"}) {
        const Story story = act({role, "13"});
        const auto returns = [&](auto matches) {
            return std::ranges::count_if(story.exits, matches, &SysExit::ret);
        };
        EXPECT_EQ(returns([](int64_t ret) { return ret == 0; }), 13) << role;
        // Besides, -ERESTARTNOINTR where a SIGCHLD came in between.
        EXPECT_EQ(returns([](int64_t ret) { return ret > 0; }), 13) << role;
    }
}

TEST_P(TracedTreeTest, AllExitsBalanceAllEnters) {
    wanted_.enter.add_all();
    wanted_.exit.add_all();
    const Story story = act({"opens", "19", "/x"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_openat), story.returns(SYS_openat));
    EXPECT_EQ(story.returns(SYS_execve), 1);
    EXPECT_EQ(story.returns(SYS_exit_group), 0);
    EXPECT_EQ(story.enters.size(), story.exits.size() + 1);
}

TEST_P(TracedTreeTest, ForksNameParentAndChild) {
    wanted_.fork = true;
    const Story story = act({"forks", "97"});
    ASSERT_EQ(story.forks.size(), 97u);
    std::set<pid_t> children;
    for (const Fork& fork : story.forks) {
        EXPECT_EQ(fork.parent_pid, story.forks[0].parent_pid);
        EXPECT_EQ(text_of(fork.parent_comm), "actor");
        EXPECT_EQ(text_of(fork.child_comm), "actor");
        children.insert(fork.child_pid);
    }
    EXPECT_EQ(children.size(), 97u);
    EXPECT_EQ(act({"threads", "7"}).forks.size(), 7u);
    EXPECT_EQ(act({"vforks", "7"}).forks.size(), 7u);
}

TEST_P(TracedTreeTest, AForkComesBeforeAllThatItsChildDoes) {
    wanted_.fork = wanted_.task_exit = true;
    wanted_.enter.add(SYS_getppid);
    std::set<pid_t> known;
    ProcessTree tree({.argv = {actor(), "forks", "150"}, .wanted = wanted_});
    const auto outcome = tree.run([&](const TaskEvent& event, engine::Task& task) {
        const auto tid = static_cast<pid_t>(task.pid_tgid());
        if (known.empty()) known.insert(tid);
        EXPECT_TRUE(known.contains(tid));
        if (const auto* fork = std::get_if<Fork>(&event)) known.insert(fork->child_pid);
        if (std::holds_alternative<TaskExit>(event)) known.erase(tid);
    });
    EXPECT_TRUE(outcome);
    EXPECT_TRUE(known.empty());
}

TEST_P(TracedTreeTest, ExecsNameTheFile) {
    wanted_.exec = true;
    const Story story = run({"sh", "-c", "true; exec " + actor() + " spawns 3"});
    ASSERT_EQ(story.execs.size(), 5u);
    EXPECT_TRUE(story.execs[0].second.ends_with("/sh")) << story.execs[0].second;
    EXPECT_EQ(story.execs[1].second, actor());
    EXPECT_EQ(story.execs[1].first.pid, story.execs[1].first.old_pid);
    for (int i = 2; i < 5; i++) EXPECT_EQ(story.execs[i].second, "/proc/self/exe");
}

TEST_P(TracedTreeTest, AThreadThatExecsTakesTheLeadersId) {
    wanted_.exec = wanted_.task_exit = true;
    wanted_.exit.add(SYS_execve);
    const Story story = act({"thread-exec", actor(), "exits", "9"});
    EXPECT_EQ(story.outcome.exit_code(), 9);
    ASSERT_EQ(story.execs.size(), 2u);
    const Exec& exec = story.execs[1].first;
    EXPECT_EQ(exec.pid, story.execs[0].first.pid);
    EXPECT_NE(exec.old_pid, exec.pid);
    EXPECT_EQ(story.returns(SYS_execve), 2);
    // The leader that was replaced, and the process.
    ASSERT_EQ(story.task_exits.size(), 2u);
    EXPECT_FALSE(story.task_exits[0].group_dead);
    EXPECT_TRUE(story.task_exits[1].group_dead);
    EXPECT_EQ(story.task_exits[1].exit_code, 9 << 8);
}

TEST_P(TracedTreeTest, EveryTaskEndsOnce) {
    wanted_.task_exit = true;
    const Story forks = act({"forks", "61"});
    EXPECT_EQ(forks.task_exits.size(), 62u);
    EXPECT_EQ(std::ranges::count(forks.task_exits, true, &TaskExit::group_dead), 62);
    const int32_t prio = 120 + getpriority(PRIO_PROCESS, 0);  // niceness is inherited
    EXPECT_EQ(std::ranges::count(forks.task_exits, prio, &TaskExit::prio), 62);
    const Story threads = act({"threads", "5"});
    EXPECT_EQ(threads.task_exits.size(), 6u);
    EXPECT_EQ(std::ranges::count(threads.task_exits, true, &TaskExit::group_dead), 1);
    const Story dies = act({"dies", "15"});
    EXPECT_EQ(dies.task_exits.at(0).exit_code, SIGTERM);
    EXPECT_EQ(text_of(dies.task_exits.at(0).comm), "actor");
    const Story killed = act({"killed-child", "31"});
    EXPECT_EQ(std::ranges::count(killed.task_exits, SIGKILL, &TaskExit::exit_code), 31);
    EXPECT_EQ(killed.task_exits.size(), 32u);
}

INSTANTIATE_TEST_SUITE_P(By, TracedTreeTest, ::testing::Values(Mechanism::Ptrace),
                         [](const auto&) { return "Ptrace"; });

}  // namespace
}  // namespace skep::hooks
