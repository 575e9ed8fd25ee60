// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/table.hpp"
#include "base/text.hpp"
#include "hooks/syscalls/process_tree.hpp"

// What it costs a command to have a system call watched: this program runs itself in a loop of one
// call (`syscalls_bench --loop CALL COUNT`, which prints ns per call), unwatched, then under each
// mechanism, with what the sink asks of the task, and under strace where that is installed. Of a
// run, the fastest tenth of its pieces counts, and of the runs of a row, which take turns with
// those of the others, the best: whatever else the machine does only adds to it. Rows marked
// "bound" have both sides bound to one CPU from the start.

namespace {

using namespace skep;
using namespace skep::hooks;

constexpr int kRuns = 5;
constexpr int kPiece = 100;  // calls

int loop(const char* call, int count) {
    using Clock = std::chrono::steady_clock;
    const bool open = std::string_view(call) == "openat";
    std::vector<double> pieces;
    while (static_cast<int>(pieces.size()) * kPiece < count) {
        const auto start = Clock::now();
        for (int i = 0; i < kPiece; i++) {
            if (open)
                close(static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0)));
            else
                syscall(SYS_getppid);
        }
        const std::chrono::duration<double, std::nano> time = Clock::now() - start;
        pieces.push_back(time.count() / kPiece);
    }
    const auto tenth = pieces.begin() + static_cast<ptrdiff_t>(pieces.size() / 10);
    std::ranges::nth_element(pieces, tenth);
    fmt::print("{:.1f}\n", *tenth);
    return 0;
}

/// Runs `run` with standard output caught, and reads the number that it prints.
double number_printed_by(const std::function<void()>& run) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return HUGE_VAL;
    const UniqueFd read_end(ends[0]), saved(dup(STDOUT_FILENO));
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    run();
    dup2(saved.get(), STDOUT_FILENO);
    const Result<Bytes> text = read_fd(read_end.get(), "pipe");
    const double number =
        text ? std::atof(std::string(text->begin(), text->end()).c_str()) : HUGE_VAL;
    return number > 0 ? number : HUGE_VAL;
}

std::string shell_out(const std::vector<std::string>& argv) {
    std::string line;
    for (const std::string& word : argv) line += fmt::format("'{}' ", word);
    return line;
}

/// As a program does: task->real_parent->comm, each pointer probed.
void parent_comm(engine::Task& task) {
    using platform::embedded::task_struct;
    const auto* current = reinterpret_cast<const struct task_struct*>(task.task_struct());
    const auto probe = [&](const auto* field) {
        return task.kernel_readable(reinterpret_cast<uint64_t>(field), sizeof *field);
    };
    if (probe(&current->real_parent)) probe(&current->real_parent->comm);
}

using Ask = void (*)(engine::Task&, const TaskEvent&);

struct Asked {
    const char* name;
    Ask ask;
};
constexpr Asked kAsked[] = {
    {"nothing", [](engine::Task&, const TaskEvent&) {}},
    {"pid_tgid", [](engine::Task& task, const TaskEvent&) { task.pid_tgid(); }},
    {"comm", [](engine::Task& task, const TaskEvent&) { task.comm(); }},
    {"uid_gid", [](engine::Task& task, const TaskEvent&) { task.uid_gid(); }},
    {"cgroup_id", [](engine::Task& task, const TaskEvent&) { task.cgroup_id(); }},
    {"parent's comm", [](engine::Task& task, const TaskEvent&) { parent_comm(task); }},
    {"path",
     [](engine::Task& task, const TaskEvent& event) {
         char path[256];
         if (const auto* call = std::get_if<SysEnter>(&event))
             task.read_user_string(path, sizeof path, call->args[1]);
     }},
};

class Bench {
  public:
    Bench(const std::string& self, std::string call, int64_t nr, int count)
        : command_{self, "--loop", std::move(call), std::to_string(count)}, nr_(nr) {
        add("not watched", "", [this] { run_shell(""); });
    }

