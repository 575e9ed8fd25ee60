// SPDX-License-Identifier: Apache-2.0
// The public bpf_conformance suite through skep-conformance, as its own runner drives it. Its cases
// are not ours to publish: the test reads them, assembled, from conformance.tsv in $SKEP_TESTDATA
// or in shared/testdata beside the checkout, and skips where that is not there.
#include <gtest/gtest.h>
#include <stdio.h>

#include <cstdlib>
#include <vector>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "base/text.hpp"

namespace skep {
namespace {

namespace fs = std::filesystem;

struct Case {
    std::string name, memory, program;
    uint64_t r0;
};

std::optional<fs::path> find_cases() {
    std::vector<fs::path> places;
    if (const char* path = std::getenv("SKEP_TESTDATA")) places.emplace_back(path);
    const fs::path source = fs::absolute(testing::source_dir());
    places.push_back(source.parent_path() / "shared/testdata");
    places.push_back(source.parent_path().parent_path() / "shared/testdata");
    for (const fs::path& place : places)
        if (fs::exists(place / "conformance.tsv")) return place / "conformance.tsv";
    return std::nullopt;
}

std::vector<Case> read_cases(const fs::path& path) {
    std::vector<Case> cases;
    const auto bytes = read_file(path.string());
    EXPECT_TRUE(bytes);
    if (!bytes) return cases;
    const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    for (const std::string_view line : split(text, '\n')) {
        if (line.empty() || line.starts_with('#')) continue;
        const auto fields = split(line, '\t');
        EXPECT_EQ(fields.size(), 4u) << line;
        if (fields.size() != 4) continue;
        const auto r0 = parse_uint(fields[3]);
        EXPECT_TRUE(r0) << line;
        cases.push_back({std::string(fields[0]), std::string(fields[1]), std::string(fields[2]),
                         r0.value_or(0)});
    }
    return cases;
}

/// What the plugin prints for a case, with what it says on stderr where it fails, or with
/// --explain.
std::string run_plugin(const Case& one, const testing::ScratchDir& scratch,
                       std::string_view options = "") {
    const std::string program = scratch.file("program");
    EXPECT_TRUE(write_file(program, bytes_of(std::string_view(one.program))));
    const std::string command = fmt::format("timeout 60 {} '{}' {} < {} 2>&1",
                                            (testing::binary_dir() / "skep-conformance").string(),
                                            one.memory, options, program);
    FILE* pipe = popen(command.c_str(), "r");
    std::string out;
    char buffer[4096];
    while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
    const int status = pclose(pipe);
    return status == 0 ? out : fmt::format("exit status {}: {}", status, out);
}

TEST(Conformance, EveryCaseOfTheSuite) {
    const auto path = find_cases();
    if (!path) SKEP_SKIP("conformance: no conformance.tsv in $SKEP_TESTDATA or ../shared/testdata");
    const std::vector<Case> cases = read_cases(*path);
    EXPECT_EQ(cases.size(), 313u);
    const testing::ScratchDir scratch;
    size_t passed = 0;
    for (const Case& one : cases) {
        const std::string printed = run_plugin(one, scratch);
        const std::string expected = fmt::format("{:x}\n", one.r0);
        EXPECT_EQ(printed, expected) << one.name;
        passed += printed == expected;
    }
    fmt::print("conformance: {} of {} cases\n", passed, cases.size());
}

/// In one mode of --jit; what cannot be verified is interpreted, and counted as such. Returns how
/// many were not.
size_t run_native(const std::string& mode, std::string_view expected_tier) {
    const auto path = find_cases();
    if (!path) return 0;
    const testing::ScratchDir scratch;
    size_t passed = 0, native = 0;
    const std::vector<Case> cases = read_cases(*path);
    for (const Case& one : cases) {
        std::string printed = run_plugin(one, scratch, "--jit " + mode + " --explain");
        const std::string explained = printed.substr(0, printed.find('\n'));
        printed.erase(0, explained.size() + 1);
        const std::string expected = fmt::format("{:x}\n", one.r0);
        EXPECT_EQ(printed, expected) << one.name;
        passed += printed == expected;
        native += explained == expected_tier;
        if (!explained.starts_with("interpreted")) {
            EXPECT_EQ(explained, expected_tier) << one.name;
        }
    }
    fmt::print("conformance, {}: {} of {} cases, {} as machine code\n", mode, passed, cases.size(),
               native);
    return native;
}

// The others shift by more than there are bits, or read misaligned words of the context.
#if defined(__x86_64__)
constexpr size_t kCanBeVerified = 293;
#else
constexpr size_t kCanBeVerified = 0;
#endif

TEST(Conformance, EveryCaseAsMachineCode) {
    if (!find_cases())
        SKEP_SKIP("conformance: no conformance.tsv in $SKEP_TESTDATA or ../shared/testdata");
    EXPECT_GE(run_native("baseline", "machine code"), kCanBeVerified);
}

TEST(Conformance, EveryCaseOptimised) {
    if (!find_cases())
        SKEP_SKIP("conformance: no conformance.tsv in $SKEP_TESTDATA or ../shared/testdata");
    if (!std::filesystem::exists(testing::binary_dir() / "libskep-optimiser.so"))
        SKEP_SKIP("conformance: this build has no optimising tier (llvm-19-dev)");
    EXPECT_GE(run_native("optimising", "optimised machine code"), kCanBeVerified);
}

}  // namespace
}  // namespace skep
