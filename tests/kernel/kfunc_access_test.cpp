// SPDX-License-Identifier: Apache-2.0
// Offers `call KFUNC; exit` to the running kernel for every kind of program and every function of
// the table that it has: it must say that the call is not allowed exactly where kfunc_allowed()
// does.
#include "platform/kfuncs.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/testing.hpp"
#include "kernel/kernel_probe.hpp"

namespace skep::platform {
namespace {

struct Kind {
    ProgType type;
    AttachType attach = AttachType::None;
    bool sleepable = false;
    btf::Kind btf_kind{};
    std::string_view target{};
};

constexpr Kind kKinds[] = {
    {ProgType::SocketFilter},
    {ProgType::Kprobe},
    {ProgType::Kprobe, AttachType::TraceKprobeSession},
    {ProgType::SchedCls},
    {ProgType::SchedAct},
    {ProgType::Tracepoint},
    {ProgType::Xdp},
    {ProgType::PerfEvent},
    {ProgType::CgroupSkb},
    {ProgType::CgroupSock},
    {ProgType::LwtIn},
    {ProgType::LwtXmit},
    {ProgType::SockOps},
    {ProgType::SkSkb},
    {ProgType::CgroupDevice},
    {ProgType::SkMsg},
    {ProgType::RawTracepoint},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet4Bind},
    {ProgType::SkReuseport, AttachType::SkReuseportSelect},
    {ProgType::FlowDissector},
    {ProgType::CgroupSysctl},
    {ProgType::CgroupSockopt, AttachType::CgroupGetsockopt},
    {ProgType::Tracing, AttachType::TraceRawTp, false, btf::Kind::Typedef,
     "btf_trace_sched_switch"},
    {ProgType::Tracing, AttachType::TraceIter, false, btf::Kind::Func, "bpf_iter_task"},
    {ProgType::Lsm, AttachType::LsmMac, false, btf::Kind::Func, "bpf_lsm_file_open"},
    {ProgType::SkLookup, AttachType::SkLookup},
    {ProgType::Syscall, AttachType::None, true},
    {ProgType::Netfilter, AttachType::Netfilter},
};

// In BTF even of kernels that are built without it (CONFIG_SYSTEM_DATA_VERIFICATION).
constexpr std::string_view kNeedsConfig = "bpf_verify_pkcs7_signature";

kernel_test::Candidate candidate_of(const Kind& kind, uint32_t function) {
    kernel_test::Candidate candidate{
        .type = kind.type,
        .attach = kind.attach,
        .insns = {kernel_test::insn(isa::kJmp, isa::kCall, 0, 2, 0, static_cast<int>(function)),
                  kernel_test::mov(0, 0), kernel_test::exit_insn()},
        .sleepable = kind.sleepable};
    if (!kind.target.empty())
        candidate.attach_btf_id = kernel_test::kernel_btf_id(kind.btf_kind, kind.target);
    return candidate;
}

TEST(Kfuncs, AreAllowedWhereTheRunningKernelAllowsThem) {
    if (auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    size_t compared = 0;
    for (const KfuncInfo& kfunc : kfuncs()) {
        const uint32_t id = kernel_test::kernel_btf_id(btf::Kind::Func, kfunc.name);
        if (id == 0 || kfunc.name == kNeedsConfig) continue;
        for (const Kind& kind : kKinds) {
            const auto answer = kernel_test::offer(candidate_of(kind, id));
            if (answer.unanswered()) continue;
            EXPECT_EQ(kfunc_allowed(kfunc, {kind.type, kind.attach, kind.target}),
                      !answer.says("is not allowed") && !answer.says("require device-bound"))
                << fmt::format("{} in {}/{}\n", kfunc.name, to_string(kind.type),
                               to_string(kind.attach))
                << answer.log;
            ++compared;
        }
    }
    EXPECT_GE(compared, 2000u);
}

}  // namespace
}  // namespace skep::platform
