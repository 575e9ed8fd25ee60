// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "platform/helper_access.hpp"
#include "platform/version.hpp"

// Kernel functions that programs may call: what BTF does not say about them. Their prototypes are
// in the kernel's BTF, and so is which of them a kernel has.
//
//     const KfuncInfo* kfunc = find_kfunc("bpf_task_acquire");
//     if (!kfunc_allowed(*kfunc, {ProgType::Xdp})) ...  // "calling kernel function ... not
//     allowed" if (kfunc->is(KfuncFlags::Acquire)) ...
//
// Numbers of KfuncFlags are those of Linux 6.18 (include/linux/btf.h, KF_*). Constant data, safe
// from any thread.

namespace skep::platform {

/// A set of bits.
enum class KfuncFlags : uint16_t {
    None = 0,
    Acquire = 1u << 0,      ///< returns a reference that must be released
    Release = 1u << 1,      ///< takes the reference of its argument
    RetNull = 1u << 2,      ///< may return null
    TrustedArgs = 1u << 4,  ///< takes trusted pointers only
    Sleepable = 1u << 5,
    Destructive = 1u << 6,
    Rcu = 1u << 7,  ///< takes trusted pointers, or RCU-protected ones
    IterNew = 1u << 8,
    IterNext = 1u << 9,
    IterDestroy = 1u << 10,
    RcuProtected = 1u << 11,  ///< only in an RCU section
    Fastcall = 1u << 12,      ///< bpf_fastcall: keeps r1-r5 that it does not use
    ArenaRet = 1u << 13,
    ArenaArg1 = 1u << 14,
    ArenaArg2 = 1u << 15,
};

constexpr KfuncFlags operator|(KfuncFlags a, KfuncFlags b) {
    return static_cast<KfuncFlags>(static_cast<uint16_t>(a) | static_cast<uint16_t>(b));
}

/// The groups of program types that functions are registered for (enum btf_kfunc_hook); bits.
enum class KfuncHooks : uint16_t {
    None = 0,
    Common = 1u << 0,  ///< every program
    Xdp = 1u << 1,
    Tc = 1u << 2,
    StructOps = 1u << 3,
    Tracing = 1u << 4,
    Syscall = 1u << 5,
    Fmodret = 1u << 6,  ///< not to call: fmod_ret programs may attach to it
    Cgroup = 1u << 7,
    SchedAct = 1u << 8,
    SkSkb = 1u << 9,
    SocketFilter = 1u << 10,
    Lwt = 1u << 11,
    Netfilter = 1u << 12,
    Kprobe = 1u << 13,
    Generic = Xdp | Tc | StructOps | Tracing | Syscall | Cgroup,
};

constexpr KfuncHooks operator|(KfuncHooks a, KfuncHooks b) {
    return static_cast<KfuncHooks>(static_cast<uint16_t>(a) | static_cast<uint16_t>(b));
}
constexpr bool has(KfuncHooks hooks, KfuncHooks hook) {
    return (static_cast<uint16_t>(hooks) & static_cast<uint16_t>(hook)) != 0;
}

/// Who among the programs of a hook (the filter of the registered set).
enum class KfuncOnly : uint8_t {
    Anyone,
    Lsm,          ///< LSM programs
    Iter,         ///< iterator programs
    Session,      ///< kprobe and uprobe sessions
    DeviceBound,  ///< programs loaded for one network device
};

struct KfuncInfo {
    std::string_view name;
    KernelVersion since;
    KfuncFlags flags;
    KfuncHooks hooks;
    KfuncOnly only;

    constexpr bool is(KfuncFlags flag) const {
        return (static_cast<uint16_t>(flags) & static_cast<uint16_t>(flag)) != 0;
    }
};

/// Ascending by name.
std::span<const KfuncInfo> kfuncs();

/// Null for a name that the table does not have.
const KfuncInfo* find_kfunc(std::string_view name);

/// May programs of that kind call it?
bool kfunc_allowed(const KfuncInfo& kfunc, const ProgKind& kind);

}  // namespace skep::platform
