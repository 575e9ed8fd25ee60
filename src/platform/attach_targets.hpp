// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// What the kernel knows of the places that tracing, LSM and iterator programs are attached to and
// BTF does not say. Constant data, safe from any thread.
//
//     if (lsm_hook_is("file_open", LsmProperty::Sleepable)) ...
//     if (tp_argument("kfree_skb", 3) == TpArgument::MaybeNull) ...

namespace skep::platform {

enum class LsmProperty : uint8_t {
    Disabled,   ///< no program may attach
    Sleepable,  ///< sleepable programs may attach
    Untrusted,  ///< its arguments may be half torn down
    Bool,       ///< it returns 0 or 1
};
/// `hook` without "bpf_lsm_".
bool lsm_hook_is(std::string_view hook, LsmProperty property);

enum class TpArgument : uint8_t { Valid, MaybeNull, MaybeError };
/// The argument of a tracepoint, counted from 0.
TpArgument tp_argument(std::string_view tracepoint, uint32_t index);

struct IterArg {
    enum class What : uint8_t { Btf, RdonlyBuf, RdwrBuf };
    What what;
    bool trusted;
};
/// A field of struct bpf_iter__TARGET, "task" of "task"; nothing where it is as BTF says.
std::optional<IterArg> iter_arg(std::string_view target, std::string_view field);
bool iter_target_known(std::string_view target);

enum class FunctionProperty : uint8_t {
    Injectable,              ///< errors may be injected: sleepable and fmod_ret programs may attach
    InjectableNonSleepable,  ///< only fmod_ret
    Untraceable,
    NoReturn,  ///< fexit and fmod_ret programs may not attach
    DPath,     ///< bpf_d_path() may be called
};
bool function_is(std::string_view function, FunctionProperty property);

}  // namespace skep::platform
