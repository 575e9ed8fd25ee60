// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/finding.hpp"

// All probes together, and what follows from them for skep's commands.

namespace skep::kernel {

struct DoctorOptions {
    bool each_helper = false;  ///< try every helper in every program type
};
std::vector<Section> examine(const DoctorOptions& options = {});

/// The findings that `feature` names: "xdp" those of the program type and of its hooks, "run" what
/// skep run does, "bpf_loop" a helper. Sections without one are left out.
std::vector<Section> findings_of(const std::vector<Section>& all, std::string_view feature);

/// Every section has something that works.
bool is_there(const std::vector<Section>& found);

}  // namespace skep::kernel
