// SPDX-License-Identifier: Apache-2.0
#include "verifier/selftests.hpp"

#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "base/text.hpp"

namespace skep::verifier_test {

namespace {

namespace fs = std::filesystem;

bool is_source(const fs::path& path) {
    return fs::exists(path / "tools/testing/selftests/bpf/progs/bpf_misc.h");
}

/// The words of each line that is not a comment.
Result<std::vector<std::vector<std::string>>> read_lines(const std::string& path) {
    const Bytes bytes = SKEP_TRY(read_file(path));
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::vector<std::vector<std::string>> lines;
    for (const std::string_view line : split(text, '\n')) {
        if (line.starts_with('#')) continue;
        std::vector<std::string> words;
        for (const std::string_view word : split(line, ' '))
            if (!word.empty()) words.emplace_back(word);
        if (!words.empty()) lines.push_back(std::move(words));
    }
    return lines;
}

}  // namespace

Result<std::string> kernel_source() {
    if (const char* path = std::getenv("SKEP_KERNEL_SOURCE")) {
        if (is_source(path)) return path;
        return unsupported("SKEP_KERNEL_SOURCE={} is no kernel source tree", path);
    }
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/usr/src", error))
        if (is_source(entry.path())) return entry.path().string();
    return unsupported(
        "no kernel source here: set SKEP_KERNEL_SOURCE, or unpack Debian's linux-source-6.12 under "
        "/usr/src");
}

Result<std::string> compiled_selftests() {
    const std::string source = SKEP_TRY(kernel_source());
    const fs::path here = testing::source_dir() / "tests/verifier";
    const fs::path out = testing::binary_dir() / "tests/verifier/selftests";
    fs::create_directories(out);
    const std::string command =
        fmt::format("'{}' '{}' '{}' 2>'{}'", (here / "compile_selftests.sh").string(), source,
                    out.string(), (out / "failures.txt").string());
    if (std::system(command.c_str()) != 0)
        return unsupported("the selftests do not compile here: see {}",
                           (out / "failures.txt").string());
    return out.string();
}

Result<std::map<std::string, bool>> read_overruled(const std::string& path) {
    std::map<std::string, bool> overruled;
    for (const auto& words : SKEP_TRY(read_lines(path)))
        if (words.size() > 1) overruled[words[1]] = words[0] == "accepted";
    return overruled;
}

Result<std::set<std::string>> read_names(const std::string& path) {
    std::set<std::string> names;
    for (const auto& words : SKEP_TRY(read_lines(path))) names.insert(words[0]);
    return names;
}

}  // namespace skep::verifier_test
