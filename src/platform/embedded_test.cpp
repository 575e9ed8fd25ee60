// SPDX-License-Identifier: Apache-2.0
#include "platform/embedded.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "btf/btf.hpp"
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

class EmbeddedBtf : public ::testing::Test {
  protected:
    void SetUp() override {
        const ByteView bytes = embedded_btf();
        auto parsed = btf::Btf::parse(Bytes(bytes.begin(), bytes.end()));
        ASSERT_TRUE(parsed) << parsed.error().to_string();
        btf_ = *parsed;
    }

    std::optional<btf::Type> structure(std::string_view name) const {
        return btf_->find(name, btf::Kind::Struct);
    }

    std::shared_ptr<const btf::Btf> btf_;
};

// What programs are relocated against is what event sources fill.
TEST_F(EmbeddedBtf, HasTheLayoutsOfTheHeader) {
    struct Row {
        std::string_view type;
        size_t size;
        std::string_view field;
        size_t offset;
    };
#define ROW(type, field) {#type, sizeof(embedded::type), #field, offsetof(embedded::type, field)}
    const Row rows[] = {
        ROW(task_struct, flags),
        ROW(task_struct, pid),
        ROW(task_struct, tgid),
        ROW(task_struct, loginuid.val),
        ROW(task_struct, real_parent),
        ROW(task_struct, group_leader),
        ROW(task_struct, thread_pid),
        ROW(task_struct, start_time),
        ROW(task_struct, cred),
        ROW(task_struct, comm),
        ROW(task_struct, nsproxy),
        ROW(task_struct, mm),
        ROW(cred, euid.val),
        ROW(cred, cap_effective.val),
        ROW(uts_namespace, name.nodename),
        ROW(uts_namespace, ns.inum),
        ROW(pid_namespace, ns.inum),
        ROW(nsproxy, mnt_ns),
        ROW(nsproxy, cgroup_ns),
        ROW(pid, numbers),
        ROW(mm_struct, arg_start),
        ROW(signal_struct, oom_score_adj),
        ROW(pt_regs, di),
        ROW(trace_event_raw_sys_enter, args),
        ROW(trace_event_raw_sched_process_exec, __data_loc_filename),
        ROW(trace_event_raw_sched_process_exit, group_dead),
    };
#undef ROW
    for (const Row& row : rows) {
        const auto type = structure(row.type);
        ASSERT_TRUE(type) << row.type;
        EXPECT_EQ(btf_->size_of(type->id()), row.size) << row.type;
        const auto field = btf_->find_field(type->id(), row.field);
        ASSERT_TRUE(field) << row.type << "." << row.field;
        EXPECT_EQ(field->bit_offset / 8, row.offset) << row.type << "." << row.field;
    }
}

TEST_F(EmbeddedBtf, HasTheContextsOfTheTable) {
    size_t compared = 0;
    for (uint32_t number = 1; number <= 32; ++number) {
        const CtxLayout* layout = ctx_layout(ProgType(number));
        if (embedded_hook(ProgType(number)) == HookKind::None || !layout) continue;
        const auto type = structure(layout->name);
        ASSERT_TRUE(type) << layout->name;
        for (const CtxField& field : layout->fields) {
            if (layout->name == "bpf_raw_tracepoint_args") break;  // args[0] there
            const auto found = btf_->find_field(type->id(), field.name);
            ASSERT_TRUE(found) << layout->name << "." << field.name;
            EXPECT_EQ(found->bit_offset / 8, field.offset) << layout->name << "." << field.name;
            ++compared;
        }
    }
    EXPECT_GT(compared, 100u);
}

TEST_F(EmbeddedBtf, HasWhatProgramsAskFor) {
    for (const std::string_view name :
         {"ethhdr", "iphdr", "ipv6hdr", "tcphdr", "udphdr", "icmphdr", "vlan_hdr", "bpf_timer",
          "bpf_spin_lock", "bpf_dynptr", "bpf_iter_num", "bpf_ringbuf"})
        EXPECT_TRUE(structure(name)) << name;
    for (const KfuncInfo& kfunc : embedded_kfuncs())
        EXPECT_TRUE(btf_->find(kfunc.name, btf::Kind::Func)) << kfunc.name;

    const auto helper_enum = btf_->find("bpf_func_id", btf::Kind::Enum);
    ASSERT_TRUE(helper_enum);
    std::map<std::string, uint32_t> values;
    for (const auto& value : helper_enum->enumerators())
        values.emplace(value.name, static_cast<uint32_t>(value.value));
    for (const HelperInfo& helper : helpers()) {
        const auto value = values.find("BPF_FUNC_" + std::string(helper.name));
        EXPECT_EQ(value != values.end(), embedded_has_helper(helper.id)) << helper.name;
        if (value == values.end()) continue;
        EXPECT_EQ(value->second, uint32_t(helper.id)) << helper.name;
    }
}

}  // namespace
}  // namespace skep::platform
