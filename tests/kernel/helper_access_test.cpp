// SPDX-License-Identifier: Apache-2.0
// Offers `call HELPER; exit` to the running kernel for every kind of program and every helper, and
// expects it to know the helper exactly where helper_access() does: the way in which `bpftool
// feature probe` asks. What else the verifier says (arguments, return value) does not matter here.
#include "platform/helper_access.hpp"

#include <gtest/gtest.h>
#include <linux/capability.h>

#include <thread>

#include "base/testing.hpp"
#include "kernel/kernel_probe.hpp"

namespace skep::platform {
namespace {

using kernel_test::Candidate;

struct Kind {
    ProgType type;
    AttachType attach = AttachType::None;
    bool sleepable = false;
    btf::Kind btf_kind{};  ///< of the function or typedef that a tracing program attaches to
    std::string_view target{};
};

// Left out: what no kernel can be asked without more of an object around it (struct_ops, ext), and
// lirc_mode2, which few kernels are built with.
constexpr Kind kKinds[] = {
    {ProgType::SocketFilter},
    {ProgType::Kprobe},
    {ProgType::Kprobe, AttachType::TraceKprobeMulti},
    {ProgType::Kprobe, AttachType::TraceUprobeMulti, true},
    {ProgType::Kprobe, AttachType::TraceKprobeSession},
    {ProgType::SchedCls},
    {ProgType::SchedCls, AttachType::TcxIngress},
    {ProgType::SchedAct},
    {ProgType::Tracepoint},
    {ProgType::Xdp},
    {ProgType::Xdp, AttachType::XdpDevmap},
    {ProgType::Xdp, AttachType::XdpCpumap},
    {ProgType::PerfEvent},
    {ProgType::CgroupSkb},
    {ProgType::CgroupSkb, AttachType::CgroupInetIngress},
    {ProgType::CgroupSkb, AttachType::CgroupInetEgress},
    {ProgType::CgroupSock},
    {ProgType::CgroupSock, AttachType::CgroupInetSockCreate},
    {ProgType::CgroupSock, AttachType::CgroupInetSockRelease},
    {ProgType::CgroupSock, AttachType::CgroupInet4PostBind},
    {ProgType::CgroupSock, AttachType::CgroupInet6PostBind},
    {ProgType::LwtIn},
    {ProgType::LwtOut},
    {ProgType::LwtXmit},
    {ProgType::LwtSeg6local},
    {ProgType::SockOps},
    {ProgType::SockOps, AttachType::CgroupSockOps},
    {ProgType::SkSkb},
    {ProgType::SkSkb, AttachType::SkSkbStreamParser},
    {ProgType::SkSkb, AttachType::SkSkbVerdict},
    {ProgType::CgroupDevice},
    {ProgType::CgroupDevice, AttachType::CgroupDevice},
    {ProgType::SkMsg},
    {ProgType::RawTracepoint},
    {ProgType::RawTracepointWritable},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet4Bind},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet6Bind},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet4Connect},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet6Connect},
    {ProgType::CgroupSockAddr, AttachType::CgroupUdp4Sendmsg},
    {ProgType::CgroupSockAddr, AttachType::CgroupUdp6Recvmsg},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet4Getpeername},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet6Getsockname},
    {ProgType::CgroupSockAddr, AttachType::CgroupUnixConnect},
    {ProgType::CgroupSockAddr, AttachType::CgroupUnixSendmsg},
    {ProgType::CgroupSockAddr, AttachType::CgroupUnixRecvmsg},
    {ProgType::SkReuseport, AttachType::SkReuseportSelect},
    {ProgType::SkReuseport, AttachType::SkReuseportSelectOrMigrate},
    {ProgType::FlowDissector},
    {ProgType::CgroupSysctl},
    {ProgType::CgroupSysctl, AttachType::CgroupSysctl},
    {ProgType::CgroupSockopt, AttachType::CgroupGetsockopt},
    {ProgType::CgroupSockopt, AttachType::CgroupSetsockopt},
    {ProgType::Tracing, AttachType::TraceRawTp, false, btf::Kind::Typedef,
     "btf_trace_sched_switch"},
    {ProgType::Tracing, AttachType::TraceIter, false, btf::Kind::Func, "bpf_iter_task"},
    {ProgType::Tracing, AttachType::TraceIter, false, btf::Kind::Func, "bpf_iter_tcp"},
    {ProgType::Tracing, AttachType::TraceFentry, false, btf::Kind::Func, "vfs_unlink"},
    {ProgType::Lsm, AttachType::LsmMac, false, btf::Kind::Func, "bpf_lsm_file_open"},
    {ProgType::Lsm, AttachType::LsmCgroup, false, btf::Kind::Func, "bpf_lsm_socket_create"},
    {ProgType::Lsm, AttachType::LsmCgroup, false, btf::Kind::Func, "bpf_lsm_socket_post_create"},
    {ProgType::SkLookup, AttachType::SkLookup},
    {ProgType::Syscall, AttachType::None, true},
    {ProgType::Netfilter, AttachType::Netfilter},
};

Candidate candidate_of(const Kind& kind, int32_t helper) {
    Candidate candidate{
        .type = kind.type,
        .attach = kind.attach,
        .insns = {kernel_test::call(helper), kernel_test::mov(0, 0), kernel_test::exit_insn()},
        .sleepable = kind.sleepable};
    if (!kind.target.empty())
        candidate.attach_btf_id = kernel_test::kernel_btf_id(kind.btf_kind, kind.target);
    return candidate;
}

std::string describe(const Kind& kind, const HelperInfo& helper) {
    return fmt::format("{}/{} {} {}", to_string(kind.type), to_string(kind.attach), kind.target,
                       helper.name);
}

// How many kinds the kernel answered for; `capabilities` are those that this thread holds.
size_t compare_all(HelperNeeds missing) {
    // These depend on how the kernel was built and locked down; absence proves nothing.
    const HelperNeeds kernel_choice =
        HelperNeeds::ReadKernel | HelperNeeds::WriteUser | HelperNeeds::KprobeOverride;
    size_t answered = 0;
    for (const Kind& kind : kKinds) {
        // A kind that this kernel does not let anyone load (trampolines and LSM need build
        // options).
        if (kernel_test::offer(candidate_of(kind, 5)).unanswered()) continue;
        ++answered;
        for (const HelperInfo& helper : helpers()) {
            const auto access = helper_access({kind.type, kind.attach, kind.target}, helper.id);
            const bool expected = access && !has(access->needs, missing);
            const auto answer =
                kernel_test::offer(candidate_of(kind, static_cast<int32_t>(helper.id)));
            const bool known = answer.accepted() ||
                               !(answer.says("cannot use helper") || answer.says("unknown func"));
            if (!known && access && has(access->needs, kernel_choice)) continue;
            EXPECT_EQ(expected, known) << describe(kind, helper) << "\n" << answer.log;
        }
    }
    return answered;
}

TEST(HelperAccess, IsTheRunningKernels) {
    if (auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    EXPECT_GE(compare_all(HelperNeeds::None), 50u);
}

TEST(HelperAccess, IsTheRunningKernelsWithoutPerfmon) {
    if (auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    std::thread([] {
        ASSERT_TRUE(
            kernel_test::keep_capabilities(uint64_t{1} << CAP_BPF | uint64_t{1} << CAP_NET_ADMIN));
        EXPECT_GE(compare_all(HelperNeeds::Perfmon), 40u);
    }).join();
}

}  // namespace
}  // namespace skep::platform
