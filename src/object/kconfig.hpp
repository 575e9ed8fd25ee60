// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "object/spec.hpp"

// Kernel configuration variables: `extern int CONFIG_HZ __kconfig;`. What they are comes from where
// the program will run; the caller says it in the words of a .config file:
//
//     map.initial_value = SKEP_TRY(evaluate_kconfig(object, [](std::string_view name) {
//         if (name == "LINUX_KERNEL_VERSION") return std::optional<std::string>("0x06060c");
//         return config.find(name);                   // "y", "m", "\"text\"", "250", or nothing
//     }));
//
// libbpf's three variables that no .config has (LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE,
// LINUX_HAS_SYSCALL_WRAPPER) are asked for in the same way, as integers.

namespace skep::object {

enum class KconfigType : uint8_t { Bool, Char, Tristate, Integer, Text };

/// What values a variable of this type takes, or nothing where it cannot be a kconfig variable.
std::optional<KconfigType> kconfig_type(const btf::Btf& btf, uint32_t type);

using KconfigLookup = std::function<std::optional<std::string>(std::string_view name)>;

/// The value of the object's .kconfig map. An absent weak variable is zero; an absent strong one,
/// or a value that does not fit its variable, is an error that names it.
Result<Bytes> evaluate_kconfig(const ObjectSpec& object, const KconfigLookup& lookup);

}  // namespace skep::object
