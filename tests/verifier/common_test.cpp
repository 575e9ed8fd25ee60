// SPDX-License-Identifier: Apache-2.0
// The twenty most common rejections: judged as the kernel judges them, and shown in
// docs/verifier.md as they are. SKEP_UPDATE=1 writes the chapter anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "base/text.hpp"
#include "kernel/kernel_object.hpp"
#include "object/read.hpp"
#include "object/settle.hpp"
#include "verifier/common_cases.hpp"
#include "verifier/explain.hpp"

namespace skep::verifier_test {
namespace {

constexpr std::string_view kBegin = "<!-- written by common_test from here -->\n";
constexpr std::string_view kEnd = "<!-- to here -->\n";

std::string text_of(const std::string& path) {
    const auto bytes = read_file(path);
    EXPECT_TRUE(bytes) << path;
    return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

std::string path_in_source(const std::string& path) {
    return (testing::source_dir() / path).string();
}

object::ObjectSpec load(const CommonCase& item) {
    const std::string path =
        (testing::binary_dir() / "tests/verifier/common" / (std::string(item.name) + ".bpf.o"))
            .string();
    const auto bytes = read_file(path);
    auto object = bytes ? object::read_object(*bytes, path)
                        : Result<object::ObjectSpec>(std::unexpected(bytes.error()));
    if (object) object = object::settle(std::move(*object), {});
    EXPECT_TRUE(object) << path;
    return object ? std::move(*object) : object::ObjectSpec{};
}

verifier::Verdict judge(const object::ObjectSpec& object, const CommonCase& item,
                        std::string_view prog) {
    auto verdict = verifier::verify(object, *object.find_prog(prog), platform::linux_6_18(),
                                    {.privileged = item.privileged, .path = true});
    EXPECT_TRUE(verdict);
    return verdict ? std::move(*verdict) : verifier::Verdict{};
}

TEST(CommonRejections, AreRejectedAndTheirFixesAccepted) {
    for (const CommonCase& item : kCommonCases) {
        SCOPED_TRACE(item.name);
        const object::ObjectSpec object = load(item);
        if (object.progs.size() != 2) continue;
        const verifier::Verdict bad = judge(object, item, "bad");
        EXPECT_FALSE(bad.accepted);
        EXPECT_EQ(verifier::rule_info(bad.rule).id, verifier::rule_info(item.rule).id)
            << bad.reason;
        EXPECT_THAT(bad.reason, ::testing::HasSubstr(std::string(item.message)));
        const verifier::Verdict good = judge(object, item, "good");
        EXPECT_TRUE(good.accepted) << good.reason;
    }
}

TEST(CommonRejections, TheKernelSaysTheSame) {
    if (const auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    const auto kernel = btf::Btf::load("/sys/kernel/btf/vmlinux");
    if (!kernel) SKEP_SKIP(kernel.error().message);
    for (const CommonCase& item : kCommonCases) {
        if (!item.privileged) continue;
        SCOPED_TRACE(item.name);
        const object::ObjectSpec object = load(item);
        if (object.progs.size() != 2) continue;
        kernel_test::KernelObject in_kernel(object, **kernel);
        const auto bad = in_kernel.load(*object.find_prog("bad"), {.log_level = 1});
        EXPECT_FALSE(bad.accepted());
        EXPECT_THAT(bad.log, ::testing::HasSubstr(std::string(item.message)));
        EXPECT_TRUE(in_kernel.load(*object.find_prog("good")).accepted());
    }
}

/// The C text of a case: up to the end of `bad`, and `good` with what only it needs.
std::pair<std::string, std::string> split_source(const CommonCase& item) {
    std::string text =
        text_of(path_in_source("tests/verifier/common/" + std::string(item.name) + ".bpf.c"));
    text.erase(0, text.find('\n', text.rfind("#include")) + 1);
    text.resize(text.find("\nchar LICENSE") + 1);
    const size_t bad_end = text.find("\n}\n", text.find("int bad(")) + 3;
    const auto tidy = [](std::string_view part) {
        std::string out;
        for (const char c : trim(part)) out += c == '\t' ? std::string("    ") : std::string(1, c);
        return out;
    };
    return {tidy(text.substr(0, bad_end)), tidy(text.substr(bad_end))};
}

std::string chapter() {
    std::string out;
    int number = 0;
    for (const CommonCase& item : kCommonCases) {
        const object::ObjectSpec object = load(item);
        const auto [bad, good] = split_source(item);
        const verifier::Verdict verdict = judge(object, item, "bad");
        out += fmt::format("\n### {}. {}\n\n", ++number, item.title);
        out += fmt::format("```c\n{}\n```\n\n", bad);
        if (!item.privileged)
            out +=
                "Rejected for unprivileged loaders (`--unprivileged`), and by kernels before "
                "6.3 (6.1.y has learnt it since) for all.\n\n";
        out += fmt::format("```text\n{}```\n\n",
                           verifier::explain(object, *object.find_prog("bad"), verdict));
        out += fmt::format("Accepted:\n\n```c\n{}\n```\n", good);
    }
    return out;
}

TEST(CommonRejections, AreShownInTheDocumentationAsTheyAre) {
    const std::string path = path_in_source("docs/verifier.md");
    std::string page = text_of(path);
    const size_t begin = page.find(kBegin), end = page.find(kEnd);
    ASSERT_NE(begin, std::string::npos);
    ASSERT_NE(end, std::string::npos);
    const size_t from = begin + kBegin.size();
    const std::string now = chapter();
    if (std::getenv("SKEP_UPDATE")) {
        page.replace(from, end - from, now);
        std::ofstream(path) << page;
        return;
    }
    EXPECT_EQ(page.substr(from, end - from), now) << "SKEP_UPDATE=1 writes it anew";
}

}  // namespace
}  // namespace skep::verifier_test
