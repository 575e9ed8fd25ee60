// SPDX-License-Identifier: Apache-2.0
#include "platform/attach_targets.hpp"

#include <algorithm>

namespace skep::platform {
namespace {

struct LsmRow {
    std::string_view hook;
    LsmProperty property;
};
constexpr LsmRow kLsm[] = {
#define LSM_HOOK(hook, property) {#hook, LsmProperty::property},
#include "platform/attach_targets.def"
};

struct TpRow {
    std::string_view tracepoint;
    uint64_t mask;
};
constexpr TpRow kTp[] = {
#define TP_ARGS(tracepoint, mask) {#tracepoint, mask},
#include "platform/attach_targets.def"
};

struct IterRow {
    std::string_view target, field;
    IterArg arg;
};
constexpr IterRow kIter[] = {
#define ITER_ARG(target, field, what, trusted) {#target, #field, {IterArg::What::what, trusted}},
#include "platform/attach_targets.def"
};

struct FunctionRow {
    std::string_view name;
    FunctionProperty property;
};
constexpr FunctionRow kFunctions[] = {
#define FUNCTION(name, property) {#name, FunctionProperty::property},
#include "platform/attach_targets.def"
};

}  // namespace

bool lsm_hook_is(std::string_view hook, LsmProperty property) {
    return std::ranges::any_of(
        kLsm, [&](const LsmRow& row) { return row.property == property && row.hook == hook; });
}

TpArgument tp_argument(std::string_view tracepoint, uint32_t index) {
    for (const TpRow& row : kTp) {
        if (row.tracepoint != tracepoint || index >= 16) continue;
        const uint64_t bits = row.mask >> (index * 4);
        if (bits & 2) return TpArgument::MaybeError;
        if (bits & 1) return TpArgument::MaybeNull;
    }
    return TpArgument::Valid;
}

std::optional<IterArg> iter_arg(std::string_view target, std::string_view field) {
    for (const IterRow& row : kIter)
        if (row.target == target && row.field == field) return row.arg;
    return std::nullopt;
}

bool iter_target_known(std::string_view target) {
    return std::ranges::any_of(kIter, [&](const IterRow& row) { return row.target == target; });
}

bool function_is(std::string_view function, FunctionProperty property) {
    return std::ranges::any_of(kFunctions, [&](const FunctionRow& row) {
        return row.property == property && row.name == function;
    });
}

}  // namespace skep::platform
