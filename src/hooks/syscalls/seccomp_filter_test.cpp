// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/seccomp_filter.hpp"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cstddef>
#include <random>

namespace skep::hooks {
namespace {

/// The verdict of the filter for one call, by the few instructions that it is made of.
uint32_t verdict(const std::vector<sock_filter>& filter, uint32_t arch, uint32_t nr) {
    uint32_t a = 0;
    for (size_t pc = 0; pc < filter.size(); pc++) {
        const sock_filter& insn = filter[pc];
        switch (insn.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                a = insn.k == offsetof(seccomp_data, arch) ? arch : nr;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K: pc += a == insn.k ? insn.jt : insn.jf; break;
            case BPF_JMP | BPF_JGE | BPF_K: pc += a >= insn.k ? insn.jt : insn.jf; break;
            case BPF_JMP | BPF_JA | BPF_K: pc += insn.k; break;
            case BPF_RET | BPF_K: return insn.k;
            default: ADD_FAILURE() << "code " << insn.code; return 0;
        }
    }
    ADD_FAILURE() << "ran off the end";
    return 0;
}

constexpr uint32_t kX32 = 0x40000000;
constexpr uint32_t kTrace = SECCOMP_RET_TRACE;

TEST(SeccompFilter, StopsWhatIsInTheSetAndNothingElse) {
    std::mt19937 random(1);
    for (const uint32_t density : {0u, 1u, 20u, 500u, 999u, 1000u}) {
        SyscallSet stops;
        for (uint32_t nr = 0; nr < SyscallSet::kLimit; nr++)
            if (random() % 1000 < density) stops.add(nr);
        const auto filter = seccomp_filter(stops, kTrace);
        for (uint32_t nr = 0; nr < SyscallSet::kLimit + 10; nr++) {
            const uint32_t expected = stops.contains(Abi::Native, nr) ? kTrace : SECCOMP_RET_ALLOW;
            ASSERT_EQ(verdict(filter, AUDIT_ARCH_X86_64, nr), expected) << nr << " of " << density;
            ASSERT_EQ(verdict(filter, AUDIT_ARCH_I386, nr), SECCOMP_RET_ALLOW);
            ASSERT_EQ(verdict(filter, AUDIT_ARCH_X86_64, kX32 | nr), SECCOMP_RET_ALLOW);
        }
    }
}

TEST(SeccompFilter, AllMeansEveryAbiAndNamesIt) {
    SyscallSet stops;
    stops.add_all();
    const auto filter = seccomp_filter(stops, kTrace);
    const auto tagged = [](Abi abi) { return kTrace | static_cast<uint32_t>(abi); };
    for (const uint32_t nr : {0u, 59u, 470u, 100'000u}) {
        EXPECT_EQ(verdict(filter, AUDIT_ARCH_X86_64, nr), tagged(Abi::Native));
        EXPECT_EQ(verdict(filter, AUDIT_ARCH_X86_64, kX32 | nr), tagged(Abi::X32));
        EXPECT_EQ(verdict(filter, AUDIT_ARCH_I386, nr), tagged(Abi::I386));
    }
}

TEST(SeccompFilter, FitsTheKernelsLimitAtWorst) {
    SyscallSet stops;
    for (uint32_t nr = 0; nr < SyscallSet::kLimit; nr += 2) stops.add(nr);
    const auto filter = seccomp_filter(stops, kTrace);
    EXPECT_LE(filter.size(), size_t{BPF_MAXINSNS});
    EXPECT_EQ(verdict(filter, AUDIT_ARCH_X86_64, 1022), kTrace);
    EXPECT_EQ(verdict(filter, AUDIT_ARCH_X86_64, 1023), SECCOMP_RET_ALLOW);
}

TEST(SyscallSet, RefusesNumbersThatCannotBe) {
    SyscallSet set;
    EXPECT_FALSE(set.add(-1));
    EXPECT_FALSE(set.add(SyscallSet::kLimit));
    EXPECT_TRUE(set.empty());
    EXPECT_TRUE(set.add(SYS_openat));
    EXPECT_TRUE(set.contains(Abi::Native, SYS_openat));
    EXPECT_FALSE(set.contains(Abi::I386, SYS_openat));
    EXPECT_FALSE(set.contains(Abi::Native, -1));
}

}  // namespace
}  // namespace skep::hooks
