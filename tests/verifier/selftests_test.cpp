// SPDX-License-Identifier: Apache-2.0
// The kernel's selftests of its verifier, judged by skep. Each program's annotation says what is
// right (Linux 6.12), unless the running 6.18 kernel says otherwise (overruled.txt). What skep
// still gets wrong is listed in known_gaps.txt; a program that is right now, too, must leave the
// list.
//
//     SKEP_KERNEL_SOURCE=/path/to/linux build/release/tests/selftests_test
//     build/release/tests/verifier_agreement build/release/tests/verifier/selftests
//
// SKEP_UPDATE=1 rewrites the list.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/testing.hpp"
#include "kernel/kernel_probe.hpp"
#include "verifier/agreement.hpp"
#include "verifier/selftests.hpp"

namespace skep::verifier_test {
namespace {

constexpr std::string_view kKernelTypes = "/sys/kernel/btf/vmlinux";

std::string list_path(const char* name) {
    return (testing::source_dir() / "tests/verifier" / name).string();
}

/// The verdict that is right, from the annotation.
std::optional<bool> truth_of(const Case& item, const std::map<std::string, bool>& overruled) {
    const auto found = overruled.find(item.name());
    if (found != overruled.end()) return found->second;
    return item.expected ? std::optional(item.expected->accepted) : std::nullopt;
}

/// All selftests judged, or why they are not here.
Result<Agreement> judge(const AgreementOptions& options) {
    const std::string directory = SKEP_TRY(compiled_selftests());
    Agreement agreement(SKEP_TRY(btf::Btf::load(std::string(kKernelTypes))), options);
    for (const std::string& path : objects_below(directory)) SKEP_TRY(agreement.add(path));
    return agreement;
}

TEST(Selftests, TheRunningKernelAgreesWithTheAnnotations) {
    if (const auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    const auto agreement = judge({.ask_skep = false, .platform = &platform::linux_6_18()});
    if (!agreement) SKEP_SKIP(agreement.error().message);
    const auto overruled = read_overruled(list_path("overruled.txt"));
    ASSERT_TRUE(overruled);
    size_t asked = 0;
    for (const Case& item : agreement->cases()) {
        if (!item.kernel.given()) continue;
        asked++;
        EXPECT_EQ(item.kernel.accepted(), truth_of(item, *overruled))
            << item.name() << ": " << item.kernel.reason;
    }
    EXPECT_GT(asked, 1200u);
}

TEST(Selftests, SkepAgreesButForKnownGaps) {
    const auto agreement = judge({.ask_kernel = false, .platform = &platform::linux_6_18()});
    if (!agreement) SKEP_SKIP(agreement.error().message);
    const auto overruled = read_overruled(list_path("overruled.txt"));
    const auto listed = read_names(list_path("known_gaps.txt"));
    ASSERT_TRUE(overruled && listed);

    std::set<std::string> gaps;
    std::string lines;
    size_t asked = 0;
    for (const Case& item : agreement->cases()) {
        const auto right = truth_of(item, *overruled);
        if (!right || !item.skep.given()) continue;
        asked++;
        if (item.skep.accepted() == *right) continue;
        gaps.insert(item.name());
        lines += fmt::format("{}  {}\n", item.name(),
                             item.skep.accepted() ? "UNSAFE: accepted" : item.skep.reason);
        EXPECT_TRUE(listed->contains(item.name()))
            << item.name() << ": skep says "
            << (item.skep.accepted() ? "accepted" : item.skep.reason) << ", right is "
            << (*right ? "accepted"
                       : "refused: " + (item.expected->messages.empty()
                                            ? std::string()
                                            : item.expected->messages.front()));
    }
    for (const std::string& name : *listed)
        EXPECT_TRUE(gaps.contains(name)) << name << " is right now: take it off known_gaps.txt";
    fmt::print("skep is right on {}\n", Agreement::share(asked - gaps.size(), asked));
    EXPECT_GT(asked, 1300u);
    if (std::getenv("SKEP_UPDATE")) {
        std::ofstream(list_path("known_gaps.txt"))
            << "# Selftests of Linux 6.12 on which skep's verdict is wrong, and what it says.\n"
            << lines;
    }
}

}  // namespace
}  // namespace skep::verifier_test
