// SPDX-License-Identifier: Apache-2.0
#include "hooks/packets/fate.hpp"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "platform/attach_bits.hpp"
#include "platform/verdicts.hpp"

namespace skep::hooks {

namespace {

Fate sent_if(bool redirected) {
    return redirected ? Fate::Sent : Fate::Dropped;
}

Fate xdp_fate(int32_t verdict, bool redirected) {
    switch (verdict) {
        case XDP_PASS: return Fate::Passed;
        case XDP_TX: return Fate::Sent;
        case XDP_REDIRECT: return sent_if(redirected);
        default: return Fate::Dropped;  // XDP_ABORTED, XDP_DROP, and what is no action
    }
}

bool is_tcx(AttachType attach) {
    return attach == AttachType::TcxIngress || attach == AttachType::TcxEgress ||
           attach == AttachType::NetkitPrimary || attach == AttachType::NetkitPeer;
}

// A filter that returns what is no verdict of its hook says "next", and after the last one packets
// pass: cls_bpf_exec_opcode(), tcx_action_code(). Actions may also take packets.
Fate tc_fate(const platform::ProgKind& kind, int32_t verdict, bool redirected) {
    const bool tcx = is_tcx(kind.attach);
    switch (verdict) {
        case TC_ACT_SHOT: return Fate::Dropped;
        case TC_ACT_REDIRECT: return sent_if(redirected);
        case TC_ACT_STOLEN:
        case TC_ACT_TRAP: return tcx ? Fate::Passed : Fate::Dropped;
        case TC_ACT_QUEUED: return kind.type == ProgType::SchedAct ? Fate::Dropped : Fate::Passed;
        default: return Fate::Passed;
    }
}

}  // namespace

Fate fate_of(const platform::ProgKind& kind, int32_t verdict, bool redirected) {
    switch (kind.type) {
        case ProgType::Xdp: return xdp_fate(verdict, redirected);
        case ProgType::SchedCls:
        case ProgType::SchedAct: return tc_fate(kind, verdict, redirected);
        case ProgType::CgroupSkb: return verdict & 1 ? Fate::Passed : Fate::Dropped;
        default: return verdict != 0 ? Fate::Passed : Fate::Dropped;
    }
}

std::string verdict_text(const platform::ProgKind& kind, int32_t verdict, uint32_t size) {
    if (kind.type != ProgType::SocketFilter) {
        return platform::verdict_name(kind.type, verdict, kind.attach);
    }
    if (verdict == 0) return "DROP";
    return static_cast<uint32_t>(verdict) < size ? "TRUNCATE" : "KEEP";
}

}  // namespace skep::hooks