    void watch(Mechanism mechanism, bool enter, bool exit, const Asked& asked, bool bound) {
        Wanted wanted;
        if (enter) wanted.enter.add(nr_);
        if (exit) wanted.exit.add(nr_);
        const char* kind = enter && exit ? "enter+exit" : enter ? "enter" : "exit";
        const char* name = mechanism == Mechanism::Ptrace ? "ptrace" : "notification";
        const auto run = [this, mechanism, wanted, &asked, bound] {
            cpu_set_t before, first;
            CPU_ZERO(&first);
            CPU_SET(0, &first);
            sched_getaffinity(0, sizeof before, &before);
            if (bound) sched_setaffinity(0, sizeof first, &first);
            ProcessTree tree({.argv = command_, .wanted = wanted, .mechanism = mechanism});
            const auto outcome = tree.run(
                [&](const TaskEvent& event, engine::Task& task) { asked.ask(task, event); });
            if (!outcome) fmt::print(stderr, "{}\n", outcome.error().to_string());
            sched_setaffinity(0, sizeof before, &before);
        };
        add(fmt::format("{}, {}{}", name, kind, bound ? ", bound" : ""), asked.name, run);
    }

    void unwanted(Mechanism mechanism) {
        Wanted wanted;
        wanted.enter.add(SYS_chroot);
        add("another call watched", "", [this, mechanism, wanted] {
            ProcessTree tree({.argv = command_, .wanted = wanted, .mechanism = mechanism});
            if (const auto outcome = tree.run([](const TaskEvent&, engine::Task&) {}); !outcome)
                fmt::print(stderr, "{}\n", outcome.error().to_string());
        });
    }

    void strace(const char* options) {
        if (system("command -v strace >/dev/null") != 0) return;
        add(fmt::format("strace {}", options), "prints to /dev/null", [this, options] {
            run_shell(fmt::format("strace -f {} -e trace={} -o /dev/null ", options, command_[2]));
        });
    }

    void measure() {
        for (int i = 0; i < kRuns; i++)
            for (Row& row : rows_) row.ns = std::min(row.ns, number_printed_by(row.run));
        Table table{{"MECHANISM", "ASKED", ">NS/CALL", ">ADDED", ">TIMES"}};
        const double base = rows_.front().ns;
        for (const Row& row : rows_)
            table.row({row.what, row.asked, fmt::format("{:.0f}", row.ns),
                       fmt::format("{:.0f}", row.ns - base), fmt::format("{:.1f}", row.ns / base)});
        fmt::print("{}\n{}\n", command_[2], table.to_string());
    }

  private:
    void run_shell(const std::string& prefix) {
        if (system((prefix + shell_out(command_)).c_str()) != 0) fmt::print(stderr, "failed\n");
    }
    void add(std::string what, std::string asked, std::function<void()> run) {
        rows_.push_back({std::move(what), std::move(asked), std::move(run)});
    }

    struct Row {
        std::string what, asked;
        std::function<void()> run;
        double ns = HUGE_VAL;
    };

    std::vector<std::string> command_;
    int64_t nr_;
    std::vector<Row> rows_;
};

void bench(const std::string& self, const char* call, int64_t nr, int count) {
    Bench bench(self, call, nr, count);
    bench.unwanted(Mechanism::Notification);
    for (const Asked& asked : kAsked)
        if (nr == SYS_openat || asked.name != std::string_view("path"))
            bench.watch(Mechanism::Notification, true, false, asked, false);
    bench.watch(Mechanism::Notification, true, false, kAsked[0], true);
    bench.watch(Mechanism::Ptrace, true, false, kAsked[0], false);
    bench.watch(Mechanism::Ptrace, true, false, kAsked[0], true);
    bench.watch(Mechanism::Ptrace, false, true, kAsked[0], false);
    bench.watch(Mechanism::Ptrace, true, true, kAsked[0], false);
    bench.watch(Mechanism::Ptrace, true, true, kAsked[0], true);
    bench.strace("--seccomp-bpf");
    bench.strace("");
    bench.measure();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "--loop")
        return loop(argv[2], std::atoi(argv[3]));
    const int count = argc == 2 ? static_cast<int>(parse_int(argv[1]).value_or(0)) : 10'000;
    if (argc > 2 || count <= 0) {
        fmt::print(stderr, "usage: syscalls_bench [COUNT]\n");
        return 2;
    }
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    bench(self, "getppid", SYS_getppid, count);
    bench(self, "openat", SYS_openat, count);
    return 0;
}
