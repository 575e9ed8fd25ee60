// SPDX-License-Identifier: Apache-2.0
#include "cli/test_output.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/table.hpp"
#include "base/text.hpp"

namespace skep::cli {

namespace {

using test::CoverageReport;
using test::Failure;
using test::FileResult;
using test::TestResult;
using Status = TestResult::Status;

std::string_view status_name(Status status) {
    switch (status) {
        case Status::Passed: return "passed";
        case Status::Failed: return "failed";
        case Status::Skipped: return "skipped";
    }
    return "";
}

struct Totals {
    size_t passed = 0, failed = 0, skipped = 0, errors = 0, filtered = 0;
    double seconds = 0;
    size_t tests() const { return passed + failed + skipped; }
};

Totals add_up(const FileResult& file) {
    Totals totals{.passed = file.count(Status::Passed),
                  .failed = file.count(Status::Failed),
                  .skipped = file.count(Status::Skipped),
                  .errors = size_t(file.error.has_value()),
                  .filtered = file.filtered};
    for (const TestResult& test : file.tests) totals.seconds += test.seconds;
    return totals;
}

Totals add_up(const std::vector<FileResult>& files) {
    Totals sum;
    for (const FileResult& file : files) {
        const Totals one = add_up(file);
        sum.passed += one.passed;
        sum.failed += one.failed;
        sum.skipped += one.skipped;
        sum.errors += one.errors;
        sum.filtered += one.filtered;
        sum.seconds += one.seconds;
    }
    return sum;
}

std::string failure_text(const Failure& failure) {
    std::string out = fmt::format("{}: {}\n", failure.place, failure.what);
    for (const std::string& line : failure.lines) out += fmt::format("  {}\n", line);
    return out;
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
        if (line.data() != text.data()) out += '\n';
        for (const char c : printable(line)) switch (c) {
                case '<': out += "&lt;"; break;
                case '>': out += "&gt;"; break;
                case '&': out += "&amp;"; break;
                case '"': out += "&quot;"; break;
                default: out += c;
            }
    }
    return out;
}

void junit_case(std::string& out, const FileResult& file, const TestResult& test) {
    out += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.6f}\"",
                       escaped(file.path), escaped(test.name), test.seconds);
    if (test.status == Status::Passed) {
        out += "/>\n";
        return;
    }
    out += ">\n";
    if (test.status == Status::Skipped)
        out += fmt::format("      <skipped message=\"{}\"/>\n", escaped(test.reason));
    for (const Failure& failure : test.failures)
        out += fmt::format("      <failure message=\"{}\">{}</failure>\n", escaped(failure.what),
                           escaped(failure_text(failure)));
    out += "    </testcase>\n";
}

std::string percent(size_t part, size_t whole) {
    return whole == 0 ? "-" : fmt::format("{:.1f}%", 100.0 * double(part) / double(whole));
}

/// The lines of a source file that BTF names, from where it is found: that name, or the file of
/// that name next to the object. Empty where it is not there.
std::vector<std::string> source_lines(const std::string& named, const std::string& object) {
    namespace fs = std::filesystem;
    const fs::path beside = fs::path(object).parent_path() / fs::path(named).filename();
    std::error_code ignored;
    for (const fs::path& path : {fs::path(named), beside}) {
        if (!fs::is_regular_file(path, ignored)) continue;
        const auto bytes = read_file(path);
        if (!bytes) continue;
        std::vector<std::string> lines;
        for (const std::string_view line :
             split({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, '\n'))
            lines.emplace_back(line);
        if (!lines.empty() && lines.back().empty()) lines.pop_back();
        return lines;
    }
    return {};
}

/// A path under the working directory, from there.
std::string from_here(const std::string& path) {
    std::error_code error;
    const std::string here = std::filesystem::current_path(error).string() + '/';
    return printable(!error && path.starts_with(here) ? path.substr(here.size()) : path);
}

std::string annotated(const std::string& name, const CoverageReport::File& file,
                      const Terminal& terminal) {
    std::string out =
        fmt::format("{}\n  count  branches  line\n", terminal.paint(Style::Bold, from_here(name)));
    const std::vector<std::string> source = source_lines(name, file.object);
    const auto put = [&](uint32_t number, std::string_view text) {
        const auto found = file.lines.find(number);
        std::string count, branches;
        bool never = false;
        if (found != file.lines.end()) {
            const CoverageReport::Line& line = found->second;
            never = line.count == 0;
            count = fmt::to_string(line.count);
            size_t run = 0;
            for (const CoverageReport::Branch& branch : line.branches)
                run += size_t(branch.taken > 0) + size_t(branch.not_taken > 0);
            if (!line.branches.empty())
                branches = fmt::format("{}/{}", run, 2 * line.branches.size());
        }
        std::string row =
            fmt::format("{:>7}  {:>8}  {:>4}  {}", count, branches, number, printable(text));
        row.erase(row.find_last_not_of(' ') + 1);
        out += (never ? terminal.paint(Style::Red, row) : row) + '\n';
    };
    if (source.empty())
        for (const auto& [number, line] : file.lines) put(number, line.text);
    for (size_t i = 0; i < source.size(); i++) put(uint32_t(i) + 1, source[i]);
    return out;
}

}  // namespace

