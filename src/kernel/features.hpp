// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/bpf.hpp"
#include "kernel/finding.hpp"

// What the running kernel can do for this user, found out by doing it: programs of two instructions
// are loaded and attached where they meet no traffic (a new network namespace, a new control
// group), and all of it is gone afterwards. About 130 loads; nothing is concluded from the version.

namespace skep::kernel {

/// One a program type.
Section probe_prog_types();
/// One a map type: each is created.
Section probe_map_types();
/// Where programs attach: tracing, network, sockets, control groups.
std::vector<Finding> probe_trace_hooks();
std::vector<Finding> probe_net_hooks();
std::vector<Finding> probe_cgroup_hooks();

/// Helpers that the kernel's own types list, and the program types that may call each. With
/// `each`, one load a helper and program type, thousands in all, in place of that conclusion.
Section probe_helpers(bool each);
/// Kernel functions that the kernel's types list.
Section list_kfuncs();

/// Mounts, sysctls, capabilities, configuration.
Section system_findings();

// For the probes.

/// `r0 = result; exit`.
struct TrivialProg {
    ProgType type = ProgType::Unspec;
    AttachType attach = AttachType::None;
    uint32_t attach_btf_id = 0;
    int result = 0;
    uint32_t flags = 0;
};
Result<UniqueFd> load_trivial(const TrivialProg& prog);

LinkCreateAttr link_attr(const UniqueFd& prog, uint32_t target, AttachType type,
                         uint32_t flags = 0);

/// The number of a type in the kernel's BTF; an error where it has none of that name.
Result<uint32_t> kernel_type(std::string_view name);

/// BTF with one type, int, which some maps must be described with.
Result<UniqueFd> int_btf();

}  // namespace skep::kernel
