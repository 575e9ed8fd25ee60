// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "platform/types.hpp"

// Sets of attach types as bits, for the tables whose rows hold for some attach types of a program
// type only. Internal to platform/.

namespace skep::platform {

using AttachBits = uint64_t;

inline constexpr AttachBits kAnyAttach = ~AttachBits{0};

constexpr AttachBits attach_bit(AttachType attach) {
    return uint64_t{1} << static_cast<uint32_t>(attach);
}

template <typename... Attach>
constexpr AttachBits on(Attach... attach) {
    return (attach_bit(attach) | ...);
}

template <typename... Attach>
constexpr AttachBits except(Attach... attach) {
    return ~on(attach...);
}

/// The bit that a program has in such sets. AttachType::None is what the kernel makes of
/// expected_attach_type 0: 0 itself (cgroup_inet_ingress), except where
/// bpf_prog_load_fixup_attach_type() puts the type's default.
constexpr AttachBits attach_bit_of(ProgType type, AttachType attach) {
    if (attach == AttachType::None)
        return type == ProgType::CgroupSock ? attach_bit(AttachType::CgroupInetSockCreate) : 1;
    return static_cast<uint32_t>(attach) < 64 ? attach_bit(attach) : 0;
}

}  // namespace skep::platform