std::string test_text(const FileResult& file, const Terminal& terminal) {
    std::string out = terminal.paint(Style::Bold, file.path) + '\n';
    for (const TestResult& test : file.tests) switch (test.status) {
            case Status::Passed:
                out += fmt::format("  {}    {}\n", terminal.paint(Style::Green, "ok"),
                                   printable(test.name));
                break;
            case Status::Skipped:
                out += fmt::format("  {}  {}: {}\n", terminal.paint(Style::Yellow, "skip"),
                                   printable(test.name), test.reason);
                break;
            case Status::Failed:
                out += fmt::format("  {}  {}\n", terminal.paint(Style::Red, "FAIL"),
                                   printable(test.name));
                for (const Failure& failure : test.failures) {
                    const std::string text = failure_text(failure);
                    for (const std::string_view line : split(trim(text), '\n'))
                        out += fmt::format("        {}\n", line);
                }
        }
    return out;
}

std::string test_summary(const std::vector<FileResult>& files, const Terminal& terminal) {
    const Totals totals = add_up(files);
    std::string out = fmt::format("\n{} test{}: {} passed", totals.tests(),
                                  totals.tests() == 1 ? "" : "s", totals.passed);
    if (totals.failed)
        out += ", " + terminal.paint(Style::Red, fmt::format("{} failed", totals.failed));
    if (totals.skipped) out += fmt::format(", {} skipped", totals.skipped);
    if (totals.filtered) out += fmt::format(" ({} not asked for)", totals.filtered);
    if (totals.errors)
        out += fmt::format("; {} file{} could not be run", totals.errors,
                           totals.errors == 1 ? "" : "s");
    return out + '\n';
}

std::string test_json(const FileResult& file) {
    std::string out;
    for (const TestResult& test : file.tests) {
        JsonWriter json;
        json.begin_object().key("file").value(file.path).key("test").value(test.name);
        json.key("place").value(test.place).key("status").value(status_name(test.status));
        if (!test.reason.empty()) json.key("reason").value(test.reason);
        json.key("failures").begin_array();
        for (const Failure& failure : test.failures) {
            json.begin_object().key("place").value(failure.place);
            json.key("what").value(failure.what).key("lines").begin_array();
            for (const std::string& line : failure.lines) json.value(line);
            json.end_array().end_object();
        }
        json.end_array().key("seconds").value(test.seconds);
        out += json.end_object().text() + '\n';
    }
    if (!file.error) return out;
    JsonWriter json;
    json.begin_object().key("file").value(file.path).key("error").value(file.error->message);
    return out + json.end_object().text() + '\n';
}

std::string test_summary_json(const std::vector<FileResult>& files,
                              const CoverageReport* coverage) {
    const Totals totals = add_up(files);
    JsonWriter json;
    json.begin_object().key("summary").begin_object();
    json.key("tests").value(totals.tests()).key("passed").value(totals.passed);
    json.key("failed").value(totals.failed).key("skipped").value(totals.skipped);
    json.key("errors").value(totals.errors).key("seconds").value(totals.seconds);
    if (coverage) {
        json.key("coverage");
        coverage->to_json(json);
    }
    return json.end_object().end_object().text() + '\n';
}

std::string junit(const std::vector<FileResult>& files) {
    const Totals all = add_up(files);
    const auto counts = [](const Totals& totals) {
        return fmt::format(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.6f}\"",
            totals.tests() + totals.errors, totals.failed, totals.errors, totals.skipped,
            totals.seconds);
    };
    std::string out = fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"skep test\" {}>\n",
        counts(all));
    for (const FileResult& file : files) {
        out +=
            fmt::format("  <testsuite name=\"{}\" {}>\n", escaped(file.path), counts(add_up(file)));
        for (const TestResult& test : file.tests) junit_case(out, file, test);
        if (file.error)
            out += fmt::format(
                "    <testcase classname=\"{0}\" name=\"(the file)\">\n"
                "      <error message=\"{1}\">{2}</error>\n    </testcase>\n",
                escaped(file.path), escaped(file.error->message), escaped(file.error->to_string()));
        out += "  </testsuite>\n";
    }
    return out + "</testsuites>\n";
}

std::string coverage_text(const CoverageReport& coverage, const Terminal& terminal) {
    const auto files = coverage.files();
    if (files.empty())
        return "\nno coverage: the objects have no line information (compile with -g)\n";
    std::string out;
    Table table({"COVERAGE", ">LINES", ">", ">BRANCHES", ">", ">FUNCTIONS", ">"});
    for (const auto& [name, file] : files) {
        out += '\n' + annotated(name, file, terminal);
        const auto of = [](size_t part, size_t whole) { return fmt::format("{}/{}", part, whole); };
        table.row({from_here(name), of(file.lines_run(), file.lines.size()),
                   percent(file.lines_run(), file.lines.size()),
                   of(file.branches_run(), file.branches()),
                   percent(file.branches_run(), file.branches()),
                   of(file.functions_run(), file.functions.size()),
                   percent(file.functions_run(), file.functions.size())});
    }
    return out + '\n' + table.to_string();
}

}  // namespace skep::cli
