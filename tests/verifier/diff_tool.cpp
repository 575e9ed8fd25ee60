// SPDX-License-Identifier: Apache-2.0
// verifier_diff [--seconds N] [--seed N] [--out DIRECTORY] | [--log] FILE.s...
// Generates programs, asks the running kernel (as root) and skep, and runs what both accept on
// random inputs in the kernel and in the engine: checked, unchecked, and as machine code. Prints
// the smallest form of each program on which verdicts or results differ, each kind of difference
// once; what has been done so far every 2,000 programs. With files: asks about these (--log: with
// both logs).
#include <fmt/core.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string_view>

#include "base/file.hpp"
#include "verifier/differential.hpp"
#include "verifier/program_case.hpp"
#include "verifier/program_generator.hpp"

namespace skep::verifier_test {
namespace {

int ask_files(const Differential& differential, const std::vector<std::string>& files,
              bool with_log) {
    int differ = 0;
    for (const std::string& file : files) {
        const auto bytes = read_file(file);
        const auto parsed =
            bytes ? parse_case({reinterpret_cast<const char*>(bytes->data()), bytes->size()})
                  : Result<ProgramCase>(std::unexpected(bytes.error()));
        if (!parsed) {
            fmt::print(stderr, "{}: {}\n", file, parsed.error().message);
            return 4;
        }
        const Loader loader = !parsed->privileged ? Loader::None
                              : parsed->perfmon   ? Loader::Root
                                                  : Loader::Bpf;
        const Verdicts verdicts = differential.ask(parsed->object, loader, with_log);
        differ |= verdicts.differ();
        fmt::print("{}{}\n{}", file, verdicts.differ() ? ": THEY DIFFER" : "", verdicts.text());
        if (with_log)
            fmt::print("the kernel's log:\n{}skep's:\n{}", verdicts.kernel.log, verdicts.skep.log);
    }
    return differ;
}

struct Count {
    uint64_t programs = 0, without = 0, accepted = 0, unsafe = 0, strict = 0, ran = 0, compared = 0,
             wrong = 0;
};

/// A session: prints each kind of problem once, in its smallest form, and counts all.
class Fuzz {
  public:
    Fuzz(const Differential& differential, std::string out)
        : differential_(differential), out_(std::move(out)) {}

    int run(uint64_t seed, int seconds) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
        for (; std::chrono::steady_clock::now() < end; seed++) {
            one(seed);
            if (count_.programs % 2000 == 0) print_counts(seed + 1);
        }
        for (const auto& [kind, times] : kinds_) fmt::print("{:6} times {}\n", times, kind);
        print_counts(seed);
        return count_.unsafe + count_.strict + count_.wrong > 0;
    }

  private:
    /// Every fourth program is asked about by a loader who must not see addresses; where anybody
    /// may load programs, another fourth by one who has no capability at all.
    static Loader loader_of(uint64_t seed, ProgType type) {
        if (seed % 4 == 3) return Loader::Bpf;
        return seed % 4 == 1 && may_load_without_capabilities(type) ? Loader::None : Loader::Root;
    }

    void one(uint64_t seed) {
        const object::ObjectSpec object = generate_program(seed);
        const Loader loader = loader_of(seed, object.progs[0].type);
        count_.without += loader == Loader::None;
        const Verdicts verdicts = differential_.ask(object, loader);
        count_.programs++;
        count_.accepted += verdicts.kernel.accepted();
        if (verdicts.differ()) {
            (verdicts.unsafe() ? count_.unsafe : count_.strict)++;
            const std::string what = verdicts.unsafe() ? "unsafe" : "strict";
            if (!is_new(what + ' ' +
                        (verdicts.unsafe() ? verdicts.kernel.reason : verdicts.skep.reason)))
                return;
            const object::ObjectSpec small = differential_.minimise(object, loader);
            report(what, seed, small,
                   std::string(loader == Loader::Bpf    ? "capabilities: bpf\n"
                               : loader == Loader::None ? "unprivileged:\n"
                                                        : "") +
                       differential_.ask(small, loader).text());
            return;
        }
        const auto runs = differential_.run(object, verdicts, seed);
        count_.ran += runs.ran;
        count_.compared += runs.compared;
        if (runs.problem.empty()) return;
        count_.wrong++;
        if (!is_new("run " + runs.problem)) return;
        const std::string again =
            differential_.run(object, differential_.ask(object, loader), seed).problem;
        if (again != runs.problem) {
            report("run", seed, object, fmt::format("once: {}\nagain: {}", runs.problem, again));
            return;
        }
        const object::ObjectSpec small = differential_.minimise_run(object, seed);
        report("run", seed, small,
               differential_.run(small, differential_.ask(small), seed).problem);
    }

    bool is_new(std::string kind) {
        std::erase_if(kind, [](unsigned char c) { return std::isdigit(c) != 0; });
        return kinds_[kind.substr(0, 40)]++ == 0;
    }

    void report(const std::string& what, uint64_t seed, const object::ObjectSpec& small,
                const std::string& remarks) const {
        const std::string text = case_text(small, fmt::format("seed {}\n{}", seed, remarks));
        fmt::print("{}\n", text);
        std::fflush(stdout);
        if (out_.empty()) return;
        const std::string path = fmt::format("{}/{}_{}.s", out_, what, seed);
        if (!write_file(path, bytes_of(text))) fmt::print(stderr, "cannot write {}\n", path);
    }

    void print_counts(uint64_t next) const {
        fmt::print(
            "{} programs ({} of loaders without capabilities), the kernel accepts {}; skep accepts "
            "{} that it refuses, and refuses {} "
            "that it accepts; {} ran in each way, {} of them with the kernel's results; "
            "{} "
            "runs went wrong; next seed {}\n",
            count_.programs, count_.without, count_.accepted, count_.unsafe, count_.strict,
            count_.ran, count_.compared, count_.wrong, next);
        std::fflush(stdout);
    }

    const Differential& differential_;
    const std::string out_;
    Count count_;
    std::map<std::string, int> kinds_;
};

}  // namespace
}  // namespace skep::verifier_test

int main(int argc, char** argv) {
    using namespace skep;
    auto kernel = btf::Btf::load("/sys/kernel/btf/vmlinux");
    if (!kernel) {
        fmt::print(stderr, "{}\n", kernel.error().to_string());
        return 3;
    }
    const verifier_test::Differential differential(*kernel);
    std::vector<std::string> files;
    uint64_t seed = uint64_t(std::chrono::system_clock::now().time_since_epoch().count());
    int seconds = 10;
    std::string out;
    bool with_log = false;
    for (int i = 1; i < argc; i++) {
        const std::string_view argument = argv[i];
        const bool more = i + 1 < argc;
        if (argument == "--seconds" && more)
            seconds = std::atoi(argv[++i]);
        else if (argument == "--seed" && more)
            seed = std::strtoull(argv[++i], nullptr, 0);
        else if (argument == "--log")
            with_log = true;
        else if (argument == "--out" && more)
            out = argv[++i];
        else
            files.emplace_back(argument);
    }
    if (!files.empty()) return verifier_test::ask_files(differential, files, with_log);
    return verifier_test::Fuzz(differential, out).run(seed, seconds);
}
