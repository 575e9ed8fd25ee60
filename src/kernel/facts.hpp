// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What decides whether BPF works here and can be read without loading anything: mounts, sysctls,
// lockdown, security modules.

namespace skep::kernel {

struct Mount {
    std::string path;
    std::string type;
    std::string options;
};
/// Of this mount namespace.
std::vector<Mount> mounts();
/// Where file systems of that type are mounted.
std::vector<std::string> mounted(std::string_view type);

/// /proc/sys/NAME ("net/core/bpf_jit_enable"); nothing where it cannot be read.
std::optional<int64_t> sysctl(std::string_view name);

/// "none", "integrity" or "confidentiality"; nothing where it cannot be seen.
std::optional<std::string> lockdown();

/// Active security modules ("bpf" among them?); nothing where they cannot be seen.
std::optional<std::vector<std::string>> security_modules();

/// Where version 2 of control groups is mounted, or empty.
std::string cgroup2_mount();
/// "v2", "v1 and v2", "v1" or "none".
std::string_view cgroup_mode();

}  // namespace skep::kernel
