// SPDX-License-Identifier: Apache-2.0
// How long verification takes: the running kernel's (BPF_PROG_LOAD, as root) and skep's, on the
// same programs in one run. Only programs that the kernel accepts count. The shortest of three
// rounds counts: what disturbs only slows.
//
//     build/release/bench/verifier_bench DIRECTORY...       (or SKEP_VERIFIER_OBJECTS=DIRECTORY)
//
// Without a directory: the objects of examples/. With SKEP_PREVAIL set to PREVAIL's tool: its times
// too (prevail.hpp).
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/table.hpp"
#include "prevail.hpp"
#include "verifier/agreement.hpp"

namespace skep::verifier_test {
namespace {

struct Times {
    std::vector<std::pair<uint64_t, std::string>> all;  // ns, name

    void add(uint64_t nanoseconds, const std::string& name) { all.emplace_back(nanoseconds, name); }
    double total_ms() const {
        double sum = 0;
        for (const auto& [time, name] : all) sum += double(time);
        return sum / 1e6;
    }
    double median_ms() {
        std::ranges::sort(all);
        return all.empty() ? 0 : double(all[all.size() / 2].first) / 1e6;
    }
    double worst_ms() const { return all.empty() ? 0 : double(std::ranges::max(all).first) / 1e6; }
};

/// Peak resident memory since it was last reset, MiB.
double peak_rss() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;
    return 0;
}
void reset_peak_rss() {
    std::ofstream("/proc/self/clear_refs") << "5";
}

/// PREVAIL on what the kernel accepts; nothing where it was not built.
void put_prevail(const std::vector<Case>& cases, Times& times, size_t& refused, size_t& endless) {
    const char* tool = std::getenv("SKEP_PREVAIL");
    if (!tool) return;
    bench::Prevail prevail(tool);
    for (const Case& item : cases) {
        if (!item.kernel.accepted()) continue;
        const auto answer = prevail.ask(item.path, item.section, item.prog);
        if (answer) times.add(answer->nanoseconds, item.name());
        refused += answer && !answer->accepted;
        endless += !answer;
    }
}

int run(const std::vector<std::string>& directories) {
    auto kernel = btf::Btf::load("/sys/kernel/btf/vmlinux");
    if (!kernel) {
        fmt::print(stderr, "{}\n", kernel.error().to_string());
        return 3;
    }
    std::vector<std::string> paths;
    for (const std::string& directory : directories)
        for (std::string& path : objects_below(directory)) paths.push_back(std::move(path));

    const auto judge = [&](bool ask_kernel) {
        Agreement agreement(*kernel, {.ask_kernel = ask_kernel,
                                      .ask_skep = !ask_kernel,
                                      .annotated_only = false,
                                      .rounds = 3});
        for (const std::string& path : paths)
            if (const auto added = agreement.add(path); !added)
                fmt::print(stderr, "left out: {}\n", added.error().message);
        return agreement;
    };
    const Agreement by_kernel = judge(true);
    reset_peak_rss();
    const double before = peak_rss();
    const Agreement by_skep = judge(false);
    const double rss = peak_rss();

    Times kernel_times, skep_times;
    size_t refused = 0;
    uint64_t peak = 0;
    std::vector<std::pair<double, std::string>> slower;
    for (size_t i = 0; i < by_kernel.cases().size(); i++) {
        const Case &theirs = by_kernel.cases()[i], &ours = by_skep.cases()[i];
        if (!theirs.kernel.accepted()) continue;
        kernel_times.add(theirs.kernel.nanoseconds, theirs.name());
        skep_times.add(ours.skep.nanoseconds, theirs.name());
        refused += !ours.skep.accepted();
        peak = std::max(peak, ours.skep.peak_bytes);
        slower.emplace_back(double(ours.skep.nanoseconds) / double(theirs.kernel.nanoseconds + 1),
                            fmt::format("{}: {:.2f} ms, kernel {:.2f} ms", theirs.name(),
                                        double(ours.skep.nanoseconds) / 1e6,
                                        double(theirs.kernel.nanoseconds) / 1e6));
    }
    Table table({"VERIFIER", ">PROGRAMS", ">TOTAL ms", ">MEDIAN ms", ">WORST ms"});
    const auto put = [&](const char* name, Times& times) {
        table.row({name, std::to_string(times.all.size()), fmt::format("{:.1f}", times.total_ms()),
                   fmt::format("{:.3f}", times.median_ms()),
                   fmt::format("{:.1f}", times.worst_ms())});
    };
    put("kernel", kernel_times);
    put("skep", skep_times);
    Times prevail_times;
    size_t prevail_refused = 0, prevail_endless = 0;
    put_prevail(by_kernel.cases(), prevail_times, prevail_refused, prevail_endless);
    if (!prevail_times.all.empty()) put("PREVAIL", prevail_times);
    fmt::print("{}", table.to_string());
    if (!prevail_times.all.empty())
        fmt::print("PREVAIL refuses {}, and does not end within a minute on {}\n", prevail_refused,
                   prevail_endless);
    fmt::print("skep takes {:.2f} of the kernel's time in all, {:.2f} at worst; it refuses {}\n",
               skep_times.total_ms() / std::max(kernel_times.total_ms(), 1e-9),
               skep_times.worst_ms() / std::max(kernel_times.worst_ms(), 1e-9), refused);
    fmt::print(
        "states of one program take at most {:.1f} MiB; the process {:.0f} MiB (of which "
        "{:.0f} before)\n",
        double(peak) / 1048576, rss, before);
    std::ranges::sort(slower, std::greater());
    if (slower.size() > 5) slower.resize(5);
    for (const auto& [ratio, text] : slower) fmt::print("  {:.1f} times: {}\n", ratio, text);
    return 0;
}

}  // namespace
}  // namespace skep::verifier_test

int main(int argc, char** argv) {
    std::vector<std::string> directories(argv + 1, argv + argc);
    if (const char* given = std::getenv("SKEP_VERIFIER_OBJECTS"); given && directories.empty())
        directories.emplace_back(given);
    if (directories.empty()) {
        const char* build = std::getenv("SKEP_BINARY_DIR");
        directories.emplace_back(std::string(build ? build : "build/release") + "/examples");
    }
    return skep::verifier_test::run(directories);
}
