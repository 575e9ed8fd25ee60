// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/process_tree.hpp"

#include <grp.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "hooks/syscalls/process_tree_fixture.hpp"

namespace skep::hooks {
namespace {

TEST_P(ProcessTreeTest, TellsEachCallOnce) {
    const Story story = act({"calls", "101"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.outcome.events, 101u);
    EXPECT_EQ(story.enters.size(), 101u);
    EXPECT_EQ(story.calls(SYS_getppid), 101);
    EXPECT_EQ(story.tids.size(), 1u);
    EXPECT_EQ(story.tids, story.tgids);
    EXPECT_EQ(story.outcome.no_new_privs, geteuid() != 0);
}

TEST_P(ProcessTreeTest, NothingWantedIsNothingTold) {
    wanted_ = {};
    const Story story = act({"exits", "3"});
    EXPECT_EQ(story.outcome.exit_code(), 3);
    EXPECT_EQ(story.outcome.events, 0u);
}

TEST_P(ProcessTreeTest, ArgumentsAndMemoryAreTheCallers) {
    wanted_.enter.add(SYS_openat);
    const Story story = act({"opens", "7", "/nowhere/at all"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(std::ranges::count(story.paths, "/nowhere/at all"), 7);
    const SysEnter& last = story.enters.back();
    EXPECT_EQ(last.nr, SYS_openat);
    EXPECT_EQ(static_cast<int>(last.args[0]), AT_FDCWD);
    EXPECT_EQ(last.args[2], static_cast<uint64_t>(O_RDONLY | O_CLOEXEC));
}

TEST_P(ProcessTreeTest, AStringMayEndWhereMemoryDoes) {
    wanted_.enter.add(SYS_openat);
    const Story story = act({"open-at-edge", "/last/bytes"});
    ASSERT_GE(story.paths.size(), 3u);
    const auto tail = story.paths.end() - 3;
    EXPECT_EQ(tail[0], "/last/bytes");
    EXPECT_EQ(tail[1], "");
    EXPECT_EQ(tail[2], "error -14");
}

TEST_P(ProcessTreeTest, RegistersAreThoseOfTheCall) {
    wanted_.enter.add(SYS_openat);
    ProcessTree tree(
        {.argv = {actor(), "opens", "1", "/x"}, .wanted = wanted_, .mechanism = GetParam()});
    int checked = 0;
    const auto outcome = tree.run([&](const TaskEvent& event, engine::Task& task) {
        const auto& call = std::get<SysEnter>(event);
        const Registers& regs = *call.registers;
        EXPECT_EQ(regs.orig_ax, static_cast<uint64_t>(call.nr));
        EXPECT_EQ(regs.di, call.args[0]);
        EXPECT_EQ(regs.r9, call.args[5]);
        EXPECT_EQ(static_cast<int64_t>(regs.ax), -ENOSYS);
        uint8_t insn[2] = {};
        EXPECT_EQ(task.read_user(insn, 2, regs.ip - 2), 0);
        EXPECT_EQ(insn[0], 0x0f);  // syscall
        EXPECT_EQ(insn[1], 0x05);
        EXPECT_TRUE(task.kernel_readable(reinterpret_cast<uint64_t>(call.registers), sizeof regs));
        EXPECT_FALSE(
            task.kernel_readable(reinterpret_cast<uint64_t>(call.registers) + 1, sizeof regs));
        EXPECT_FALSE(task.kernel_readable(0, 1));
        EXPECT_FALSE(task.kernel_readable(UINT64_MAX, 8));
        EXPECT_EQ(regs.sp != 0, ptraced());
        checked++;
    });
    EXPECT_TRUE(outcome);
    EXPECT_GT(checked, 1);
}

TEST_P(ProcessTreeTest, ProgramsMayWriteUserMemory) {
    wanted_ = {};
    wanted_.enter.add(SYS_write);
    CapturedStdout captured;
    ProcessTree tree({.argv = {"echo", "lower"}, .wanted = wanted_, .mechanism = GetParam()});
    const auto outcome = tree.run([](const TaskEvent& event, engine::Task& task) {
        const auto& call = std::get<SysEnter>(event);
        EXPECT_EQ(task.write_user(call.args[1], "UP", 2), 0);
        EXPECT_EQ(task.write_user(8, "x", 1), -EFAULT);
    });
    EXPECT_TRUE(outcome);
    EXPECT_EQ(captured.text(), "UPwer\n");
}

TEST_P(ProcessTreeTest, FactsAboutTheTask) {
    ProcessTree tree({.argv = {actor(), "calls", "2"}, .wanted = wanted_, .mechanism = GetParam()});
    const auto outcome = tree.run([&](const TaskEvent&, engine::Task& task) {
        EXPECT_EQ(text_of(task.comm()), "actor");
        EXPECT_EQ(task.uid_gid(), static_cast<uint64_t>(getgid()) << 32 | getuid());
        EXPECT_EQ(task.read_user(nullptr, 0, 0), 0);
        char byte = 0;
        EXPECT_EQ(task.read_user(&byte, 1, 0), -EFAULT);
        EXPECT_EQ(task.read_user(&byte, 1, UINT64_MAX), -EFAULT);
    });
    EXPECT_TRUE(outcome);
}

TEST_P(ProcessTreeTest, ExitCodesAndSignalsPassThrough) {
    EXPECT_EQ(act({"exits", "0"}).outcome.exit_code(), 0);
    EXPECT_EQ(act({"exits", "42"}).outcome.exit_code(), 42);
    for (const int signal : {SIGTERM, SIGKILL, SIGSEGV, SIGABRT, SIGUSR1}) {
        const Outcome outcome = act({"dies", std::to_string(signal)}).outcome;
        EXPECT_TRUE(WIFSIGNALED(outcome.status));
        EXPECT_EQ(outcome.exit_code(), 128 + signal);
    }
}

TEST_P(ProcessTreeTest, StandardStreamsAreUntouched) {
    CapturedStdout captured;
    const Story story = run({"sh", "-c", "printf 'out\\n'; exit 5"});
    EXPECT_EQ(story.outcome.exit_code(), 5);
    EXPECT_EQ(captured.text(), "out\n");
}

TEST_P(ProcessTreeTest, WhatCannotBeRunSaysWhy) {
    const testing::ScratchDir scratch;
    const std::string plain = scratch.file("plain"), script = scratch.file("script"),
                      broken = scratch.file("broken");
    ASSERT_TRUE(write_file(plain, bytes_of(std::string_view("data"))));
    ASSERT_TRUE(write_file(script, bytes_of(std::string_view("exit $1"))));
    ASSERT_TRUE(write_file(broken, bytes_of(std::string_view("#!/no/such/interpreter\n"))));
    chmod(script.c_str(), 0755);
    chmod(broken.c_str(), 0755);

    struct Case {
        std::vector<std::string> argv;
        int exec_errno, exit_code;
    };
    const Case cases[] = {
        {{"no-such-command-here"}, ENOENT, 127},
        {{"/no/such/file"}, ENOENT, 127},
        {{""}, ENOENT, 127},
        {{plain}, EACCES, 126},
        {{"/"}, EACCES, 126},
        {{"/dev/null/x"}, ENOTDIR, 126},
        {{broken}, ENOENT, 127},
        {{script, "17"}, 0, 17},  // without "#!": the shell's
    };
    for (const Case& c : cases) {
        const Outcome outcome = run(c.argv).outcome;
        EXPECT_EQ(outcome.exec_errno, c.exec_errno) << c.argv[0];
        EXPECT_EQ(outcome.exit_code(), c.exit_code) << c.argv[0];
    }
}

TEST_P(ProcessTreeTest, HugeArgumentListsWork) {
    std::vector<std::string> argv = {"calls", "3"};
    argv.resize(20'000, std::string(50, 'x'));
    EXPECT_EQ(act(argv).calls(SYS_getppid), 3);
}

TEST_P(ProcessTreeTest, FollowsManyChildren) {
    const Story story = act({"forks", "199"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 199);
    EXPECT_EQ(story.tgids.size(), 199u);
}

TEST_P(ProcessTreeTest, FollowsThreads) {
    const Story story = act({"threads", "11", "13"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 143);
    EXPECT_EQ(story.tids.size(), 11u);
    EXPECT_EQ(story.tgids.size(), 1u);
}

TEST_P(ProcessTreeTest, FollowsVforkAndSpawn) {
    EXPECT_EQ(act({"vforks", "23"}).calls(SYS_getppid), 23);
    EXPECT_EQ(act({"spawns", "7"}).calls(SYS_getppid), 7);
}

TEST_P(ProcessTreeTest, FollowsAThreadThatExecs) {
    const Story story = act({"thread-exec", actor(), "threads", "3", "5"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 15);
}

TEST_P(ProcessTreeTest, FollowsAProcessWhoseLeaderHasLeft) {
    const Story story = act({"leader-leaves", "5"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 5);
    EXPECT_NE(*story.tids.begin(), *story.tgids.begin());
}

TEST_P(ProcessTreeTest, WaitsForChildrenInTheBackground) {
    const Story story = act({"background", "31"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 31);
}

TEST_P(ProcessTreeTest, SignalsDoNotDisturbTheCount) {
    const Story story = act({"interrupted", "4001", "restart"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 4001);
}

TEST_P(ProcessTreeTest, CallsFailWithEintrUnderNotificationOnly) {
    // A known gap: see decision 0002. The exit code 1 says that a call failed.
    const int count = ptraced() ? 4001 : 50021;
    const Story story = act({"interrupted", std::to_string(count)});
    EXPECT_EQ(story.outcome.exit_code(), ptraced() ? 0 : 1);
    EXPECT_EQ(story.calls(SYS_getppid) == count, ptraced());
}

TEST_P(ProcessTreeTest, NobodyEscapesByCloneFlags) {
    const Story story = act({"untraced", "17"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 34);
}

TEST_P(ProcessTreeTest, AffinityStaysAsItWas) {
    const Story story = act({"affinity", "2000"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 2125);
}

TEST_P(ProcessTreeTest, StopsAndContinues) {
    const Story story = act({"job-control", "7"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 7);
}

TEST_P(ProcessTreeTest, SurvivesKilledChildren) {
    const Story story = act({"killed-child", "29"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
}

TEST_P(ProcessTreeTest, CallsOfAnotherAbiAreNotMistaken) {
    wanted_ = {};
    wanted_.enter.add(64);  // getppid there, semget here
    if (act({"i386"}).outcome.exit_code() == 3) SKEP_SKIP("this kernel has no 32-bit calls");
    EXPECT_EQ(act({"i386"}).outcome.events, 0u);

    wanted_.enter.add_all();
    const Story story = act({"i386"});
    EXPECT_EQ(std::ranges::count_if(
                  story.enters,
                  [](const SysEnter& call) { return call.abi == Abi::I386 && call.nr == 64; }),
              1);
    EXPECT_GT(story.enters.size(), 20u);
}

TEST_P(ProcessTreeTest, TheFirstCallIsTheExecOfTheCommand) {
    wanted_.enter.add_all();
    const Story story = act({"calls", "1"});
    EXPECT_EQ(story.enters.front().nr, SYS_execve);
    EXPECT_EQ(story.enters.back().nr, SYS_exit_group);
}

TEST_P(ProcessTreeTest, ACommandMayTraceOnlyUnderNotification) {
    const Story story = act({"tracer", "5"});
    EXPECT_EQ(story.outcome.exit_code(), ptraced() ? 9 : 0);
    EXPECT_EQ(story.calls(SYS_getppid), ptraced() ? 0 : 5);
}

TEST_P(ProcessTreeTest, UnreadableMemoryIsAFault) {
    if (geteuid() == 0) SKEP_SKIP("root may read what is not dumpable");
    wanted_.enter.add(SYS_openat);
    const Story story = act({"hidden", "3", "/x"});
    EXPECT_EQ(std::ranges::count(story.paths, "error -14"), 3);
}

TEST_P(ProcessTreeTest, SetUidProgramsGainNothing) {
    if (geteuid() == 0) SKEP_SKIP("root has nothing to gain");
    // Made by the root half of the test, below.
    const char* set_uid_actor = std::getenv("SKEP_TEST_SETUID_ACTOR");
    if (!set_uid_actor) SKEP_SKIP("a set-uid root program takes root to make");
    std::string unwatched, watched;
    {
        CapturedStdout captured;
        EXPECT_EQ(system(fmt::format("{} inherited", set_uid_actor).c_str()), 0);
        unwatched = captured.text();
    }
    {
        CapturedStdout captured;
        EXPECT_EQ(run({set_uid_actor, "inherited"}).outcome.exit_code(), 0);
        watched = captured.text();
    }
    if (unwatched.find("euid 0") == std::string::npos) SKEP_SKIP("/tmp is mounted nosuid");
    EXPECT_NE(watched.find(fmt::format("euid {}", geteuid())), std::string::npos) << watched;
}

TEST_P(ProcessTreeTest, InheritsMaskAndDispositions) {
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_BLOCK, &mask, &before);
    const auto hup = signal(SIGHUP, SIG_IGN);
    const auto child = signal(SIGCHLD, SIG_IGN);
    std::string text;
    {
        CapturedStdout captured;
        EXPECT_EQ(act({"inherited"}).outcome.exit_code(), 0);
        text = captured.text();
    }
    EXPECT_EQ(signal(SIGCHLD, child), SIG_IGN);
    EXPECT_EQ(signal(SIGHUP, hup), SIG_IGN);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    EXPECT_TRUE(
        text.starts_with(fmt::format("blocked {}; ignored {} {};", SIGUSR2, SIGHUP, SIGCHLD)))
        << text;
}

TEST_P(ProcessTreeTest, PassesSignalsOnAndWaits) {
    CapturedStdout captured;
    std::thread sender([&] {
        char ready[16] = {};
        ASSERT_GT(read(captured.read_end(), ready, sizeof ready - 1), 0);
        kill(getpid(), SIGTERM);  // to us alone: passed on, and ignored there
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        kill(std::stoi(ready), SIGUSR1);
    });
    const Story story = act({"stubborn", "3"});
    sender.join();
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.calls(SYS_getppid), 3);
}

TEST_P(ProcessTreeTest, TheCommandDiesWithUs) {
    CapturedStdout captured;
    const pid_t us = fork();
    if (us == 0) {
        ProcessTree tree(
            {.argv = {actor(), "stubborn"}, .wanted = wanted_, .mechanism = GetParam()});
        tree.run([](const TaskEvent&, engine::Task&) {});
        _exit(0);
    }
    char ready[16];
    EXPECT_GT(read(captured.read_end(), ready, sizeof ready), 0);
    kill(us, SIGKILL);
    waitpid(us, nullptr, 0);
    captured.text();  // ends when nobody has the other end of the pipe any more
}

TEST_P(ProcessTreeTest, StopEndsEverything) {
    ProcessTree tree(
        {.argv = {"sh", "-c", actor() + " sleeps 60000 & " + actor() + " calls 1 & exec sleep 60"},
         .wanted = wanted_,
         .mechanism = GetParam()});
    std::thread stopper([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        tree.stop();
    });
    const auto start = std::chrono::steady_clock::now();
    const auto outcome = tree.run([](const TaskEvent&, engine::Task&) {});
    stopper.join();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->exit_code(), 128 + SIGKILL);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_P(ProcessTreeTest, StopBeforeTheStart) {
    ProcessTree tree({.argv = {"sleep", "60"}, .wanted = wanted_, .mechanism = GetParam()});
    tree.stop();
    const auto outcome = tree.run([](const TaskEvent&, engine::Task&) {});
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->exit_code(), 128 + SIGKILL);
}

TEST_P(ProcessTreeTest, IsCalledWhileNothingHappens) {
    ProcessTree tree({.argv = {"sleep", "60"}, .wanted = wanted_, .mechanism = GetParam()});
    int called = 0;
    const auto idle = [&]() -> std::optional<uint64_t> {
        if (++called == 20) tree.stop();
        return 100'000;
    };
    const auto outcome = tree.run([](const TaskEvent&, engine::Task&) {}, idle);
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->exit_code(), 128 + SIGKILL);
    EXPECT_EQ(called, 20);
}

TEST(ProcessTree, ChoosesTheMechanism) {
    const auto mechanism = [](const Wanted& wanted) {
        ProcessTree tree({.argv = {"true"}, .wanted = wanted});
        const auto outcome = tree.run([](const TaskEvent&, engine::Task&) {});
        return outcome ? outcome->mechanism : Mechanism::Auto;
    };
    Wanted enter, exit, fork;
    enter.enter.add(SYS_openat);
    exit.exit.add(SYS_openat);
    fork.fork = true;
    EXPECT_EQ(mechanism(enter), Mechanism::Notification);
    EXPECT_EQ(mechanism(exit), Mechanism::Ptrace);
    EXPECT_EQ(mechanism(fork), Mechanism::Ptrace);
}

TEST(ProcessTree, UnderAnotherListenerItTurnsToPtrace) {
    constexpr const char* kInner = "SKEP_TEST_INNER_RUN";
    Wanted wanted;
    if (!std::getenv(kInner)) {
        setenv(kInner, "1", 1);
        wanted.enter.add(SYS_chroot);
        ProcessTree outer({.argv = {"/proc/self/exe", "--gtest_brief=1",
                                    "--gtest_filter=*UnderAnotherListenerItTurnsToPtrace"},
                           .wanted = wanted});
        const auto outcome = outer.run([](const TaskEvent&, engine::Task&) {});
        unsetenv(kInner);
        ASSERT_TRUE(outcome);
        EXPECT_EQ(outcome->mechanism, Mechanism::Notification);
        EXPECT_FALSE(outcome->shadowed);
        EXPECT_EQ(outcome->exit_code(), 0);
        return;
    }
    wanted.enter.add(SYS_getppid);
    ProcessTree inner({.argv = {actor(), "calls", "5"}, .wanted = wanted});
    const auto outcome = inner.run([](const TaskEvent&, engine::Task&) {});
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->mechanism, Mechanism::Ptrace);
    EXPECT_TRUE(outcome->shadowed);
    EXPECT_EQ(outcome->events, 5u);
}

// All of this program's tests once more without root, in a process that has given it up. It gets
// copies of what it runs, for the build directory may be closed to it.
TEST(ProcessTree, AsAnOrdinaryUser) {
    constexpr uid_t kNobody = 65534;
    if (geteuid() != 0) SKEP_SKIP("this is an ordinary user already");
    const testing::ScratchDir scratch;
    const std::string self = scratch.file("hooks_test"), set_uid = scratch.file("set-uid-actor");
    std::filesystem::create_directory(scratch.path() / "tests");
    std::filesystem::copy("/proc/self/exe", self);
    std::filesystem::copy(actor(), scratch.path() / "tests/actor");
    std::filesystem::copy(actor(), set_uid);
    chmod(set_uid.c_str(), 04755);
    for (const std::string& path : {scratch.path().string(), scratch.file("tests")})
        chmod(path.c_str(), 0755);

    const pid_t pid = fork();
    if (pid == 0) {
        setenv("PATH", "/usr/bin:/bin", 1);  // root's may have places that are closed to others
        setenv("SKEP_BINARY_DIR", scratch.path().c_str(), 1);
        setenv("SKEP_TEST_SETUID_ACTOR", set_uid.c_str(), 1);
        if (setgroups(0, nullptr) || setresgid(kNobody, kNobody, kNobody) ||
            setresuid(kNobody, kNobody, kNobody))
            _exit(90);
        execl(self.c_str(), "hooks_test", "--gtest_filter=-*AsAnOrdinaryUser", "--gtest_brief=1",
              nullptr);
        _exit(91);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

INSTANTIATE_TEST_SUITE_P(By, ProcessTreeTest,
                         ::testing::Values(Mechanism::Notification, Mechanism::Ptrace),
                         [](const auto& test) {
                             return test.param == Mechanism::Ptrace ? "Ptrace" : "Notification";
                         });

}  // namespace
}  // namespace skep::hooks
