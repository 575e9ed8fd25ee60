// SPDX-License-Identifier: Apache-2.0
#include "object/section_names.hpp"

#include <gtest/gtest.h>

namespace skep::object {
namespace {

TEST(SectionNames, SayTypeAttachTypeTargetAndFlags) {
    const struct {
        const char* name;
        ProgType type;
        AttachType attach_type;
        const char* target;
        bool sleepable, multi_buffer;
    } cases[] = {
        {"xdp", ProgType::Xdp, AttachType::Xdp, "", false, false},
        {"xdp.frags", ProgType::Xdp, AttachType::Xdp, "", false, true},
        {"xdp/devmap", ProgType::Xdp, AttachType::XdpDevmap, "", false, false},
        {"xdp.frags/cpumap", ProgType::Xdp, AttachType::XdpCpumap, "", false, true},
        {"xdp/anything", ProgType::Unspec, AttachType::None, "", false, false},
        {"tc", ProgType::SchedCls, AttachType::None, "", false, false},
        {"tc/ingress", ProgType::SchedCls, AttachType::TcxIngress, "", false, false},
        {"tcx/egress", ProgType::SchedCls, AttachType::TcxEgress, "", false, false},
        {"socket", ProgType::SocketFilter, AttachType::None, "", false, false},
        {"socket1", ProgType::Unspec, AttachType::None, "", false, false},
        {"tp/sched/sched_switch", ProgType::Tracepoint, AttachType::None, "sched/sched_switch",
         false, false},
        {"tracepoint", ProgType::Tracepoint, AttachType::None, "", false, false},
        {"tpx", ProgType::Unspec, AttachType::None, "", false, false},
        {"raw_tp/sys_enter", ProgType::RawTracepoint, AttachType::None, "sys_enter", false, false},
        {"tp_btf/task_newtask", ProgType::Tracing, AttachType::TraceRawTp, "task_newtask", false,
         false},
        {"kprobe/do_exit+0x10", ProgType::Kprobe, AttachType::None, "do_exit+0x10", false, false},
        {"ksyscall/openat", ProgType::Kprobe, AttachType::None, "openat", false, false},
        {"uprobe//bin/sh:main", ProgType::Kprobe, AttachType::None, "/bin/sh:main", false, false},
        {"uprobe.multi.s//bin/sh:*", ProgType::Kprobe, AttachType::TraceUprobeMulti, "/bin/sh:*",
         true, false},
        {"kprobe.multi/tcp_*", ProgType::Kprobe, AttachType::TraceKprobeMulti, "tcp_*", false,
         false},
        {"fentry.s/bpf_fentry_test1", ProgType::Tracing, AttachType::TraceFentry,
         "bpf_fentry_test1", true, false},
        {"lsm.s/file_open", ProgType::Lsm, AttachType::LsmMac, "file_open", true, false},
        {"iter/task", ProgType::Tracing, AttachType::TraceIter, "task", false, false},
        {"syscall", ProgType::Syscall, AttachType::None, "", true, false},
        {"struct_ops.s/init", ProgType::StructOps, AttachType::None, "init", true, false},
        {"freplace/handler", ProgType::Ext, AttachType::None, "handler", false, false},
        {"cgroup_skb/ingress", ProgType::CgroupSkb, AttachType::CgroupInetIngress, "", false,
         false},
        {"cgroup/connect4", ProgType::CgroupSockAddr, AttachType::CgroupInet4Connect, "", false,
         false},
        {"lirc_mode2", ProgType::LircMode2, AttachType::LircMode2, "", false, false},
        {"", ProgType::Unspec, AttachType::None, "", false, false},
    };
    for (const auto& c : cases) {
        const SectionMeaning meaning = interpret_section(c.name);
        EXPECT_EQ(meaning.type, c.type) << c.name;
        EXPECT_EQ(meaning.attach_type, c.attach_type) << c.name;
        EXPECT_EQ(meaning.attach_target, c.target) << c.name;
        EXPECT_EQ(meaning.sleepable, c.sleepable) << c.name;
        EXPECT_EQ(meaning.multi_buffer, c.multi_buffer) << c.name;
        EXPECT_TRUE(meaning.autoload);
    }
    const SectionMeaning manual = interpret_section("?fexit/do_unlinkat");
    EXPECT_FALSE(manual.autoload);
    EXPECT_EQ(manual.attach_type, AttachType::TraceFexit);
    EXPECT_EQ(manual.attach_target, "do_unlinkat");
}

TEST(SectionNames, SuggestWhatWasMeant) {
    EXPECT_EQ(suggest_section("xpd"), std::nullopt);  // two edits of three letters: no guess
    EXPECT_EQ(suggest_section("xdp/drop"), "xdp");
    EXPECT_EQ(suggest_section("socket1"), "socket");
    EXPECT_EQ(suggest_section("?tracepont/sched/sched_switch"), "tracepoint");
    EXPECT_EQ(suggest_section("cgroup/conect4"), "cgroup/connect4");
    EXPECT_EQ(suggest_section("prog"), std::nullopt);
}

}  // namespace
}  // namespace skep::object
