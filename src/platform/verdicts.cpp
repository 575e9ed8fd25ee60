// SPDX-License-Identifier: Apache-2.0
#include "platform/verdicts.hpp"

#include <array>

#include "platform/attach_bits.hpp"

namespace skep::platform {
namespace {

struct RangeRow {
    ProgType type;
    AttachBits attach;
    std::string_view target;  ///< empty: any
    ReturnRange range;
};

struct VerdictRow {
    ProgType type;
    AttachBits attach;
    int32_t value;
    std::string_view name;
};

constexpr auto kRanges = [] {
    using enum AttachType;
    constexpr AttachBits any = kAnyAttach;
    return std::to_array<RangeRow>({
#define RETURN_RANGE(type, attach, target, lowest, highest) \
    {ProgType::type, attach, target, {lowest, highest}},
#include "platform/verdicts.def"
    });
}();

constexpr auto kVerdicts = [] {
    using enum AttachType;
    constexpr AttachBits any = kAnyAttach;
    // tcx and netkit take every value that they do not know as "next".
    constexpr AttachBits tcx = on(TcxIngress, TcxEgress), netkit = on(NetkitPrimary, NetkitPeer),
                         classic = ~(tcx | netkit);
    return std::to_array<VerdictRow>({
#define VERDICT(type, attach, value, name) {ProgType::type, attach, value, name},
#include "platform/verdicts.def"
    });
}();

}  // namespace

std::optional<ReturnRange> return_range(const ProgKind& kind) {
    const AttachBits attach = attach_bit_of(kind.type, kind.attach);
    for (const RangeRow& row : kRanges) {
        if (row.type != kind.type || (row.attach & attach) == 0) continue;
        if (row.target.empty() || row.target == kind.target) return row.range;
    }
    return std::nullopt;
}

std::string verdict_name(ProgType type, int32_t value, AttachType attach) {
    if (type == ProgType::SchedAct) type = ProgType::SchedCls;
    const AttachBits bit = attach_bit_of(type, attach);
    for (const VerdictRow& row : kVerdicts)
        if (row.type == type && row.value == value && (row.attach & bit) != 0)
            return std::string(row.name);
    return std::to_string(value);
}

}  // namespace skep::platform
