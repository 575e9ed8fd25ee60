// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "platform/helpers.hpp"
#include "platform/types.hpp"

// Who may call which helper on a Linux kernel (6.1 to 6.18; helper_access.def says how exact older
// releases are), and in which variant:
//
//     const ProgKind kind{ProgType::Xdp};
//     if (auto access = helper_access(kind, HelperId::redirect_map)) use(*access->proto);
//     else refuse("program of this type cannot use helper");
//
// The answer is about the program's kind only. What the loader must hold and what the kernel must
// have been built with is in HelperAccess::needs; what the program must be (GPL, sleepable) is in
// the prototype. Constant data, safe from any thread.

namespace skep::platform {

/// What decides which helpers a program may call. Ext programs have the kind of their target.
struct ProgKind {
    ProgType type = ProgType::Unspec;
    AttachType attach = AttachType::None;
    /// The kernel function of a tracing or LSM program, the struct of a struct_ops program
    /// ("bpf_lsm_socket_post_create", "bpf_iter_tcp", "tcp_congestion_ops"); often irrelevant.
    std::string_view target = {};
};

/// Conditions on the loader and the kernel; a set of bits.
enum class HelperNeeds : uint8_t {
    None = 0,
    Bpf = 1,              ///< CAP_BPF (or CAP_SYS_ADMIN)
    Perfmon = 2,          ///< CAP_PERFMON (or CAP_SYS_ADMIN)
    ReadKernel = 4,       ///< no lockdown=confidentiality
    WriteUser = 8,        ///< no lockdown at all
    KprobeOverride = 16,  ///< CONFIG_BPF_KPROBE_OVERRIDE
};

constexpr HelperNeeds operator|(HelperNeeds a, HelperNeeds b) {
    return static_cast<HelperNeeds>(static_cast<uint8_t>(a) | static_cast<uint8_t>(b));
}
constexpr bool has(HelperNeeds needs, HelperNeeds need) {
    return (static_cast<uint8_t>(needs) & static_cast<uint8_t>(need)) != 0;
}

struct HelperAccess {
    const HelperProto* proto;
    HelperNeeds needs;
};

/// The prototype that `kind` gets on `version`, or nothing where it may not call the helper.
std::optional<HelperAccess> helper_access(const ProgKind& kind, HelperId helper,
                                          KernelVersion version = kNewestKernel);

}  // namespace skep::platform
