// SPDX-License-Identifier: Apache-2.0
#include "platform/helpers.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/result.hpp"

namespace skep::platform {
namespace {

constexpr HelperInfo kHelpers[] = {
#define HELPER(number, name, since, ret, params) \
    {HelperId::name, #name, KernelVersion(since), ret, params},
#include "platform/helpers.def"
#undef HELPER
};

static_assert(
    [] {
        uint32_t number = 0;
        for (const HelperInfo& helper : kHelpers)
            if (static_cast<uint32_t>(helper.id) != ++number) return false;
        return true;
    }(),
    "helpers.def is in the order of numbers, without gaps");

// The words of helper_protos.def: a base type, `|` flags.
struct FixedSize {
    uint16_t size;
};

constexpr ArgType operator|(ArgType type, TypeFlag flag) {
    type.flags = type.flags | flag;
    return type;
}
constexpr ArgType operator|(ArgType type, FixedSize fixed) {
    type.size = fixed.size;
    return type | TypeFlag::FixedSizeMem;
}
constexpr RetType operator|(RetType type, TypeFlag flag) {
    type.flags = type.flags | flag;
    return type;
}

namespace arg_words {
using enum ArgBase;
using enum TypeFlag;
constexpr ArgType BtfId(std::string_view type = {}) {
    ArgType arg = ArgBase::BtfIdPtr;
    arg.btf_type = type;
    return arg;
}
}  // namespace arg_words

namespace ret_words {
using enum RetBase;
using enum TypeFlag;
constexpr RetType BtfId(std::string_view type = {}) {
    RetType ret = RetBase::BtfIdPtr;
    ret.btf_type = type;
    return ret;
}
}  // namespace ret_words

constexpr HelperProto kProtos[] = {
#define HELPER_PROTO(helper, variant, properties, returns, ...) \
    {ProtoId::variant,                                          \
     HelperId::helper,                                          \
     #variant,                                                  \
     [] {                                                       \
         using enum HelperProps;                                \
         return properties;                                     \
     }(),                                                       \
     [] {                                                       \
         using namespace ret_words;                             \
         return RetType(returns);                               \
     }(),                                                       \
     [] {                                                       \
         using namespace arg_words;                             \
         return std::array<ArgType, 5>{__VA_ARGS__};            \
     }()},
#include "platform/helper_protos.def"
#undef HELPER_PROTO
};

constexpr size_t kHelperCount = std::size(kHelpers);

// Where each helper's rows start in kProtos; also the proof that every helper has a row.
constexpr auto kFirstProto = [] {
    std::array<uint16_t, kHelperCount + 1> first{};
    uint32_t helper = 0;
    for (size_t i = 0; i < std::size(kProtos); ++i) {
        const auto number = static_cast<uint32_t>(kProtos[i].helper);
        if (number == helper) continue;
        if (number != helper + 1)
            throw "helper_protos.def is in the order of helpers, without gaps";
        helper = number;
        first[helper] = static_cast<uint16_t>(i);
    }
    if (helper != kHelperCount) throw "helper_protos.def ends early";
    return first;
}();

}  // namespace

std::span<const HelperInfo> helpers() {
    return kHelpers;
}

std::span<const HelperProto> helper_protos() {
    return kProtos;
}

const HelperInfo* find_helper(uint32_t number) {
    return number >= 1 && number <= kHelperCount ? &kHelpers[number - 1] : nullptr;
}

const HelperInfo* find_helper(std::string_view name) {
    const auto* found = std::ranges::find(kHelpers, name, &HelperInfo::name);
    return found == std::end(kHelpers) ? nullptr : found;
}

const HelperInfo& helper_info(HelperId id) {
    const HelperInfo* helper = find_helper(static_cast<uint32_t>(id));
    SKEP_CHECK(helper);
    return *helper;
}

const HelperProto& helper_proto(HelperId id) {
    return kProtos[kFirstProto[static_cast<uint32_t>(helper_info(id).id)]];
}

const HelperProto& helper_proto(ProtoId id) {
    SKEP_CHECK(static_cast<size_t>(id) < std::size(kProtos));
    return kProtos[static_cast<size_t>(id)];
}

std::string helper_signature(HelperId id) {
    const HelperInfo& helper = helper_info(id);
    const bool pointer = helper.c_return.ends_with('*');
    return fmt::format("{}{}bpf_{}({})", helper.c_return, pointer ? "" : " ", helper.name,
                       helper.c_params);
}

}  // namespace skep::platform
