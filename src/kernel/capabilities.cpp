// SPDX-License-Identifier: Apache-2.0
#include "kernel/capabilities.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace skep::kernel {

const std::vector<Capability>& bpf_capabilities() {
    static const std::vector<Capability> capabilities = {
        {CAP_BPF, "CAP_BPF", "load programs, create and read maps"},
        {CAP_PERFMON, "CAP_PERFMON", "tracing programs, reading kernel memory"},
        {CAP_NET_ADMIN, "CAP_NET_ADMIN", "XDP, tc, cgroup and socket programs"},
        {CAP_NET_RAW, "CAP_NET_RAW", "packet sockets: live packets in the embedded runtime"},
        {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "objects of others by id, statistics, LSM programs"},
        {CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", "raise the memlock limit (before Linux 5.11)"},
        {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "who holds an object: descriptors of others"},
    };
    return capabilities;
}

std::optional<uint64_t> effective_capabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[2] = {};
    if (syscall(SYS_capget, &header, data) != 0) return std::nullopt;
    return data[0].effective | uint64_t{data[1].effective} << 32;
}

std::string missing_capabilities() {
    const std::optional<uint64_t> has = effective_capabilities();
    if (!has) return {};
    const auto holds = [&](int bit) { return (*has >> bit & 1) != 0; };
    if (holds(CAP_SYS_ADMIN)) return {};  // stands for all of them
    std::vector<std::string_view> lacks;
    for (const Capability& capability : bpf_capabilities()) {
        const bool counts = capability.bit == CAP_BPF || capability.bit == CAP_PERFMON ||
                            capability.bit == CAP_NET_ADMIN;
        if (counts && !holds(capability.bit)) lacks.push_back(capability.name);
    }
    // Ids of others are CAP_SYS_ADMIN's alone.
    if (lacks.empty()) lacks.push_back("CAP_SYS_ADMIN");
    return fmt::format("{}", fmt::join(lacks, ", "));
}

}  // namespace skep::kernel
