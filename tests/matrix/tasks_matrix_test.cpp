// SPDX-License-Identifier: Apache-2.0
// Programs on system calls and on the life of processes: the same command is watched by the
// embedded runtime and by the kernel's own tracepoints, and both must have seen the same: what maps
// hold, what was sent, what was printed. (There is no replay of system calls.) Prints the
// comparison:
//
//     PROGRAM         COMMAND  MAPS  RECORDS  LINES  PLACES
//     opens           opens 3     1        3      0  embedded = kernel
//
// The kernel's programs see everybody's system calls. What can be told apart is left out; counts
// cannot, so where they differ, a quieter moment gets another chance.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/bytes.hpp"
#include "base/hex.hpp"
#include "base/result.hpp"
#include "base/table.hpp"
#include "base/testing.hpp"
#include "matrix/contents.hpp"

namespace skep {
namespace {

using namespace std::chrono_literals;

struct Row {
    const char* object;
    std::vector<std::string> progs;
    std::vector<std::string> command;  ///< of tests/fixtures/actor.cpp
};
const Row kRows[] = {
    {"examples/hello", {"hello"}, {"spawns", "2"}},
    {"examples/opens", {"open_begins", "open_ends"}, {"opens", "3", "/no-such-file"}},
    {"examples/syscalls", {"count_calls"}, {"calls", "5"}},
    {"tests/tasks/watch", {"opens"}, {"opens", "4", "/no-such-file"}},
    {"tests/tasks/watch", {"opens_perf"}, {"opens", "4", "/no-such-file"}},
    {"tests/tasks/watch", {"raw_enter"}, {"calls", "7"}},
    {"tests/tasks/watch", {"raw_exit"}, {"threads", "2", "3"}},
    {"tests/tasks/watch", {"regs_enter"}, {"forks", "3"}},
    {"tests/tasks/watch", {"regs_exit"}, {"vforks", "3"}},
    {"tests/tasks/watch", {"direct"}, {"calls", "7"}},
    {"tests/tasks/watch", {"user_regs"}, {"spawns", "2"}},
    {"tests/tasks/watch", {"execs"}, {"spawns", "2"}},
    {"tests/tasks/watch", {"exits"}, {"forks", "2"}},
    {"tests/tasks/watch", {"forks"}, {"forks", "2"}},
    {"tests/tasks/watch", {"counts_calls", "tells_calls"}, {"calls", "5"}},
    {"tests/tasks/watch", {"floods"}, {"calls", "1"}},
};

std::string built(const std::string& name) {
    return (testing::binary_dir() / name).string();
}

struct Seen {
    test::Contents maps = {};
    std::vector<std::string> records = {};
    std::vector<std::string> lines = {};

    bool operator==(const Seen&) const = default;
};

/// Numbers of processes are nobody's choice.
std::string without_pids(const std::string& line) {
    std::string out;
    for (const char c : line) {
        const bool digit = c >= '0' && c <= '9';
        if (!digit) out += c;
        if (digit && (out.empty() || out.back() != '#')) out += '#';
    }
    return out;
}

class Watch {
  public:
    explicit Watch(Place place) : place_(place) {}

    Result<Seen> run(const Row& row) {
        const Runtime runtime = SKEP_TRY(
            Runtime::open(place_, {.printk = [this](std::string_view line) { print(line); }}));
        const Object object = SKEP_TRY(
            runtime.load_file(built(std::string(row.object) + ".bpf.o"), {.progs = row.progs}));
        Events events = SKEP_TRY(object.events([this](const Record& one) { record(one.bytes); }));
        std::vector<std::string> command = {built("tests/actor")};
        command.insert(command.end(), row.command.begin(), row.command.end());
        std::vector<Link> links;
        if (place_ == Place::Embedded) {
            Source source = SKEP_TRY(Source::command(runtime, command));
            for (Program& prog : object.programs())
                links.push_back(SKEP_TRY(prog.attach({.source = &source})));
            SKEP_TRY(source.run(&events));
            links.clear();
        } else {
            for (Program& prog : object.programs()) links.push_back(SKEP_TRY(prog.attach()));
            SKEP_TRY(spawn(command));
            links.clear();
        }
        while (SKEP_TRY(events.poll(0ms)) != 0) {
        }
        seen_.maps = SKEP_TRY(test::contents(object));
        keep_ours(seen_.maps);
        std::ranges::sort(seen_.records);  // by several processors, in no order
        std::ranges::sort(seen_.lines);
        return std::move(seen_);
    }

  private:
    static Result<void> spawn(const std::vector<std::string>& words) {
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        pid_t pid = 0;
        if (const int error = posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ))
            return std::unexpected(sys_error(words[0], error));
        int status = 0;
        waitpid(pid, &status, 0);
        if (status != 0) return fail(ErrorCode::Failed, "{} ends with {}", words[0], status);
        return {};
    }

    void print(std::string_view line) {
        if (line.find("actor") != std::string_view::npos)
            seen_.lines.push_back(without_pids(std::string(line)));
    }

    /// Those of opens, whose path says so: without the process's number, which comes first, and
    /// what happens to lie behind the path. And large ones, which are the same for everybody.
    void record(ByteView bytes) {
        constexpr std::string_view kPath = "/no-such-file";
        const auto path = std::ranges::search(bytes, kPath);
        if (path.empty() && bytes.size() < 1000) return;
        const ByteView known(bytes.begin(), path.empty() ? bytes.end() : path.end());
        seen_.records.push_back(to_hex(known.subspan(4)));
    }

    /// Without elements of `calls` that another command has made, and calls that have not ended.
    static void keep_ours(test::Contents& maps) {
        maps.erase("pending");
        const auto found = maps.find("calls");
        if (found == maps.end()) return;
        constexpr std::string_view kComm = "actor";
        const std::string ours = to_hex(bytes_of(kComm));
        std::erase_if(found->second,
                      [&](const auto& element) { return !element.first.starts_with(ours); });
    }

    Place place_;
    Seen seen_;
};

TEST(TasksMatrix, EmbeddedAndKernelAgree) {
    if (!Runtime::open(Place::Kernel)) SKEP_SKIP("the kernel's half: no CAP_BPF");
    Table table({"PROGRAM", "COMMAND", ">MAPS", ">RECORDS", ">LINES", "PLACES"});
    for (const Row& row : kRows) {
        const std::string name = fmt::format("{}", fmt::join(row.progs, "+"));
        SCOPED_TRACE(name);
        const auto here = Watch(Place::Embedded).run(row);
        ASSERT_TRUE(here) << here.error().to_string();
        auto there = Watch(Place::Kernel).run(row);
        ASSERT_TRUE(there) << there.error().to_string();
        for (int tries = 0; tries < 20 && *there != *here; tries++) {
            std::this_thread::sleep_for(50ms);
            there = Watch(Place::Kernel).run(row);
            ASSERT_TRUE(there) << there.error().to_string();
        }
        EXPECT_EQ(here->maps, there->maps);
        EXPECT_EQ(here->records, there->records);
        EXPECT_EQ(here->lines, there->lines);
        const bool any = !here->maps.empty() || !here->records.empty() || !here->lines.empty();
        EXPECT_TRUE(any) << "nothing was seen";
        table.row({name, fmt::format("{}", fmt::join(row.command, " ")),
                   fmt::to_string(here->maps.size()), fmt::to_string(here->records.size()),
                   fmt::to_string(here->lines.size()),
                   *here == *there ? "embedded = kernel" : "DIFFER"});
    }
    fmt::print("{}", table.to_string());
}

}  // namespace
}  // namespace skep
