// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "btf/btf.hpp"
#include "object/spec.hpp"
#include "platform/platform.hpp"

// The kernel that is running, as a target for the verifier: its release, types and configuration.
// Each is read once, when first asked for.
//
//     if (const platform::Platform* rules = running_kernel().platform)
//         settled = SKEP_TRY(settle(object, *rules, running_types().get(), running_config()));

namespace skep::kernel {

struct RunningKernel {
    std::string release;                           ///< uname -r
    platform::KernelVersion version;               ///< its first two numbers
    const platform::Platform* platform = nullptr;  ///< the newest known that is no newer, or null
};
const RunningKernel& running_kernel();

/// /sys/kernel/btf/vmlinux, or null.
const std::shared_ptr<const btf::Btf>& running_types();

/// Its .config, or empty where it does not tell.
const std::string& running_config();

/// "y", "m", "250", "\"text\"" of a .config; nothing where the variable is not set.
std::optional<std::string> config_value(std::string_view config, std::string_view name);

/// The object as it would be there (object/settle.hpp). `platform` must not be null.
Result<object::ObjectSpec> settle(const object::ObjectSpec& object,
                                  const platform::Platform& platform, const btf::Btf* types,
                                  const std::string& config);

}  // namespace skep::kernel
