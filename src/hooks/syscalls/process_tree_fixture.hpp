// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "base/testing.hpp"
#include "hooks/syscalls/process_tree.hpp"

// For tests of ProcessTree on real processes. tests/fixtures/actor.cpp makes a known number of
// getppid calls in some awkward way; every test says how many events that has to be, and leaves no
// process behind.

namespace skep::hooks {

inline std::string actor() {
    return (testing::binary_dir() / "tests/actor").string();
}

inline std::string text_of(const std::array<char, 16>& comm) {
    return comm.data();
}

/// All that a run has told.
struct Story {
    std::vector<SysEnter> enters;
    std::vector<SysExit> exits;
    std::vector<Fork> forks;
    std::vector<std::pair<Exec, std::string>> execs;
    std::vector<TaskExit> task_exits;
    std::vector<std::string> paths;
    std::set<pid_t> tids, tgids;
    Outcome outcome;

    auto calls(int64_t nr) const { return std::ranges::count(enters, nr, &SysEnter::nr); }
    auto returns(int64_t nr) const { return std::ranges::count(exits, nr, &SysExit::nr); }

    void on(const SysEnter& event, engine::Task& task) {
        enters.push_back(event);
        if (event.nr != SYS_openat) return;
        char path[256];
        const int64_t size = task.read_user_string(path, sizeof path, event.args[1]);
        paths.push_back(size < 0 ? "error " + std::to_string(size) : path);
    }
    void on(const SysExit& event, engine::Task&) { exits.push_back(event); }
    void on(const Fork& event, engine::Task&) { forks.push_back(event); }
    void on(const Exec& event, engine::Task&) {
        execs.emplace_back(event, std::string(event.filename));
    }
    void on(const TaskExit& event, engine::Task&) { task_exits.push_back(event); }
};

class ProcessTreeTest : public ::testing::TestWithParam<Mechanism> {
  protected:
    void SetUp() override { wanted_.enter.add(SYS_getppid); }
    void TearDown() override {
        // Whatever was started has been reaped, by us or by its own parent.
        EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
        EXPECT_EQ(errno, ECHILD);
    }

    Story run(std::vector<std::string> argv) {
        Story story;
        ProcessTree tree({.argv = std::move(argv), .wanted = wanted_, .mechanism = GetParam()});
        const Result<Outcome> outcome = tree.run([&](const TaskEvent& event, engine::Task& task) {
            const uint64_t id = task.pid_tgid();
            story.tids.insert(static_cast<pid_t>(id));
            story.tgids.insert(static_cast<pid_t>(id >> 32));
            std::visit([&](const auto& one) { story.on(one, task); }, event);
        });
        EXPECT_TRUE(outcome) << (outcome ? "" : outcome.error().to_string());
        if (outcome) story.outcome = *outcome;
        return story;
    }
    Story act(std::vector<std::string> argv) {
        argv.insert(argv.begin(), actor());
        return run(std::move(argv));
    }
    bool ptraced() const { return GetParam() == Mechanism::Ptrace; }

    Wanted wanted_;
};

/// What a run writes to standard output.
class CapturedStdout {
  public:
    CapturedStdout() : saved_(dup(STDOUT_FILENO)) {
        fflush(stdout);
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return;
        read_.reset(ends[0]);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[1]);
    }
    ~CapturedStdout() { restore(); }
    std::string text() {
        restore();
        const Result<Bytes> bytes = read_fd(read_.get(), "pipe");
        return bytes ? std::string(bytes->begin(), bytes->end()) : "";
    }
    int read_end() const { return read_.get(); }

  private:
    void restore() {
        fflush(stdout);
        if (saved_) dup2(saved_.get(), STDOUT_FILENO);
        saved_.reset();
    }
    UniqueFd saved_, read_;
};

}  // namespace skep::hooks
