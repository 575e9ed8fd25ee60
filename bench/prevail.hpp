// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

// PREVAIL (github.com/vbpf/prevail), the peer of the verifier, where the user has built its command
// line tool (0.2.6). One process a program; what counts is its CPU time without that of reading the
// object, which the same tool takes to list the object's programs.
//
//     bench::Prevail prevail("/home/me/prevail/bin/prevail");
//     const auto answer = prevail.ask("xdp.bpf.o", "xdp", "drop");

namespace skep::bench {

class Prevail {
  public:
    struct Answer {
        bool accepted;
        uint64_t nanoseconds;
    };

    explicit Prevail(std::string tool) : tool_(std::move(tool)) {}

    /// Nothing where the tool cannot be run, or does not end within a minute of CPU time.
    std::optional<Answer> ask(const std::string& path, const std::string& section,
                              const std::string& prog) {
        auto [listed, is_new] = listing_.try_emplace(path);
        if (is_new) listed->second = run({path, "-l"}).nanoseconds;
        const Run run_of = run({path, section, prog, "-q", "--include_groups", "packet"});
        if (!run_of.ended) return std::nullopt;
        return Answer{run_of.code == 0,
                      run_of.nanoseconds - std::min(run_of.nanoseconds, listed->second)};
    }

  private:
    struct Run {
        bool ended = false;
        int code = 0;
        uint64_t nanoseconds = 0;  ///< of CPU time
    };

    Run run(const std::vector<std::string>& arguments) const {
        constexpr rlim_t kSeconds = 60;
        const pid_t child = fork();
        if (child == 0) {
            const rlimit limit{kSeconds, kSeconds};
            setrlimit(RLIMIT_CPU, &limit);
            const int null = open("/dev/null", O_WRONLY);
            dup2(null, STDOUT_FILENO);
            dup2(null, STDERR_FILENO);
            std::vector<char*> argv = {const_cast<char*>(tool_.c_str())};
            for (const std::string& argument : arguments)
                argv.push_back(const_cast<char*>(argument.c_str()));
            argv.push_back(nullptr);
            execv(argv[0], argv.data());
            _exit(127);
        }
        int status = 0;
        rusage usage{};
        if (child < 0 || wait4(child, &status, 0, &usage) != child || !WIFEXITED(status)) return {};
        const auto ns = [](const timeval& time) {
            return uint64_t(time.tv_sec) * 1'000'000'000 + uint64_t(time.tv_usec) * 1'000;
        };
        return {.ended = WEXITSTATUS(status) != 127,
                .code = WEXITSTATUS(status),
                .nanoseconds = ns(usage.ru_utime) + ns(usage.ru_stime)};
    }

    std::string tool_;
    std::map<std::string, uint64_t> listing_;  ///< what it takes to read each object
};

}  // namespace skep::bench
