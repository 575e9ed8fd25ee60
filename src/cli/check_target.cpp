// SPDX-License-Identifier: Apache-2.0
#include "cli/check_target.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "cli/input.hpp"
#include "kernel/running.hpp"

namespace skep::cli {

namespace {

Result<const platform::Platform*> find(const std::string& name) {
    if (name == "running") {
        const kernel::RunningKernel& running = kernel::running_kernel();
        if (running.platform) return running.platform;
        return unsupported("Linux {} is older than all releases that skep knows", running.release);
    }
    if (const auto* known = platform::find_platform(name)) return known;
    std::vector<std::string_view> names = {"running"};
    for (const auto* known : platform::platforms())
        names.push_back(known->name.starts_with("linux-") ? known->name.substr(6) : known->name);
    return std::unexpected(Error{ErrorCode::Usage,
                                 fmt::format("--kernel: '{}' is not known", printable(name)),
                                 fmt::format("known are {}", fmt::join(names, ", ")), 0});
}

}  // namespace

Result<object::ObjectSpec> CheckTarget::settle(const object::ObjectSpec& object) const {
    return kernel::settle(object, *platform, types.get(), config);
}

Result<CheckTarget> check_target(const std::string& name, const std::optional<std::string>& btf) {
    CheckTarget target {
        .name = name, .platform = SKEP_TRY(find(name))
        , .types = {}, .config = {}
    };
    const kernel::RunningKernel& running = kernel::running_kernel();
    const bool is_running = name == "running" || (target.platform->name.starts_with("linux-") &&
                                                  target.platform->version == running.version);
    if (is_running) target.config = kernel::running_config();
    if (btf) {
        target.types = SKEP_TRY(load_btf(*btf));
    } else if (!target.platform->btf.empty()) {
        target.types = SKEP_TRY(load_btf("embedded"));
    } else if (is_running) {
        target.types = kernel::running_types();
    }
    return target;
}

}  // namespace skep::cli
