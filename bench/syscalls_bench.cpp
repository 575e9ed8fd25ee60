// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/table.hpp"
#include "base/text.hpp"
#include "hooks/syscalls/process_tree.hpp"

// What it costs a command to have a system call watched: this program runs itself in a loop of one
// call (`syscalls_bench --loop CALL COUNT`, which prints ns per call), unwatched, then under each
// mechanism, with what the sink asks of the task, and under strace where that is installed. Each
// figure is the median of five runs; rows marked "bound" have both sides bound to one CPU from the
// start.

namespace {

using namespace skep;
using namespace skep::hooks;

constexpr int kRuns = 5;

int loop(const char* call, int count) {
    using Clock = std::chrono::steady_clock;
    const bool open = std::string_view(call) == "openat";
    const auto start = Clock::now();
    for (int i = 0; i < count; i++) {
        if (open)
            close(static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0)));
        else
            syscall(SYS_getppid);
    }
    const std::chrono::duration<double, std::nano> time = Clock::now() - start;
    fmt::print("{:.1f}\n", time.count() / count);
    return 0;
}

/// Runs `run` with standard output caught, and reads the number that it prints.
template <typename Run>
double measure(const Run& run) {
    std::vector<double> results;
    for (int i = 0; i < kRuns; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return 0;
        const UniqueFd read_end(ends[0]), saved(dup(STDOUT_FILENO));
        dup2(ends[1], STDOUT_FILENO);
        close(ends[1]);
        run();
        dup2(saved.get(), STDOUT_FILENO);
        const Result<Bytes> text = read_fd(read_end.get(), "pipe");
        if (text) results.push_back(std::atof(std::string(text->begin(), text->end()).c_str()));
    }
    std::ranges::sort(results);
    return results[results.size() / 2];
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
        base_ = measure([&] { run_shell(""); });
        add("not watched", "", base_);
    }

    void watch(Mechanism mechanism, bool enter, bool exit, const Asked& asked, bool bound) {
        Wanted wanted;
        if (enter) wanted.enter.add(nr_);
        if (exit) wanted.exit.add(nr_);
        const char* kind = enter && exit ? "enter+exit" : enter ? "enter" : "exit";
        const char* name = mechanism == Mechanism::Ptrace ? "ptrace" : "notification";
        const double ns = measure([&] {
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
        });
        add(fmt::format("{}, {}{}", name, kind, bound ? ", bound" : ""), asked.name, ns);
    }

    void unwanted(Mechanism mechanism) {
        Wanted wanted;
        wanted.enter.add(SYS_chroot);
        const double ns = measure([&] {
            ProcessTree tree({.argv = command_, .wanted = wanted, .mechanism = mechanism});
            if (const auto outcome = tree.run([](const TaskEvent&, engine::Task&) {}); !outcome)
                fmt::print(stderr, "{}\n", outcome.error().to_string());
        });
        add("another call watched", "", ns);
    }

    void strace(const char* options) {
        if (system("command -v strace >/dev/null") != 0) return;
        const double ns = measure([&] {
            run_shell(fmt::format("strace -f {} -e trace={} -o /dev/null ", options, command_[2]));
        });
        add(fmt::format("strace {}", options), "prints to /dev/null", ns);
    }

    void print() const { fmt::print("{}\n{}\n", command_[2], table_.to_string()); }

  private:
    void run_shell(const std::string& prefix) {
        if (system((prefix + shell_out(command_)).c_str()) != 0) fmt::print(stderr, "failed\n");
    }
    void add(std::string what, std::string asked, double ns) {
        table_.row({std::move(what), std::move(asked), fmt::format("{:.0f}", ns),
                    fmt::format("{:.0f}", ns - base_), fmt::format("{:.1f}", ns / base_)});
    }

    std::vector<std::string> command_;
    int64_t nr_;
    double base_ = 0;
    Table table_{{"MECHANISM", "ASKED", ">NS/CALL", ">ADDED", ">TIMES"}};
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
    bench.print();
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
