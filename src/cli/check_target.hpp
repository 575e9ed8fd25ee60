// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "btf/btf.hpp"
#include "object/spec.hpp"
#include "platform/platform.hpp"

namespace skep::cli {

/// Where programs are to be judged for: rules, types and configuration.
struct CheckTarget {
    std::string name;  ///< as the user says it: "6.12", "running", "embedded"
    const platform::Platform* platform = nullptr;
    std::shared_ptr<const btf::Btf> types;  ///< null: not known
    std::string config;                     ///< of the running kernel: its .config; else empty

    /// The object as it would be there.
    Result<object::ObjectSpec> settle(const object::ObjectSpec& object) const;
};

/// "running", "embedded", or a Linux release that skep knows. `btf` replaces the types that are
/// known: of "running" the kernel's, of a release those of the running kernel where it is that one.
Result<CheckTarget> check_target(const std::string& name, const std::optional<std::string>& btf);

}  // namespace skep::cli
