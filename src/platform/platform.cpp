// SPDX-License-Identifier: Apache-2.0
#include "platform/platform.hpp"

#include <algorithm>

#include "platform/embedded.hpp"

namespace skep::platform {
namespace {

constexpr KconfigValue kEmbeddedKconfig[] = {
    {"CONFIG_64BIT", "y"},         {"CONFIG_BPF", "y"},
    {"CONFIG_BPF_SYSCALL", "y"},   {"CONFIG_HZ", "250"},
    {"CONFIG_X86", "y"},           {"CONFIG_X86_64", "y"},
    {"LINUX_HAS_BPF_COOKIE", "1"}, {"LINUX_HAS_SYSCALL_WRAPPER", "1"},
};
static_assert(kEmbeddedHz == 250);

template <int major, int minor>
const HelperProto* linux_helper(const ProgKind& kind, HelperId helper) {
    const auto access = helper_access(kind, helper, {major, minor});
    return access ? access->proto : nullptr;
}

template <int major, int minor>
bool linux_has_map(MapType type) {
    switch (type) {
        case MapType::Unspec: return false;
#define MAP_TYPE(name, value, text, since) \
    case MapType::name: return KernelVersion(since) <= KernelVersion(major, minor);
#include "platform/map_types.def"
#undef MAP_TYPE
    }
    return false;
}

template <int major, int minor>
const Platform& linux_release(std::string_view name) {
    static const Platform platform{
        .name = name,
        .version = {major, minor},
        .kconfig = {},
        .helper = linux_helper<major, minor>,
        .has_map = linux_has_map<major, minor>,
        .btf = {},
    };
    return platform;
}

}  // namespace

std::optional<std::string_view> Platform::kconfig_value(std::string_view wanted) const {
    const auto found = std::ranges::find(kconfig, wanted, &KconfigValue::name);
    if (found == kconfig.end()) return std::nullopt;
    return found->value;
}

const Platform& embedded() {
    static const Platform platform{
        .name = "embedded",
        .version = kNewestKernel,
        .kconfig = kEmbeddedKconfig,
        .helper = embedded_helper,
        .has_map = embedded_has_map,
        .btf = embedded_btf(),
    };
    return platform;
}

const Platform& linux_6_18() {
    return linux_release<6, 18>("linux-6.18");
}
const Platform& linux_6_12() {
    return linux_release<6, 12>("linux-6.12");
}
const Platform& linux_6_1() {
    return linux_release<6, 1>("linux-6.1");
}
const Platform& linux_5_15() {
    return linux_release<5, 15>("linux-5.15");
}

std::span<const Platform* const> platforms() {
    static const Platform* const all[] = {&linux_6_18(), &linux_6_12(), &linux_6_1(), &linux_5_15(),
                                          &embedded()};
    return all;
}

const Platform* find_platform(std::string_view name) {
    for (const Platform* platform : platforms())
        if (platform->name == name ||
            (platform->name.starts_with("linux-") && platform->name.substr(6) == name))
            return platform;
    return nullptr;
}

}  // namespace skep::platform
