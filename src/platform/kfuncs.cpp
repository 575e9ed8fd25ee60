// SPDX-License-Identifier: Apache-2.0
#include "platform/kfuncs.hpp"

#include <algorithm>

namespace skep::platform {
namespace {

namespace flag_words {
using enum KfuncFlags;
}
namespace hook_words {
using enum KfuncHooks;
}

constexpr KfuncInfo kKfuncs[] = {
#define KFUNC(name, since, flags, hooks, only) \
    {#name, KernelVersion(since),              \
     [] {                                      \
         using namespace flag_words;           \
         return flags;                         \
     }(),                                      \
     [] {                                      \
         using namespace hook_words;           \
         return hooks;                         \
     }(),                                      \
     KfuncOnly::only},
#include "platform/kfuncs.def"
#undef KFUNC
};

static_assert(std::ranges::is_sorted(kKfuncs, {}, &KfuncInfo::name), "kfuncs.def is in order");

KfuncHooks hook_of(ProgType type) {
    switch (type) {
        case ProgType::Xdp: return KfuncHooks::Xdp;
        case ProgType::SchedCls: return KfuncHooks::Tc;
        case ProgType::StructOps: return KfuncHooks::StructOps;
        case ProgType::Tracing:
        case ProgType::Tracepoint:
        case ProgType::PerfEvent:
        case ProgType::Lsm: return KfuncHooks::Tracing;
        case ProgType::Syscall: return KfuncHooks::Syscall;
        case ProgType::CgroupSkb:
        case ProgType::CgroupSock:
        case ProgType::CgroupDevice:
        case ProgType::CgroupSockAddr:
        case ProgType::CgroupSockopt:
        case ProgType::CgroupSysctl:
        case ProgType::SockOps: return KfuncHooks::Cgroup;
        case ProgType::SchedAct: return KfuncHooks::SchedAct;
        case ProgType::SkSkb: return KfuncHooks::SkSkb;
        case ProgType::SocketFilter: return KfuncHooks::SocketFilter;
        case ProgType::LwtIn:
        case ProgType::LwtOut:
        case ProgType::LwtXmit:
        case ProgType::LwtSeg6local: return KfuncHooks::Lwt;
        case ProgType::Netfilter: return KfuncHooks::Netfilter;
        case ProgType::Kprobe: return KfuncHooks::Kprobe;
        default: return KfuncHooks::None;
    }
}

bool passes(KfuncOnly only, const ProgKind& kind) {
    switch (only) {
        case KfuncOnly::Anyone: return true;
        case KfuncOnly::Lsm: return kind.type == ProgType::Lsm;
        case KfuncOnly::Iter: return kind.attach == AttachType::TraceIter;
        case KfuncOnly::Session:
            return kind.attach == AttachType::TraceKprobeSession ||
                   kind.attach == AttachType::TraceUprobeSession;
        case KfuncOnly::DeviceBound: return false;  // no spec says so
    }
    return false;
}

}  // namespace

std::span<const KfuncInfo> kfuncs() {
    return kKfuncs;
}

const KfuncInfo* find_kfunc(std::string_view name) {
    const auto found = std::ranges::lower_bound(kKfuncs, name, {}, &KfuncInfo::name);
    return found != std::end(kKfuncs) && found->name == name ? &*found : nullptr;
}

bool kfunc_allowed(const KfuncInfo& kfunc, const ProgKind& kind) {
    if (has(kfunc.hooks, KfuncHooks::Common)) return true;
    return has(kfunc.hooks, hook_of(kind.type)) && passes(kfunc.only, kind);
}

}  // namespace skep::platform
