// SPDX-License-Identifier: Apache-2.0
#include "platform/embedded.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/btf.h>

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "platform/ctx.hpp"
#include "platform/embedded_types.h"
#include "platform/tracepoints.hpp"

namespace skep::platform {
namespace {

TEST(Embedded, ProvidesWhatLinuxGivesTheTypeAndTheHookCanDo) {
    const ProgKind xdp{ProgType::Xdp}, kprobe{ProgType::Kprobe};
    EXPECT_TRUE(embedded_helper(xdp, HelperId::xdp_adjust_head));
    EXPECT_FALSE(embedded_helper(kprobe, HelperId::xdp_adjust_head));  // not its type's
    EXPECT_FALSE(embedded_helper(xdp, HelperId::send_signal));         // no task to signal
    EXPECT_TRUE(embedded_helper(kprobe, HelperId::send_signal));
    EXPECT_FALSE(embedded_helper(xdp, HelperId::fib_lookup));  // no routing table
    EXPECT_FALSE(embedded_has_helper(HelperId::fib_lookup));
    EXPECT_TRUE(embedded_has_map(MapType::Hash));
    EXPECT_FALSE(embedded_has_map(MapType::Sockmap));
}

TEST(Embedded, ListsEachHelperOnceAndSomeTypeCanCallIt) {
    std::set<HelperId> seen;
    for (const HelperId helper : {
#define EMBEDDED_HELPER(hooks, name) HelperId::name,
#include "platform/embedded_helpers.def"
#undef EMBEDDED_HELPER
         })
        EXPECT_TRUE(seen.insert(helper).second) << helper_info(helper).name;
    // What only programs on functions (fentry) may call waits for such a hook.
    const std::set<HelperId> without_hook = {HelperId::get_func_arg, HelperId::get_func_ret,
                                             HelperId::get_func_arg_cnt};
    for (const HelperId helper : seen) {
        bool callable = false;
        for (uint32_t type = 1; type <= 32; ++type)
            callable |= embedded_helper({ProgType(type)}, helper) != nullptr;
        EXPECT_EQ(callable, !without_hook.contains(helper)) << helper_info(helper).name;
    }
}

TEST(Embedded, HasKfuncs) {
    const KfuncInfo* next = find_embedded_kfunc("bpf_iter_num_next");
    ASSERT_TRUE(next);
    EXPECT_EQ(next->id, KfuncId::bpf_iter_num_next);
    EXPECT_EQ(next->c_return, "int *");
    EXPECT_EQ(next->c_params, "(struct bpf_iter_num *it)");
    EXPECT_EQ(find_embedded_kfunc("bpf_task_acquire"), nullptr);
}

// Offsets of a record's fields as the header has them are those of the table.
TEST(Embedded, RecordsAreLaidOutAsTheirTracepoints) {
    using namespace embedded;
    const auto offset = [](std::string_view event, std::string_view field) {
        return size_t{tracepoint_layout(event)->find(field)->offset};
    };
    EXPECT_EQ(offset("raw_syscalls/sys_enter", "args"), offsetof(trace_event_raw_sys_enter, args));
    EXPECT_EQ(offset("raw_syscalls/sys_exit", "ret"), offsetof(trace_event_raw_sys_exit, ret));
    EXPECT_EQ(offset("syscalls/sys_enter_read", "fd"), offsetof(syscall_trace_enter, args));
    EXPECT_EQ(offset("syscalls/sys_exit_read", "ret"), offsetof(syscall_trace_exit, ret));
    EXPECT_EQ(offset("sched/sched_process_fork", "child_pid"),
              offsetof(trace_event_raw_sched_process_fork, child_pid));
    EXPECT_EQ(offset("sched/sched_process_exec", "old_pid"),
              offsetof(trace_event_raw_sched_process_exec, old_pid));
    EXPECT_EQ(offset("sched/sched_process_exit", "group_dead"),
              offsetof(trace_event_raw_sched_process_exit, group_dead));
    EXPECT_EQ(ctx_layout(ProgType::Kprobe)->size, sizeof(pt_regs));
    EXPECT_EQ(find_field(*ctx_layout(ProgType::Kprobe), offsetof(pt_regs, di))->name, "di");
    EXPECT_EQ(find_field(*ctx_layout(ProgType::Kprobe), offsetof(pt_regs, sp))->name, "sp");
}
