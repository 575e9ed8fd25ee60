// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "platform/helper_access.hpp"
#include "platform/version.hpp"

// Where a program is to run, as data: "may the embedded engine run this?" and "would this kernel
// take it?" are the same questions to another Platform.
//
//     const Platform& here = embedded();
//     if (!here.helper({ProgType::Xdp}, id)) ...
//     if (!here.has_map(MapType::Sockmap)) ...
//
// Constant data, safe from any thread; one object a platform, compared by address.

namespace skep::platform {

/// A value that a `__kconfig` extern resolves to, as a kernel's .config writes it: "y", "250",
/// "\"x\"". LINUX_* are libbpf's virtual ones.
struct KconfigValue {
    std::string_view name;
    std::string_view value;
};

struct Platform {
    std::string_view name;                  ///< "embedded", "linux-6.18"
    KernelVersion version;                  ///< whose rules hold
    std::span<const KconfigValue> kconfig;  ///< empty for Linux, where each kernel has its own
    const HelperProto* (*helper)(const ProgKind& kind, HelperId helper);  ///< null: may not call
    bool (*has_map)(MapType type);
    ByteView btf;  ///< empty for Linux, where it is the running kernel's

    /// Nothing for a name that this platform does not set.
    std::optional<std::string_view> kconfig_value(std::string_view name) const;
    /// LINUX_KERNEL_VERSION: KERNEL_VERSION(major, minor, 0).
    uint32_t version_code() const {
        return uint32_t{version.major} << 16 | uint32_t{version.minor} << 8;
    }
};

/// Skep's own engine. What jiffies64 counts is its CONFIG_HZ.
const Platform& embedded();
inline constexpr uint32_t kEmbeddedHz = 250;

/// Linux 6.18 on x86-64 with all that it can be built with, and a loader who may do everything.
const Platform& linux_6_18();
/// The same of older releases: their helpers, map types and rules.
const Platform& linux_6_12();
const Platform& linux_6_1();
const Platform& linux_5_15();

/// All of them, newest first, then embedded().
std::span<const Platform* const> platforms();
/// The one of that name ("embedded", "linux-6.12", or just "6.12"), or null.
const Platform* find_platform(std::string_view name);

}  // namespace skep::platform
