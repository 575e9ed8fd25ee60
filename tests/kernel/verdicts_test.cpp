// SPDX-License-Identifier: Apache-2.0
// Offers `r0 = VALUE; exit` to the running kernel and expects it to take the values of
// return_range().
#include "platform/verdicts.hpp"

#include <gtest/gtest.h>

#include "base/testing.hpp"
#include "kernel/kernel_probe.hpp"

namespace skep::platform {
namespace {

struct Kind {
    ProgType type;
    AttachType attach = AttachType::None;
    btf::Kind btf_kind{};
    std::string_view target{};
};

constexpr Kind kKinds[] = {
    {ProgType::SocketFilter},
    {ProgType::Kprobe},
    {ProgType::Kprobe, AttachType::TraceKprobeMulti},
    {ProgType::Kprobe, AttachType::TraceKprobeSession},
    {ProgType::Kprobe, AttachType::TraceUprobeSession},
    {ProgType::SchedCls},
    {ProgType::Tracepoint},
    {ProgType::Xdp},
    {ProgType::PerfEvent},
    {ProgType::CgroupSkb},
    {ProgType::CgroupSkb, AttachType::CgroupInetIngress},
    {ProgType::CgroupSkb, AttachType::CgroupInetEgress},
    {ProgType::CgroupSock},
    {ProgType::CgroupSock, AttachType::CgroupInet4PostBind},
    {ProgType::LwtIn},
    {ProgType::LwtXmit},
    {ProgType::SockOps},
    {ProgType::SkSkb},
    {ProgType::CgroupDevice},
    {ProgType::SkMsg},
    {ProgType::RawTracepoint},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet4Bind},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet6Bind},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet4Connect},
    {ProgType::CgroupSockAddr, AttachType::CgroupUdp4Sendmsg},
    {ProgType::CgroupSockAddr, AttachType::CgroupUdp4Recvmsg},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet6Getpeername},
    {ProgType::CgroupSockAddr, AttachType::CgroupUnixConnect},
    {ProgType::CgroupSockAddr, AttachType::CgroupUnixRecvmsg},
    {ProgType::SkReuseport, AttachType::SkReuseportSelect},
    {ProgType::FlowDissector},
    {ProgType::CgroupSysctl},
    {ProgType::CgroupSockopt, AttachType::CgroupGetsockopt},
    {ProgType::CgroupSockopt, AttachType::CgroupSetsockopt},
    {ProgType::SkLookup, AttachType::SkLookup},
    {ProgType::Netfilter, AttachType::Netfilter},
    {ProgType::Tracing, AttachType::TraceRawTp, btf::Kind::Typedef, "btf_trace_sched_switch"},
    {ProgType::Tracing, AttachType::TraceIter, btf::Kind::Func, "bpf_iter_task"},
    {ProgType::Tracing, AttachType::TraceFentry, btf::Kind::Func, "vfs_unlink"},
    {ProgType::Lsm, AttachType::LsmMac, btf::Kind::Func, "bpf_lsm_file_open"},
    {ProgType::Lsm, AttachType::LsmMac, btf::Kind::Func, "bpf_lsm_inode_xattr_skipcap"},
    {ProgType::Lsm, AttachType::LsmCgroup, btf::Kind::Func, "bpf_lsm_socket_create"},
};

TEST(ReturnRange, IsTheRunningKernels) {
    if (auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    size_t answered = 0;
    for (const Kind& kind : kKinds) {
        const auto range = return_range({kind.type, kind.attach, kind.target});
        for (const int32_t value : {-4096, -4095, -1, 0, 1, 2, 3, 4, 4096}) {
            kernel_test::Candidate candidate{.type = kind.type, .attach = kind.attach};
            candidate.insns = {kernel_test::mov(0, value), kernel_test::exit_insn()};
            if (!kind.target.empty())
                candidate.attach_btf_id = kernel_test::kernel_btf_id(kind.btf_kind, kind.target);
            const auto answer = kernel_test::offer(candidate);
            if (answer.unanswered()) continue;
            ++answered;
            EXPECT_EQ(answer.accepted(), !range || range->contains(value))
                << to_string(kind.type) << "/" << to_string(kind.attach) << " returns " << value
                << "\n"
                << answer.log;
        }
    }
    EXPECT_GE(answered, 38u * 9);
}

}  // namespace
}  // namespace skep::platform
