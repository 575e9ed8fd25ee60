// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "btf/btf.hpp"
#include "kernel/module_types.hpp"
#include "object/spec.hpp"
#include "platform/platform.hpp"

namespace skep::cli {

/// Where programs are to be judged for: rules, types and configuration.
struct CheckTarget {
    std::string name;  ///< as the user says it: "6.12", "running", "embedded"
    const platform::Platform* platform = nullptr;
    std::shared_ptr<const btf::Btf> types;  ///< null: not known
    std::vector<kernel::Types> modules;     ///< on top of `types`
    bool loaded_modules = false;            ///< and those that are loaded here
    std::string config;                     ///< of the running kernel: its .config; else empty

    /// The types for this object: a module's where it needs them.
    kernel::Types types_for(const object::ObjectSpec& object) const;
};

/// "running", "embedded", or a Linux release that skep knows. `btf` replaces the types that are
/// known: of "running" the kernel's, of a release those of the running kernel where it is that one.
/// What follows its first are modules' types.
Result<CheckTarget> check_target(const std::string& name, const std::vector<std::string>& btf);

}  // namespace skep::cli
