// SPDX-License-Identifier: Apache-2.0
// Runs the .test files of this folder with the real binary, and the ```console blocks of README.md
// and docs/:
//
//     cli_scripts_test [--update] [NAME...]
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <regex>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "script.hpp"

namespace skep::cli_test {
namespace {

namespace fs = std::filesystem;

bool g_update = false;

/// One argument of a shell.
std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

struct Ran {
    std::vector<std::string> lines;
    int exit_code;
};

/// The directory in which one file's commands run.
class Sandbox {
  public:
    Sandbox() {
        // For tests of what an ordinary user may.
        fs::permissions(dir_.path(), fs::perms::others_read | fs::perms::others_exec,
                        fs::perm_options::add);
        const fs::path build = fs::absolute(testing::binary_dir());
        fs::create_symlink(build / "tests/objects", dir_.path() / "objects");
        fs::create_symlink(build / "tests/verifier/common", dir_.path() / "common");
        fs::create_symlink(build / "examples", dir_.path() / "examples");
        fs::create_symlink(build / "tests/kernel_runtime", dir_.path() / "programs");
        fs::create_symlink(build / "skep", dir_.path() / "skep");
        fs::create_symlink(fs::absolute(testing::source_dir()), dir_.path() / "source");
        prefix_ = fmt::format(
            "cd {} && export PATH={}:\"$PATH\" LC_ALL=C TERM=dumb && unset NO_COLOR && ",
            quoted(dir_.path().string()), quoted(build.string()));
    }

    Ran run(const std::string& command) const {
        const std::string line = fmt::format("{{ {}timeout -k 5 60 bash -c {}; }} </dev/null 2>&1",
                                             prefix_, quoted(command));
        FILE* pipe = popen(line.c_str(), "r");
        std::string out;
        char buffer[65536];
        while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
        const int status = pclose(pipe);
        return {to_lines(out), WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
    }

  private:
    testing::ScratchDir dir_;
    std::string prefix_;
};

class Script : public ::testing::Test {
  public:
    explicit Script(fs::path path) : path_(std::move(path)) {}

    void TestBody() override {
        const auto text = read_file(path_.string());
        ASSERT_TRUE(text) << text.error().message;
        std::vector<Step> steps =
            parse_script({reinterpret_cast<const char*>(text->data()), text->size()});
        const Sandbox sandbox;
        bool skip = false;
        std::string about;
        for (Step& step : steps) {
            if (step.kind == Step::Kind::Needs) {
                skip = sandbox.run(step.text).exit_code != 0;
                if (skip)
                    fmt::print("SKIP: {}: a part needs: {}\n", path_.filename().string(),
                               step.text);
            } else if (step.kind == Step::Kind::Comment) {
                about = step.text;
            } else if (!skip) {
                check(step, sandbox.run(step.text), about);
            }
        }
        if (!g_update) return;
        const std::string updated = print_script(steps);
        ASSERT_TRUE(write_file(path_.string(), bytes_of(std::string_view(updated))));
    }

  private:
    void check(Step& step, const Ran& ran, const std::string& about) const {
        if (ran.exit_code == step.exit_code && matches(step.expected, ran.lines)) return;
        if (g_update) {
            step.expected = ran.lines;
            step.exit_code = ran.exit_code;
            return;
        }
        ADD_FAILURE_AT(path_.c_str(), step.line)
            << about << "\n$ " << step.text << "\n--- expected, exit code " << step.exit_code
            << "\n"
            << fmt::format("{}", fmt::join(step.expected, "\n")) << "\n--- actual, exit code "
            << ran.exit_code << "\n"
            << fmt::format("{}", fmt::join(ran.lines, "\n"))
            << "\n--- (cli_scripts_test --update takes it over)";
    }

    fs::path path_;
};

/// What documents show: the text of all ```console blocks.
std::string console_blocks(std::string_view document) {
    std::string script;
    bool inside = false;
    for (const std::string& line : to_lines(document)) {
        if (line.starts_with("```"))
            inside = line == "```console";
        else if (inside)
            script += line + '\n';
    }
    return script;
}

/// Numbers differ from run to run (process ids, times), and so do widths of columns with them.
std::vector<std::string> without_numbers(const std::vector<std::string>& lines) {
    static const std::regex number("0x[0-9a-f]+|[0-9]+(\\.[0-9]+)?"), blanks(" +");
    std::vector<std::string> out;
    for (const std::string& line : lines)
        out.push_back(std::regex_replace(std::regex_replace(line, number, "N"), blanks, " "));
    return out;
}

class Document : public ::testing::Test {
  public:
    explicit Document(fs::path path) : path_(std::move(path)) {}

    void TestBody() override {
        const auto text = read_file(path_.string());
        ASSERT_TRUE(text) << text.error().message;
        const Sandbox sandbox;
        for (const Step& step : parse_script(
                 console_blocks({reinterpret_cast<const char*>(text->data()), text->size()}))) {
            if (step.kind != Step::Kind::Command) continue;
            const Ran ran = sandbox.run(step.text);
            EXPECT_EQ(ran.exit_code, step.exit_code) << step.text;
            EXPECT_TRUE(matches(without_numbers(step.expected), without_numbers(ran.lines)))
                << path_ << "\n$ " << step.text << "\n--- actual\n"
                << fmt::format("{}", fmt::join(ran.lines, "\n"));
        }
    }

  private:
    fs::path path_;
};

void register_documents(const std::vector<std::string>& wanted) {
    std::vector<fs::path> files = {testing::source_dir() / "README.md"};
    for (const auto& entry : fs::directory_iterator(testing::source_dir() / "docs"))
        if (entry.path().extension() == ".md") files.push_back(entry.path());
    std::ranges::sort(files);
    for (const fs::path& file : files) {
        const std::string name = file.stem().string();
        if (!wanted.empty() && std::ranges::find(wanted, name) == wanted.end()) continue;
        ::testing::RegisterTest("docs", name.c_str(), nullptr, nullptr, file.c_str(), 1,
                                [file]() -> ::testing::Test* { return new Document(file); });
    }
}

void register_scripts(const std::vector<std::string>& wanted) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(testing::source_dir() / "tests/cli"))
        if (entry.path().extension() == ".test") files.push_back(entry.path());
    std::ranges::sort(files);
    for (const fs::path& file : files) {
        const std::string name = file.stem().string();
        if (!wanted.empty() && std::ranges::find(wanted, name) == wanted.end()) continue;
        ::testing::RegisterTest("cli", name.c_str(), nullptr, nullptr, file.c_str(), 1,
                                [file]() -> ::testing::Test* { return new Script(file); });
    }
}

}  // namespace
}  // namespace skep::cli_test

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    std::vector<std::string> wanted;
    for (int i = 1; i < argc; i++) {
        if (std::string_view(argv[i]) == "--update")
            skep::cli_test::g_update = true;
        else
            wanted.emplace_back(argv[i]);
    }
    skep::cli_test::register_scripts(wanted);
    skep::cli_test::register_documents(wanted);
    return RUN_ALL_TESTS();
}
