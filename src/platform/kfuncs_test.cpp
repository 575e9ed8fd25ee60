// SPDX-License-Identifier: Apache-2.0
#include "platform/kfuncs.hpp"

#include <gtest/gtest.h>

namespace skep::platform {
namespace {

TEST(Kfuncs, AreFoundByName) {
    ASSERT_NE(find_kfunc("bpf_task_acquire"), nullptr);
    EXPECT_TRUE(find_kfunc("bpf_task_acquire")->is(KfuncFlags::Acquire));
    EXPECT_TRUE(find_kfunc("bpf_iter_num_next")->is(KfuncFlags::IterNext));
    EXPECT_EQ(find_kfunc("bpf_task_acquir"), nullptr);
    EXPECT_EQ(find_kfunc("zzz"), nullptr);
}

TEST(Kfuncs, BelongToHooks) {
    const KfuncInfo& acquire = *find_kfunc("bpf_task_acquire");
    EXPECT_TRUE(kfunc_allowed(acquire, {ProgType::Tracepoint}));
    EXPECT_FALSE(kfunc_allowed(acquire, {ProgType::SkLookup}));
    EXPECT_TRUE(kfunc_allowed(*find_kfunc("bpf_rcu_read_lock"), {ProgType::SkLookup}));
    // Registered so that fmod_ret programs may attach, not to be called.
    EXPECT_FALSE(kfunc_allowed(*find_kfunc("bpf_fentry_test1"), {ProgType::Tracing}));
}

TEST(Kfuncs, SomeAreForSomeProgramsOfAHook) {
    const KfuncInfo& destroy = *find_kfunc("bpf_sock_destroy");
    EXPECT_TRUE(kfunc_allowed(destroy, {ProgType::Tracing, AttachType::TraceIter}));
    EXPECT_FALSE(kfunc_allowed(destroy, {ProgType::Tracing, AttachType::TraceRawTp}));
    EXPECT_TRUE(kfunc_allowed(*find_kfunc("bpf_path_d_path"), {ProgType::Lsm}));
    EXPECT_FALSE(kfunc_allowed(*find_kfunc("bpf_path_d_path"), {ProgType::Tracing}));
}

}  // namespace
}  // namespace skep::platform
