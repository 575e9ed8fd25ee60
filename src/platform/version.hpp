// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

// A Linux release, as "since" columns and platforms name it: KernelVersion("6.12") <
// kernel.version. A malformed literal does not compile.

namespace skep::platform {

struct KernelVersion {
    uint8_t major = 0;
    uint8_t minor = 0;

    constexpr KernelVersion() = default;
    constexpr KernelVersion(int major_number, int minor_number)
        // Braces: <sys/sysmacros.h> has macros major() and minor().
        : major{static_cast<uint8_t>(major_number)}, minor{static_cast<uint8_t>(minor_number)} {}

    /// "6.12", digits and one dot only.
    explicit consteval KernelVersion(std::string_view text) {
        uint8_t* part = &major;
        for (const char c : text) {
            if (c == '.' && part == &major) {
                part = &minor;
            } else if (c >= '0' && c <= '9') {
                *part = static_cast<uint8_t>(*part * 10 + (c - '0'));
            } else {
                throw "a kernel version is two numbers and a dot";
            }
        }
    }

    friend constexpr auto operator<=>(KernelVersion, KernelVersion) = default;

    std::string to_string() const { return std::to_string(major) + "." + std::to_string(minor); }
};

/// The release whose rules the tables describe in full, and the newest that they know of.
inline constexpr KernelVersion kNewestKernel{6, 18};

}  // namespace skep::platform
