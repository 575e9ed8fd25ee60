// SPDX-License-Identifier: Apache-2.0
#include "cli/check_target.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>

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

kernel::Types CheckTarget::types_for(const object::ObjectSpec& object) const {
    return loaded_modules ? kernel::types_of_running(object)
                          : kernel::types_for(object, types, modules);
}

Result<CheckTarget> check_target(const std::string& name, const std::vector<std::string>& btf) {
    CheckTarget target {
        .name = name, .platform = SKEP_TRY(find(name))
        , .types = {}, .modules = {}, .config = {}
    };
    const kernel::RunningKernel& running = kernel::running_kernel();
    const bool is_running = name == "running" || (target.platform->name.starts_with("linux-") &&
                                                  target.platform->version == running.version);
    if (is_running) target.config = kernel::running_config();
    if (!btf.empty()) {
        target.types = SKEP_TRY(load_btf(btf[0]));
        for (const std::string& module : std::span(btf).subspan(1))
            target.modules.push_back(SKEP_TRY(load_btf(module, target.types)));
    } else if (!target.platform->btf.empty()) {
        target.types = SKEP_TRY(load_btf("embedded"));
    } else if (is_running) {
        target.types = kernel::running_types();
        target.loaded_modules = true;
    }
    return target;
}

}  // namespace skep::cli
