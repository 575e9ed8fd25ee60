// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Which capabilities this process has, by the names that users know.

namespace skep::kernel {

struct Capability {
    int bit;
    std::string_view name;    ///< "CAP_BPF"
    std::string_view grants;  ///< what it lets BPF users do
};
/// Those that matter to BPF.
const std::vector<Capability>& bpf_capabilities();

/// The effective set, as bits; nothing where /proc cannot be read.
std::optional<uint64_t> effective_capabilities();

/// "CAP_BPF, CAP_PERFMON", of CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; empty where none lacks.
std::string missing_capabilities();

}  // namespace skep::kernel
