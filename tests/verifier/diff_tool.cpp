// SPDX-License-Identifier: Apache-2.0
// verifier_diff [--seconds N] [--seed N] [--out DIRECTORY] | FILE.s...
// Generates programs, asks the running kernel (as root) and skep, and prints the smallest form of
// each program on which they differ, each kind of difference once. With files: asks about these.
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

int ask_files(const Differential& differential, const std::vector<std::string>& files) {
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
        const Verdicts verdicts = differential.ask(parsed->object);
        differ |= verdicts.differ();
        fmt::print("{}{}\n{}", file, verdicts.differ() ? ": THEY DIFFER" : "", verdicts.text());
    }
    return differ;
}

struct Count {
    uint64_t programs = 0, accepted = 0, unsafe = 0, strict = 0;
};

int fuzz(const Differential& differential, uint64_t seed, int seconds, const std::string& out) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    Count count;
    std::map<std::string, int> kinds;
    for (; std::chrono::steady_clock::now() < end; seed++) {
        const object::ObjectSpec object = generate_program(seed);
        const Verdicts verdicts = differential.ask(object);
        count.programs++;
        count.accepted += verdicts.kernel.accepted();
        if (!verdicts.differ()) continue;
        (verdicts.unsafe() ? count.unsafe : count.strict)++;
        std::string kind = verdicts.unsafe() ? "unsafe " + verdicts.kernel.reason
                                             : "strict " + verdicts.skep.reason;
        std::erase_if(kind, [](unsigned char c) { return std::isdigit(c) != 0; });
        if (kinds[kind.substr(0, 40)]++ > 0) continue;
        const object::ObjectSpec small = differential.minimise(object);
        const std::string text =
            case_text(small, fmt::format("seed {}\n{}", seed, differential.ask(small).text()));
        fmt::print("{}\n", text);
        if (!out.empty()) {
            const std::string path =
                fmt::format("{}/{}_{}.s", out, verdicts.unsafe() ? "unsafe" : "strict", seed);
            if (!write_file(path, bytes_of(text))) fmt::print(stderr, "cannot write {}\n", path);
        }
    }
    for (const auto& [kind, times] : kinds) fmt::print("{:6} times {}\n", times, kind);
    fmt::print(
        "{} programs, the kernel accepts {}; skep accepts {} that it refuses, and refuses "
        "{} that it accepts; next seed {}\n",
        count.programs, count.accepted, count.unsafe, count.strict, seed);
    return count.unsafe + count.strict > 0;
}

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
    for (int i = 1; i < argc; i++) {
        const std::string_view argument = argv[i];
        const bool more = i + 1 < argc;
        if (argument == "--seconds" && more)
            seconds = std::atoi(argv[++i]);
        else if (argument == "--seed" && more)
            seed = std::strtoull(argv[++i], nullptr, 0);
        else if (argument == "--out" && more)
            out = argv[++i];
        else
            files.emplace_back(argument);
    }
    if (!files.empty()) return verifier_test::ask_files(differential, files);
    return verifier_test::fuzz(differential, seed, seconds, out);
}
