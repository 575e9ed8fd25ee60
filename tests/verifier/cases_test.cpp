// SPDX-License-Identifier: Apache-2.0
// cases/*.s: small programs on which skep and the kernel once differed, each with the right
// verdict.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include <filesystem>
#include <optional>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "kernel/kernel_object.hpp"
#include "verifier/program_case.hpp"
#include "verifier/verify.hpp"

namespace skep::verifier_test {
namespace {

template <typename Check>
void for_each_case(const Check& check) {
    size_t count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(testing::source_dir() / "tests/verifier/cases")) {
        SCOPED_TRACE(entry.path().filename().string());
        const auto bytes = read_file(entry.path().string());
        ASSERT_TRUE(bytes);
        const auto parsed =
            parse_case({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
        ASSERT_TRUE(parsed) << parsed.error().message;
        ASSERT_TRUE(parsed->accepted) << "no expectation";
        check(*parsed);
        count++;
    }
    EXPECT_GE(count, 5u);
}

TEST(Cases, SkepGivesTheRightVerdict) {
    for_each_case([](const ProgramCase& item) {
        const auto verdict =
            verifier::verify(item.object, item.prog(), platform::linux_6_18(),
                             {.privileged = item.privileged, .perfmon = item.perfmon});
        ASSERT_TRUE(verdict);
        EXPECT_EQ(verdict->accepted, *item.accepted) << verdict->reason;
        EXPECT_THAT(verdict->reason, ::testing::HasSubstr(item.message));
    });
}

TEST(Cases, SoDoesTheKernel) {
    if (const auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    const auto kernel = btf::Btf::load("/sys/kernel/btf/vmlinux");
    if (!kernel) SKEP_SKIP(kernel.error().message);
    for_each_case([&](const ProgramCase& item) {
        if (!item.privileged) return;
        kernel_test::KernelObject in_kernel(item.object, **kernel);
        for (uint32_t i = 0; i < item.object.maps.size(); i++) EXPECT_TRUE(in_kernel.map_fd(i));
        std::optional<kernel_test::WithoutCapabilities> fewer;
        if (!item.perfmon) fewer.emplace(uint64_t{1} << CAP_PERFMON | uint64_t{1} << CAP_SYS_ADMIN);
        const auto loaded = in_kernel.load(item.prog(), {.log_level = 1});
        EXPECT_EQ(loaded.accepted(), *item.accepted) << loaded.log;
        EXPECT_THAT(loaded.log, ::testing::HasSubstr(item.message));
    });
}

}  // namespace
}  // namespace skep::verifier_test
