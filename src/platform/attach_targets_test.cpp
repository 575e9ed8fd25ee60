// SPDX-License-Identifier: Apache-2.0
#include "platform/attach_targets.hpp"

#include <gtest/gtest.h>

namespace skep::platform {
namespace {

TEST(AttachTargets, SayWhatBtfDoesNot) {
    EXPECT_TRUE(lsm_hook_is("file_open", LsmProperty::Sleepable));
    EXPECT_FALSE(lsm_hook_is("task_free", LsmProperty::Sleepable));
    EXPECT_TRUE(lsm_hook_is("task_free", LsmProperty::Untrusted));
    EXPECT_TRUE(lsm_hook_is("vm_enough_memory", LsmProperty::Disabled));
    EXPECT_TRUE(function_is("do_exit", FunctionProperty::NoReturn));
    EXPECT_FALSE(function_is("vfs_read", FunctionProperty::Injectable));
}

TEST(AttachTargets, TracepointsMayPassNull) {
    EXPECT_EQ(tp_argument("kfree_skb", 3), TpArgument::MaybeNull);
    EXPECT_EQ(tp_argument("kfree_skb", 0), TpArgument::Valid);
    EXPECT_EQ(tp_argument("mr_integ_alloc", 3), TpArgument::MaybeError);
    EXPECT_EQ(tp_argument("sched_switch", 99), TpArgument::Valid);
}

TEST(AttachTargets, IteratorsHaveFieldsThatAreNullAtTheEnd) {
    ASSERT_TRUE(iter_arg("task", "task"));
    EXPECT_TRUE(iter_arg("task", "task")->trusted);
    EXPECT_FALSE(iter_arg("task", "meta"));
    EXPECT_EQ(iter_arg("bpf_map_elem", "value")->what, IterArg::What::RdwrBuf);
    EXPECT_TRUE(iter_target_known("tcp"));
}

}  // namespace
}  // namespace skep::platform
