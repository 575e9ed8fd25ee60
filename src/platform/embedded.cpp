// SPDX-License-Identifier: Apache-2.0
#include "platform/embedded.hpp"

#include <algorithm>

namespace skep::platform {
namespace {

enum class Hooks : uint8_t { any, packet, task };

struct HelperRow {
    HelperId helper;
    Hooks hooks;
};

constexpr HelperRow kHelpers[] = {
#define EMBEDDED_HELPER(hooks, helper) {HelperId::helper, Hooks::hooks},
#include "platform/embedded_helpers.def"
#undef EMBEDDED_HELPER
};

constexpr MapType kMaps[] = {
#define EMBEDDED_MAP(type, name) MapType::type,
#include "platform/embedded_maps.def"
#undef EMBEDDED_MAP
};

constexpr KfuncInfo kKfuncs[] = {
#define KFUNC(since, ret, name, params) {KfuncId::name, #name, KernelVersion(since), #ret, #params},
#include "platform/embedded_kfuncs.def"
#undef KFUNC
};

const HelperRow* find_row(HelperId helper) {
    const auto* row = std::ranges::find(kHelpers, helper, &HelperRow::helper);
    return row == std::end(kHelpers) ? nullptr : row;
}

}  // namespace

HookKind embedded_hook(ProgType type) {
    switch (type) {
        case ProgType::Xdp:
        case ProgType::SchedCls:
        case ProgType::SchedAct:
        case ProgType::SocketFilter:
        case ProgType::CgroupSkb: return HookKind::Packet;
        case ProgType::Tracepoint:
        case ProgType::RawTracepoint:
        case ProgType::Kprobe: return HookKind::Task;
        default: return HookKind::None;
    }
}

const HelperProto* embedded_helper(const ProgKind& kind, HelperId helper) {
    const HelperRow* row = find_row(helper);
    if (!row) return nullptr;
    const HookKind hook = embedded_hook(kind.type);
    if (row->hooks == Hooks::packet && hook != HookKind::Packet) return nullptr;
    if (row->hooks == Hooks::task && hook != HookKind::Task) return nullptr;
    // Programs without a type run here only, on plain memory: they have what socket filters have
    // but for packets.
    const bool untyped = kind.type == ProgType::Unspec;
    const auto access = helper_access(untyped ? ProgKind{ProgType::SocketFilter} : kind, helper);
    return access ? access->proto : nullptr;
}

bool embedded_has_helper(HelperId helper) {
    return find_row(helper) != nullptr;
}

bool embedded_has_map(MapType type) {
    return std::ranges::find(kMaps, type) != std::end(kMaps);
}

std::span<const KfuncInfo> embedded_kfuncs() {
    return kKfuncs;
}

const KfuncInfo* find_embedded_kfunc(std::string_view name) {
    const auto* found = std::ranges::find(kKfuncs, name, &KfuncInfo::name);
    return found == std::end(kKfuncs) ? nullptr : found;
}

}  // namespace skep::platform
