// SPDX-License-Identifier: Apache-2.0
// watch.bpf.c on real processes: what tests/fixtures/actor.cpp does is known to the call.
#include <gmock/gmock.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "hooks/tasks/runner.hpp"
#include "object/read.hpp"

namespace skep::hooks {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Strings = std::vector<std::string>;

std::string actor() {
    return (testing::binary_dir() / "tests/actor").string();
}

Result<object::ObjectSpec> watch_object() {
    const std::string path = (testing::binary_dir() / "tests/tasks/watch.bpf.o").string();
    return object::read_object(SKEP_TRY(read_file(path)), path);
}

/// What a run of some programs of watch.bpf.c on a command comes to.
struct Story {
    Outcome outcome;
    TaskStatistics statistics;
    Strings lines;    // printk
    Strings records;  // of ring buffers and perf event arrays: their path
    Strings faults;
    std::vector<uint64_t> counts;
    std::string error;

    const ProgStatistics& prog() const { return statistics.progs.at(0); }
    const ProgStatistics& prog(std::string_view name) const {
        return *std::ranges::find(statistics.progs, name, &ProgStatistics::name);
    }
};

Result<Story> try_run(const Strings& progs, Strings argv) {
    Story story;
    engine::Env env;
    env.printk = [&](std::string_view line) { story.lines.emplace_back(line); };
    const object::ObjectSpec spec = SKEP_TRY(watch_object());
    const auto object = SKEP_TRY(engine::Object::load(spec, env, {.progs = progs}));
    const auto runner =
        SKEP_TRY(TaskRunner::create(*object, env, {.argv = std::move(argv), .progs = progs}));
    const TaskSinks sinks{
        .record =
            [&](const Record& record) {
                const auto path = load_string(record.bytes, 4);
                story.records.push_back(record.map.def().name + ":" +
                                        std::string(path.value_or("")));
            },
        .fault = [&](const engine::Fault& fault) { story.faults.push_back(fault.to_string()); }};
    story.outcome = SKEP_TRY(runner->run(sinks));
    story.statistics = runner->statistics();
    for (uint32_t key = 0; key < 8; ++key) {
        uint64_t value = 0;
        object->find_map("counts")->user_lookup(&key, &value);
        story.counts.push_back(value);
    }
    return story;
}

Story run(const Strings& progs, Strings argv) {
    const Result<Story> story = try_run(progs, std::move(argv));
    EXPECT_TRUE(story) << (story ? "" : story.error().to_string());
    return story.value_or(Story{});
}

Story act(const Strings& progs, Strings role) {
    role.insert(role.begin(), actor());
    return run(progs, std::move(role));
}

TEST(Tasks, HelloPrintsALineForEachExecve) {
    const Story story = run({"hello"}, {"sh", "-c", "/bin/true; /bin/true; exec /bin/true"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.statistics.events, 4u);  // sh itself is the first
    ASSERT_THAT(story.lines, SizeIs(8));
    EXPECT_THAT(story.lines[0], HasSubstr(" starts /"));
    EXPECT_EQ(story.lines[2], "sh of sh starts /bin/true");
    EXPECT_EQ(story.lines[1], "parent " + std::to_string(getpid()));
    EXPECT_EQ(story.lines[7], story.lines[1]);
}

TEST(Tasks, RingBufferRecordsArriveWithTheirPaths) {
    const Story story = act({"opens"}, {"opens", "5", "/no-such-file"});
    EXPECT_EQ(std::ranges::count(story.records, "paths:/no-such-file"), 5);
    EXPECT_EQ(story.statistics.records, story.records.size());
    EXPECT_EQ(story.prog().runs, story.records.size());
    EXPECT_EQ(story.statistics.lost, 0u);
    EXPECT_EQ(story.prog().returned, (std::map<uint64_t, uint64_t>{{0, story.prog().runs}}));
}

TEST(Tasks, PerfEventsArriveWithTheirPaths) {
    const Story story = act({"opens_perf"}, {"opens", "5", "/no-such-file"});
    EXPECT_EQ(std::ranges::count(story.records, "perf:/no-such-file"), 5);
}

TEST(Tasks, SeveralProgramsShareAnEvent) {
    const Story story = act({"opens", "opens_perf"}, {"opens", "3", "/no-such-file"});
    EXPECT_EQ(story.statistics.progs[0].runs, story.statistics.progs[1].runs);
    EXPECT_EQ(story.statistics.events, story.prog().runs);
    EXPECT_EQ(std::ranges::count(story.records, "perf:/no-such-file"), 3);
    EXPECT_EQ(std::ranges::count(story.records, "paths:/no-such-file"), 3);
}

TEST(Tasks, EveryFormOfASystemCall) {
    const Story story = act({"raw_enter", "raw_exit", "regs_enter", "regs_exit"}, {"calls", "7"});
    EXPECT_EQ(Strings(), story.faults);
    EXPECT_THAT(std::vector(story.counts.begin(), story.counts.begin() + 4), Each(7u));
}

TEST(Tasks, TaskStructsAreReadDirectly) {
    const Story story = act({"direct", "user_regs"}, {"calls", "7"});
    EXPECT_EQ(Strings(), story.faults);
    EXPECT_EQ(story.counts[0], 7u);
    EXPECT_EQ(story.counts[1], 7u);
}

TEST(Tasks, KernelFunctionsOfASystemCall) {
    const Story story =
        act({"kprobe_openat", "ksyscall_openat", "kretprobe_openat", "kretsyscall_openat"},
            {"opens", "7", "/no-such-file"});
    EXPECT_EQ(Strings(), story.faults);
    EXPECT_EQ(story.counts[4], 7u);
    EXPECT_EQ(story.counts[5], 7u);
    EXPECT_GE(story.counts[6], 7u);  // the dynamic linker also looks for what is not there
    EXPECT_EQ(story.counts[7], story.counts[6]);
}

TEST(Tasks, LivesOfProcesses) {
    const Story story = act({"forks", "execs", "exits", "raw_forks"}, {"forks", "3"});
    EXPECT_EQ(Strings(), story.faults);
    EXPECT_EQ(std::ranges::count(story.lines, "fork actor 1"), 3);
    EXPECT_EQ(std::ranges::count(story.lines, "exit actor 1"), 4);
    EXPECT_EQ(std::ranges::count(story.lines, "exec " + actor().substr(0, 63) + " 1"), 1);
    EXPECT_EQ(story.counts[0], 3u);
}

TEST(Tasks, ForksHeavily) {
    const Story story = act({"raw_enter"}, {"forks", "97"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    EXPECT_EQ(story.counts[0], 97u);
}

TEST(Tasks, TimersRunBetweenEvents) {
    const Story story = act({"starts_timer"}, {"calls", "11"});
    EXPECT_EQ(Strings(), story.faults);
    EXPECT_EQ(story.counts[0], 21u);  // three times the key
}

// The timer ends a command that would wait for a minute, in both ways of watching it.
TEST(Tasks, TimersRunWhileNothingHappens) {
    for (const Mechanism mechanism : {Mechanism::Notification, Mechanism::Ptrace}) {
        std::unique_ptr<TaskRunner> runner;
        engine::Env env;
        env.printk = [&](std::string_view line) {
            EXPECT_EQ(line, "rings");
            runner->stop();
        };
        const auto object =
            engine::Object::load(*watch_object(), env, {.progs = {"starts_late_timer"}});
        ASSERT_TRUE(object) << object.error().to_string();
        const std::string command = actor() + " calls 1; exec sleep 60";
        auto created = TaskRunner::create(**object, env,
                                          {.argv = {"sh", "-c", command},
                                           .progs = {"starts_late_timer"},
                                           .mechanism = mechanism});
        ASSERT_TRUE(created) << created.error().to_string();
        runner = std::move(*created);
        const auto outcome = runner->run({});
        ASSERT_TRUE(outcome);
        EXPECT_EQ(outcome->exit_code(), 128 + SIGKILL);
    }
}

// Each thread counts for itself, and its value is there until it has ended.
TEST(Tasks, StorageOfTasksGoesWithThem) {
    engine::Env env;
    std::vector<int> tids;
    env.printk = [&](std::string_view line) { tids.push_back(std::atoi(line.data())); };
    const Strings progs = {"counts_calls", "tells_calls"};
    const auto object = engine::Object::load(*watch_object(), env, {.progs = progs});
    ASSERT_TRUE(object) << object.error().to_string();
    const auto runner =
        TaskRunner::create(**object, env, {.argv = {actor(), "threads", "7", "3"}, .progs = progs});
    ASSERT_TRUE(runner) << runner.error().to_string();
    ASSERT_TRUE((*runner)->run({}));
    EXPECT_THAT(tids, SizeIs(21));
    EXPECT_EQ(std::set<int>(tids.begin(), tids.end()).size(), 7u);
    uint32_t key = 0;
    uint64_t value = 0;
    (*object)->find_map("counts")->user_lookup(&key, &value);
    EXPECT_EQ(value, 21u);
    for (const int tid : tids)
        EXPECT_EQ((*object)->find_map("calls")->user_lookup(&tid, &value), -ENOENT);
}

TEST(Tasks, StorageOfAThreadThatExecsGoesOn) {
    const Story story =
        act({"counts_calls"}, {"calls-then-thread-exec", "2", actor(), "calls", "1"});
    std::vector<std::string> values;
    for (const std::string& line : story.lines) values.push_back(line.substr(line.find(' ') + 1));
    EXPECT_THAT(values, ElementsAre("1", "1", "2", "3"));
}

TEST(Tasks, LostRecordsAreCounted) {
    const Story story = act({"floods"}, {"calls", "13"});
    EXPECT_EQ(story.statistics.records, 4u * 13);
    EXPECT_EQ(story.statistics.lost, 13u);
    EXPECT_EQ(story.prog().returned, (std::map<uint64_t, uint64_t>{{1, 13}}));
}

TEST(Tasks, AFaultStopsTheProgramNotTheCommand) {
    const Story story = act({"faulty", "raw_enter"}, {"calls", "5"});
    EXPECT_EQ(story.outcome.exit_code(), 0);
    ASSERT_THAT(story.faults, SizeIs(1));
    EXPECT_THAT(story.faults[0], AllOf(HasSubstr("faulty"), HasSubstr("watch.bpf.c")));
    EXPECT_EQ(story.prog("faulty").runs, 1u);
    EXPECT_TRUE(story.prog("faulty").fault);
    EXPECT_EQ(story.counts[0], 5u);
}

TEST(Tasks, SignalsReachTheCaller) {
    EXPECT_EQ(act({"kills"}, {"calls", "5"}).outcome.exit_code(), 128 + SIGKILL);
}

TEST(Tasks, TheCommandsExitPassesThrough) {
    EXPECT_EQ(act({"raw_enter"}, {"exits", "42"}).outcome.exit_code(), 42);
    EXPECT_EQ(act({"raw_enter"}, {"dies", "15"}).outcome.exit_code(), 128 + SIGTERM);
    EXPECT_EQ(run({"raw_enter"}, {"skep-no-such-command"}).outcome.exit_code(), 127);
    EXPECT_EQ(run({"raw_enter"}, {"/etc/passwd"}).outcome.exit_code(), 126);
}

TEST(Tasks, SaysWhereElseAProgramMightRun) {
    const auto misspelt = try_run({"misspelt"}, {"true"});
    ASSERT_FALSE(misspelt);
    EXPECT_EQ(misspelt.error().code, ErrorCode::Unsupported);
    EXPECT_THAT(misspelt.error().message, HasSubstr("tp/syscalls/sys_enter_opennat"));
    EXPECT_THAT(misspelt.error().hint, HasSubstr("\"tp/syscalls/sys_enter_openat\""));
    const auto elsewhere = try_run({"elsewhere"}, {"true"});
    ASSERT_FALSE(elsewhere);
    EXPECT_THAT(elsewhere.error().hint, HasSubstr("kernel"));
    const auto nowhere = try_run({"nowhere"}, {"true"});
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().code, ErrorCode::Usage);
}

// Once more without root, in a process that has given it up. It gets copies of what it runs, for
// the build directory may be closed to it.
TEST(Tasks, AsAnOrdinaryUser) {
    constexpr uid_t kNobody = 65534;
    if (geteuid() != 0) SKEP_SKIP("this is an ordinary user already");
    const testing::ScratchDir scratch;
    const std::filesystem::path tests = scratch.path() / "tests";
    std::filesystem::create_directories(tests / "tasks");
    std::filesystem::copy("/proc/self/exe", tests / "tasks_test");
    std::filesystem::copy(actor(), tests / "actor");
    std::filesystem::copy(testing::binary_dir() / "tests/tasks/watch.bpf.o", tests / "tasks");
    for (const auto& path : {scratch.path(), tests, tests / "tasks"}) chmod(path.c_str(), 0755);

    const pid_t pid = fork();
    if (pid == 0) {
        setenv("PATH", "/usr/bin:/bin", 1);
        setenv("SKEP_BINARY_DIR", scratch.path().c_str(), 1);
        if (setgroups(0, nullptr) || setresgid(kNobody, kNobody, kNobody) ||
            setresuid(kNobody, kNobody, kNobody))
            _exit(90);
        execl((tests / "tasks_test").c_str(), "tasks_test", "--gtest_filter=-*AsAnOrdinaryUser",
              "--gtest_brief=1", nullptr);
        _exit(91);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace skep::hooks
