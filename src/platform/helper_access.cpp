// SPDX-License-Identifier: Apache-2.0
#include "platform/helper_access.hpp"

#include <array>
#include <initializer_list>

#include "platform/attach_bits.hpp"

namespace skep::platform {
namespace {

enum class HelperSet : uint8_t {
    None,
    Base,
    Sk,
    CgroupCommon,
    CgroupRetval,
    CgroupCurrent,
    SkFilter,
    CgroupSkb,
    SchedCls,
    Xdp,
    LwtOut,
    LwtIn,
    LwtXmit,
    LwtSeg6local,
    CgroupSock,
    SockAddr,
    SockAddrBind,
    SockOps,
    SkMsg,
    SkSkb,
    FlowDissector,
    SkLookup,
    SkReuseport,
    CgroupDevice,
    CgroupSysctl,
    CgroupSockopt,
    SkSockopt,
    LircMode2,
    Trace,
    Kprobe,
    KprobeMulti,
    Tracepoint,
    PerfEvent,
    RawTracepoint,
    RawTracepointCookie,
    Tracing,
    TracingIter,
    TracingTrampoline,
    Lsm,
    Syscall,
    TcpCongestion,
};

// The rules of ALLOW rows, as words that chain: variant(x).needs(y).since("6.16").
struct Rule {
    std::optional<ProtoId> proto_{};
    HelperNeeds needs_ = HelperNeeds::None;
    KernelVersion since_{};
    KernelVersion until_{255, 255};

    constexpr Rule needs(HelperNeeds conditions) const {
        Rule rule = *this;
        rule.needs_ = conditions;
        return rule;
    }
    consteval Rule since(std::string_view release) const {
        Rule rule = *this;
        rule.since_ = KernelVersion(release);
        return rule;
    }
    consteval Rule until(std::string_view release) const {
        Rule rule = *this;
        rule.until_ = KernelVersion(release);
        return rule;
    }
};

constexpr Rule always{};
constexpr Rule variant(ProtoId proto) {
    return {.proto_ = proto};
}
constexpr Rule needs(HelperNeeds conditions) {
    return always.needs(conditions);
}
consteval Rule since(std::string_view release) {
    return always.since(release);
}
consteval Rule until(std::string_view release) {
    return always.until(release);
}

// Helpers as a bit set: membership is one test, and a row is small.
struct HelperBits {
    std::array<uint64_t, 4> words{};

    constexpr HelperBits(std::initializer_list<HelperId> helpers) {
        for (const HelperId helper : helpers)
            words[static_cast<uint32_t>(helper) / 64] |= uint64_t{1}
                                                         << static_cast<uint32_t>(helper) % 64;
    }
    constexpr bool contains(HelperId helper) const {
        const auto number = static_cast<uint32_t>(helper);
        return number / 64 < words.size() && (words[number / 64] >> number % 64 & 1) != 0;
    }
};

struct AllowRow {
    HelperSet set;
    Rule rule;
    HelperBits helpers;
};

constexpr auto kAllow = [] {
    using enum HelperId;
    using enum HelperNeeds;
    return std::to_array<AllowRow>({
#define ALLOW(set, rule, ...) {HelperSet::set, rule, {__VA_ARGS__}},
#include "platform/helper_access.def"
    });
}();

struct ProgRow {
    ProgType type;
    AttachBits attach;
    std::string_view target;  ///< empty: any
    std::array<HelperSet, 6> sets;
};

constexpr auto kProgRows = [] {
    using enum AttachType;
    constexpr AttachBits any = kAnyAttach;
    // Hooks whose return value says allow or deny and nothing else have no error code to set.
    constexpr AttachBits with_retval = except(
        CgroupInetIngress, CgroupInetEgress, CgroupSockOps, CgroupUdp4Recvmsg, CgroupUdp6Recvmsg,
        CgroupUnixRecvmsg, CgroupInet4Getpeername, CgroupInet6Getpeername, CgroupUnixGetpeername,
        CgroupInet4Getsockname, CgroupInet6Getsockname, CgroupUnixGetsockname);
    using Sets = std::array<HelperSet, 6>;
    return std::to_array<ProgRow>({
#define PROG_HELPERS(type, attach, target, ...) \
    {ProgType::type, attach, target, [] {       \
         using enum HelperSet;                  \
         return Sets{__VA_ARGS__};              \
     }()},
#include "platform/helper_access.def"
    });
}();

}  // namespace

std::optional<HelperAccess> helper_access(const ProgKind& kind, HelperId helper,
                                          KernelVersion version) {
    if (helper_info(helper).since > version) return std::nullopt;
    const AttachBits attach = attach_bit_of(kind.type, kind.attach);
    for (const ProgRow& prog : kProgRows) {
        if (prog.type != kind.type || (prog.attach & attach) == 0) continue;
        if (!prog.target.empty() && prog.target != kind.target) continue;
        for (const HelperSet set : prog.sets) {
            if (set == HelperSet::None) break;
            for (const AllowRow& row : kAllow) {
                if (row.set != set || !row.helpers.contains(helper)) continue;
                if (version < row.rule.since_ || version >= row.rule.until_) continue;
                return HelperAccess{
                    row.rule.proto_ ? &helper_proto(*row.rule.proto_) : &helper_proto(helper),
                    row.rule.needs_};
            }
        }
    }
    return std::nullopt;
}

}  // namespace skep::platform
