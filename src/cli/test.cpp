// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "apps/test/run.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/compile.hpp"
#include "cli/input.hpp"
#include "cli/jit_mode.hpp"
#include "cli/test_output.hpp"

namespace skep::cli {

namespace {

struct Options {
    std::vector<std::string> files;
    std::string in = "embedded";
    std::string filter;
    bool coverage = false;
    std::optional<std::string> lcov;
    std::optional<std::string> junit;
    bool json = false;
    std::string jit = "off";
};

/// Objects by path: several test files, and all tests of one, share what was read or compiled.
class Objects {
  public:
    Result<std::shared_ptr<const test::ObjectFile>> load(const std::string& path) {
        std::shared_ptr<const test::ObjectFile>& known = objects_[path];
        if (known) return known;
        auto object = std::make_shared<test::ObjectFile>();
        const std::string file = with_source(path);
        object->elf = SKEP_TRY(is_source(file) ? compile(file) : read_input(file));
        object->spec = SKEP_TRY(parse_object(object->elf, file));
        return known = object;
    }

  private:
    /// Of an object that has not been built, the source beside it.
    static std::string with_source(const std::string& path) {
        const bool object = path.ends_with(".bpf.o");
        const std::string source = object ? path.substr(0, path.size() - 1) + 'c' : path;
        return object && access(path.c_str(), F_OK) != 0 && access(source.c_str(), F_OK) == 0
                   ? source
                   : path;
    }

    std::map<std::string, std::shared_ptr<const test::ObjectFile>> objects_;
};

Result<void> check(const Options& options) {
    if (options.in != "kernel" || (!options.coverage && !options.lcov)) return {};
    return std::unexpected(Error{ErrorCode::Usage,
                                 "the kernel does not count what runs of a program",
                                 "take --coverage and --lcov without --in kernel", 0});
}

Result<void> nothing_selected(const Options& options) {
    return std::unexpected(
        Error{ErrorCode::Usage,
              fmt::format("--filter: no test's name contains '{}'", printable(options.filter)),
              "a part of the name will do; * stands for any text", 0});
}

int exit_code(const std::vector<test::FileResult>& files) {
    int code = kDone;
    for (const test::FileResult& file : files) {
        if (file.error) return file.error->exit_code();
        if (file.count(test::TestResult::Status::Failed) != 0) code = kNo;
    }
    return code;
}

Result<int> run_tests(const Options& options, Context& context) {
    SKEP_TRY(check(options));
    Objects objects;
    test::CoverageReport coverage;
    const bool counting = options.coverage || options.lcov;
    const test::RunOptions run {
        .place = options.in == "kernel" ? test::Place::Kernel : test::Place::Embedded,
        .load = [&](const std::string& path) { return objects.load(path); },
        .filter = options.filter, .coverage = counting ? &coverage : nullptr,
        .jit = SKEP_TRY(jit_mode(options.jit))
    };
    Terminal& terminal = context.terminal;
    std::vector<test::FileResult> results;
    for (const std::string& file : options.files) {
        results.push_back(test::run_file(file, run));
        const test::FileResult& result = results.back();
        const bool silent = result.tests.empty() && result.filtered != 0;
        if (options.json)
            SKEP_TRY(terminal.print(test_json(result)));
        else if (!silent)
            SKEP_TRY(terminal.print(test_text(result, terminal)));
        if (result.error) terminal.report(*result.error);
    }
    const auto ran = [](const test::FileResult& file) { return !file.tests.empty() || file.error; };
    if (std::ranges::none_of(results, ran)) SKEP_TRY(nothing_selected(options));
    if (options.json) {
        SKEP_TRY(
            terminal.print(test_summary_json(results, options.coverage ? &coverage : nullptr)));
    } else {
        if (options.coverage) SKEP_TRY(terminal.print(coverage_text(coverage, terminal)));
        SKEP_TRY(terminal.print(test_summary(results, terminal)));
    }
    if (options.lcov) SKEP_TRY(write_file(*options.lcov, bytes_of(coverage.to_lcov())));
    if (options.junit) SKEP_TRY(write_file(*options.junit, bytes_of(junit(results))));
    return exit_code(results);
}

Action declare(Arguments& args) {
    auto options = std::make_shared<Options>();
    args.operand("FILE", options->files, "test files (YAML)").required = true;
    args.option("--in", "PLACE", options->in,
                "where programs run: embedded, checked, as any user (default); kernel, as root")
        .choices = {"embedded", "kernel"};
    args.option("--jit", "MODE", options->jit,
                "run what the verifier accepts without checks, as machine code (baseline, "
                "optimising or auto)")
        .choices = kJitModes;
    args.option("--filter", "TEXT", options->filter, "only tests with this in their names");
    args.flag("--coverage", options->coverage, "show which source lines and branches have run");
    args.option("--lcov", "OUT", options->lcov, "write coverage in the format of lcov");
    args.option("--junit", "OUT", options->junit, "write results in the format of JUnit");
    args.flag("--json", options->json, "an object a line for each test, then a summary");
    return [options](Context& context) { return run_tests(*options, context); };
}

}  // namespace

const Command kTest = {
    .name = "test",
    .summary = "unit-test BPF programs: packets and events in, what they do out",
    .description =
        "Runs the tests of FILEs. Each loads its object afresh, in this process and with every\n"
        "access checked, gives it packets, system calls or contexts, and compares what the\n"
        "programs return, what they leave in packets and maps, and what they print, with what\n"
        "the file expects. Time, chance, the current process and results of helpers are the\n"
        "file's to say. docs/testing-programs.md has the format.\n"
        "Exit code 0: all passed; 1: some failed; 4: a file is malformed.",
    .examples =
        "skep test tests/*.yaml\n"
        "skep test drop.yaml --filter 'IPv6*fragment' --coverage\n"
        "skep test drop.yaml --junit results.xml --lcov coverage.info\n"
        "sudo skep test drop.yaml --in kernel\n",
    .declare = declare,
};

}  // namespace skep::cli
