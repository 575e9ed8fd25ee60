// SPDX-License-Identifier: Apache-2.0
#include "apps/test/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <variant>

#include "apps/test/checks.hpp"
#include "apps/test/embedded_session.hpp"
#include "apps/test/kernel_session.hpp"
#include "base/text.hpp"

namespace skep::test {

namespace {

using Status = TestResult::Status;
/// A session, or why the test cannot run here.
using Loaded = std::variant<std::unique_ptr<Session>, Cannot>;

template <typename T>
void append(std::vector<T>& to, std::vector<T> from) {
    std::ranges::move(from, std::back_inserter(to));
}

class FileRun {
  public:
    FileRun(const TestFile& file, const ObjectFile& object, const RunOptions& options)
        : file_(file), object_(object), options_(options) {}

    /// An error means that the file, not the program, is wrong.
    Result<TestResult> run(const Test& test) {
        const auto start = std::chrono::steady_clock::now();
        TestResult result{.name = test.name, .place = test.at->place()};
        if (std::string reason = not_here(test); !reason.empty()) {
            result.status = Status::Skipped;
            result.reason = std::move(reason);
            return result;
        }
        const object::ObjectSpec spec = SKEP_TRY(with_globals(object_.spec, test));
        for (const Step& step : test.steps) (void)SKEP_TRY(find_prog(spec, step));
        auto in_place = options_.place == Place::Kernel
                            ? load_kernel(object_.elf, spec, file_, test)
                            : load(spec, test);
        if (!in_place && in_place.error().code == ErrorCode::Failed)
            return refused(test, in_place.error());
        Loaded loaded = SKEP_TRY(std::move(in_place));
        if (const auto* cannot = std::get_if<Cannot>(&loaded)) {
            result.status = Status::Skipped;
            result.reason = cannot->reason;
            return result;
        }
        const auto done = run_steps(*std::get<0>(loaded), test, result);
        if (!done && done.error().code == ErrorCode::Malformed)
            return std::unexpected(done.error());
        if (!done && result.failures.empty() && not_runnable(done.error())) {
            result.status = Status::Skipped;
            result.reason =
                fmt::format("BPF_PROG_TEST_RUN does not take this: {}", done.error().message);
            return result;
        }
        if (!done) return refused(test, done.error());
        if (!result.failures.empty()) result.status = Status::Failed;
        result.seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return result;
    }

  private:
    /// A packet or a context that the kernel does not make a test run with.
    static bool not_runnable(const Error& error) {
        return error.sys_errno == EINVAL || error.code == ErrorCode::Unsupported;
    }

    /// Loading it, or running it, is what has failed.
    static TestResult refused(const Test& test, const Error& error) {
        Failure failure{.place = test.at->place(), .what = "it cannot be run"};
        for (const std::string_view line : split(error.message, '\n'))
            failure.lines.emplace_back(line);
        for (const std::string_view line : split(error.hint, '\n'))
            if (!line.empty()) failure.lines.emplace_back(line);
        return {.name = test.name,
                .place = test.at->place(),
                .status = Status::Failed,
                .failures = {std::move(failure)}};
    }

    std::string not_here(const Test& test) const {
        if (!test.skip.empty()) return test.skip;
        const bool kernel = options_.place == Place::Kernel;
        if (kernel && test.only_embedded) return "it is for the embedded engine only";
        if (!kernel && test.only_kernel) return "it is for the kernel only";
        return {};
    }

    Result<Loaded> load(const object::ObjectSpec& spec, const Test& test) {
        embedded_.coverage = options_.coverage != nullptr;
        embedded_.jit = options_.jit;
        embedded_.finished = [this](const engine::Prog& prog) {
            if (options_.coverage) options_.coverage->add(file_.object, prog);
        };
        auto session = load_embedded(spec, file_, test, embedded_);
        if (session) return Loaded(std::move(*session));
        if (session.error().code != ErrorCode::Unsupported)
            return std::unexpected(std::move(session).error().in(test.at->place()));
        return Loaded(Cannot{session.error().message});
    }

    Result<void> run_steps(Session& session, const Test& test, TestResult& result) {
        SKEP_TRY(fill_maps(session, test));
        std::vector<Record> all_records;
        std::vector<std::string> all_lines;
        for (size_t i = 0; i < test.steps.size(); i++) {
            const Step& step = test.steps[i];
            Checks checks(session, file_, test);
            const object::ProgSpec& prog = *SKEP_TRY(find_prog(session.spec(), step));
            for (uint64_t n = 0; n < step.repeat && !checks.failed(); n++) {
                const Ran ran = SKEP_TRY(session.run(step, prog));
                SKEP_TRY(checks.run(step, prog, ran));
            }
            std::vector<Record> records = session.records();
            std::vector<std::string> lines = session.printk();
            SKEP_TRY(checks.state(step.expect, records, lines));
            std::vector<Failure> failures = checks.take();
            if (test.steps.size() > 1)
                for (Failure& failure : failures)
                    failure.what = fmt::format("step {}, {}", i + 1, failure.what);
            append(result.failures, std::move(failures));
            append(all_records, std::move(records));
            append(all_lines, std::move(lines));
        }
        Checks checks(session, file_, test);
        SKEP_TRY(checks.state(test.expect, all_records, all_lines));
        append(result.failures, checks.take());
        return {};
    }

    const TestFile& file_;
    const ObjectFile& object_;
    const RunOptions& options_;
    EmbeddedOptions embedded_;
};

}  // namespace

size_t FileResult::count(Status status) const {
    return size_t(std::ranges::count(tests, status, &TestResult::status));
}

bool selected(std::string_view filter, std::string_view name) {
    for (const std::string_view piece : split(filter, '*')) {
        const size_t at = name.find(piece);
        if (at == name.npos) return false;
        name.remove_prefix(at + piece.size());
    }
    return true;
}

FileResult run_file(const std::string& path, const RunOptions& options) {
    FileResult result{.path = path};
    const auto stop = [&](Error error) {
        result.error = std::move(error);
        return std::move(result);
    };
    const auto file = TestFile::read(path);
    if (!file) return stop(file.error());
    const auto object = options.load(file->object);
    if (!object) return stop(Error(object.error()).in(file->root->find("object")->place()));
    FileRun run(*file, **object, options);
    for (const Test& test : file->tests) {
        if (!selected(options.filter, test.name)) {
            result.filtered++;
            continue;
        }
        auto one = run.run(test);
        if (!one) return stop(one.error());
        result.tests.push_back(std::move(*one));
    }
    return result;
}

}  // namespace skep::test
