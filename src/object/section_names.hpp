// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "platform/types.hpp"

namespace skep::object {

/// What the name of a program's ELF section tells about the program (table: section_defs.def).
struct SectionMeaning {
    ProgType type = ProgType::Unspec;
    AttachType attach_type = AttachType::None;
    std::string_view attach_target = {};  ///< "syscalls/sys_enter_openat" of "tp/syscalls/..."
    bool autoload = true;                 ///< false for "?name"
    bool sleepable = false;
    bool multi_buffer = false;
};

/// By libbpf 1.x's rules. A name that the table lacks gives ProgType::Unspec: such a program can be
/// looked at, and loaded once somebody has chosen its type.
SectionMeaning interpret_section(std::string_view name);

/// The known prefix that a user probably meant by an unknown name: "xdp" for "xpd".
std::optional<std::string_view> suggest_section(std::string_view name);

}  // namespace skep::object
