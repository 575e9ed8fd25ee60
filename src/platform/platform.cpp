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

const HelperProto* linux_helper(const ProgKind& kind, HelperId helper) {
    const auto access = helper_access(kind, helper, {6, 18});
    return access ? access->proto : nullptr;
}

bool linux_has_map(MapType type) {
    switch (type) {
        case MapType::Unspec: return false;
#define MAP_TYPE(name, value, text, since) \
    case MapType::name: return KernelVersion(since) <= KernelVersion(6, 18);
#include "platform/map_types.def"
#undef MAP_TYPE
    }
    return false;
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
    static const Platform platform{
        .name = "linux-6.18",
        .version = {6, 18},
        .kconfig = {},
        .helper = linux_helper,
        .has_map = linux_has_map,
        .btf = {},
    };
    return platform;
}

}  // namespace skep::platform
