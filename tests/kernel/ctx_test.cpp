// SPDX-License-Identifier: Apache-2.0
// Offers `r0 = *(uN *)(r1 + OFFSET)` and `*(uN *)(r1 + OFFSET) = r0` to the running kernel for
// every kind of context, offset and width, and expects it to allow exactly what ctx_access()
// allows, and to make of what is read the kind of value that the table says (as its log names it).
#include "platform/ctx.hpp"

#include <gtest/gtest.h>

#include "base/testing.hpp"
#include "kernel/kernel_probe.hpp"

namespace skep::platform {
namespace {

using kernel_test::Candidate;
using kernel_test::insn;

struct Context {
    ProgType type;
    AttachType attach = AttachType::None;
    uint32_t probed = 0;  ///< offsets below this; 0: the struct and 8 bytes beyond
};

constexpr Context kContexts[] = {
    {ProgType::SocketFilter},
    {ProgType::Kprobe},
    {ProgType::SchedCls},
    {ProgType::SchedAct},
    {ProgType::Tracepoint, AttachType::None, 64},
    {ProgType::Xdp},
    {ProgType::Xdp, AttachType::XdpDevmap},
    {ProgType::Xdp, AttachType::XdpCpumap},
    {ProgType::PerfEvent},
    {ProgType::CgroupSkb},
    {ProgType::CgroupSkb, AttachType::CgroupInetEgress},
    {ProgType::CgroupSock},
    {ProgType::CgroupSock, AttachType::CgroupInet4PostBind},
    {ProgType::CgroupSock, AttachType::CgroupInet6PostBind},
    {ProgType::CgroupSock, AttachType::CgroupInetSockRelease},
    {ProgType::LwtIn},
    {ProgType::LwtOut},
    {ProgType::LwtXmit},
    {ProgType::LwtSeg6local},
    {ProgType::SockOps},
    {ProgType::SkSkb},
    {ProgType::SkSkb, AttachType::SkSkbStreamParser},
    {ProgType::CgroupDevice},
    {ProgType::SkMsg},
    {ProgType::RawTracepoint},
    {ProgType::RawTracepointWritable},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet4Bind},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet6Bind},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet4Connect},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet6Connect},
    {ProgType::CgroupSockAddr, AttachType::CgroupUdp4Sendmsg},
    {ProgType::CgroupSockAddr, AttachType::CgroupUdp6Sendmsg},
    {ProgType::CgroupSockAddr, AttachType::CgroupUdp4Recvmsg},
    {ProgType::CgroupSockAddr, AttachType::CgroupUdp6Recvmsg},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet4Getpeername},
    {ProgType::CgroupSockAddr, AttachType::CgroupInet6Getsockname},
    {ProgType::CgroupSockAddr, AttachType::CgroupUnixConnect},
    {ProgType::CgroupSockAddr, AttachType::CgroupUnixGetsockname},
    {ProgType::SkReuseport, AttachType::SkReuseportSelect},
    {ProgType::FlowDissector},
    {ProgType::CgroupSysctl},
    {ProgType::CgroupSockopt, AttachType::CgroupGetsockopt},
    {ProgType::CgroupSockopt, AttachType::CgroupSetsockopt},
    {ProgType::SkLookup, AttachType::SkLookup},
    {ProgType::Syscall, AttachType::None, 64},
    {ProgType::Netfilter, AttachType::Netfilter},
};

int width_code(uint32_t size) {
    return size == 1 ? isa::kB : size == 2 ? isa::kH : size == 4 ? isa::kW : isa::kDw;
}

kernel_test::Answer ask(const Context& context, uint32_t offset, uint32_t size, bool write) {
    const int mode = isa::kMem, width = width_code(size), off = static_cast<int>(offset);
    Candidate candidate{.type = context.type, .attach = context.attach};
    candidate.sleepable = context.type == ProgType::Syscall;
    candidate.verbose = true;
    if (write)
        candidate.insns = {kernel_test::mov(0, 0), insn(isa::kStx, mode | width, 1, 0, off)};
    else
        candidate.insns = {insn(isa::kLdx, mode | width, 0, 1, off), kernel_test::mov(0, 0)};
    candidate.insns.push_back(kernel_test::exit_insn());
    return kernel_test::offer(candidate);
}

bool kernel_allows(const kernel_test::Answer& answer) {
    return !answer.says("invalid bpf_context access") && !answer.says("misaligned") &&
           !answer.says("cannot write into ctx") && !answer.says("write into ctx");
}

// How the verifier's log begins the value that it read into r0.
std::string_view kernel_word(CtxKind kind) {
    switch (kind) {
        case CtxKind::Scalar: return "R0=scalar(";
        case CtxKind::Packet: return "R0=pkt(";
        case CtxKind::PacketMeta: return "R0=pkt_meta(";
        case CtxKind::PacketEnd: return "R0=pkt_end(";
        case CtxKind::Sock: return "R0=sock(";
        case CtxKind::SockOrNull: return "R0=sock_or_null(";
        case CtxKind::SockCommonOrNull: return "R0=sock_common_or_null(";
        case CtxKind::FlowKeys: return "R0=flow_keys(";
        case CtxKind::TpBuffer: return "R0=tp_buffer(";
        case CtxKind::KernelStruct: return "R0=trusted_ptr_";
    }
    return "";
}

void compare(const Context& context, uint32_t offset, uint32_t size, bool write) {
    const CtxAccess ours = ctx_access(context.type, context.attach, offset, size, write);
    const auto theirs = ask(context, offset, size, write);
    const std::string where =
        fmt::format("{}/{}: {} {} bytes at {}", to_string(context.type), to_string(context.attach),
                    write ? "write" : "read", size, offset);
    ASSERT_FALSE(theirs.unanswered()) << where << ": errno " << theirs.error;
    EXPECT_EQ(ours.allowed(), kernel_allows(theirs)) << where << ": " << ours.refused << "\n"
                                                     << theirs.log;
    if (ours.allowed() && !write) {
        EXPECT_TRUE(theirs.says(kernel_word(ours.kind))) << where << "\n" << theirs.log;
    }
}

TEST(Ctx, IsTheRunningKernels) {
    if (auto reason = kernel_test::why_not_comparable()) SKEP_SKIP(*reason);
    for (const Context& context : kContexts) {
        const CtxLayout* layout = ctx_layout(context.type);
        ASSERT_TRUE(layout || context.probed);
        for (uint32_t offset = 0; offset < (layout ? layout->size + 8 : context.probed); ++offset) {
            // The kernel lets through parts of a writable tracepoint's buffer pointer, but not all
            // of it nor its start: an accident that no program uses.
            if (context.type == ProgType::RawTracepointWritable && offset > 0 && offset < 8)
                continue;
            for (const uint32_t size : {1u, 2u, 4u, 8u})
                for (const bool write : {false, true}) compare(context, offset, size, write);
        }
    }
}

}  // namespace
}  // namespace skep::platform
