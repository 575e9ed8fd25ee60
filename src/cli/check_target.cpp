// SPDX-License-Identifier: Apache-2.0
#include "cli/check_target.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>
#include <zlib.h>

#include <array>
#include <cstdio>

#include "base/text.hpp"
#include "cli/input.hpp"
#include "object/settle.hpp"

namespace skep::cli {

namespace {

using platform::KernelVersion;

struct Release {
    KernelVersion version;
    std::string text;
};

Release running_release() {
    utsname name{};
    uname(&name);
    int major = 0, minor = 0;
    std::sscanf(name.release, "%d.%d", &major, &minor);
    return {KernelVersion(major, minor), name.release};
}

/// The newest release that skep knows and that is no newer than this one.
const platform::Platform* nearest(KernelVersion version) {
    for (const platform::Platform* known : platform::platforms())
        if (known->name.starts_with("linux-") && known->version <= version) return known;
    return nullptr;
}

/// The .config of the running kernel, or nothing where it does not tell.
std::string running_config(const std::string& release) {
    for (const std::string& path :
         {std::string("/proc/config.gz"), fmt::format("/boot/config-{}", release)}) {
        gzFile file = gzopen(path.c_str(), "r");
        if (!file) continue;
        std::string text;
        std::array<char, 1 << 16> buffer;
        for (int got; (got = gzread(file, buffer.data(), buffer.size())) > 0;)
            text.append(buffer.data(), static_cast<size_t>(got));
        gzclose(file);
        if (!text.empty()) return text;
    }
    return {};
}

std::optional<std::string> config_value(std::string_view config, std::string_view name) {
    for (const std::string_view line : split(config, '\n'))
        if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == '=')
            return std::string(line.substr(name.size() + 1));
    return std::nullopt;
}

Result<const platform::Platform*> find(const std::string& name) {
    if (name == "running") {
        const Release running = running_release();
        if (const auto* known = nearest(running.version)) return known;
        return unsupported("Linux {} is older than all releases that skep knows", running.text);
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
    const auto lookup = [this](std::string_view variable) -> std::optional<std::string> {
        if (const auto own = platform->kconfig_value(variable)) return std::string(*own);
        if (variable == "LINUX_KERNEL_VERSION") return std::to_string(platform->version_code());
        if (variable == "LINUX_HAS_BPF_COOKIE" || variable == "LINUX_HAS_SYSCALL_WRAPPER")
            return "1";
        return config_value(config, variable);
    };
    return object::settle(object, {.btf = types.get(), .kconfig = lookup});
}

Result<CheckTarget> check_target(const std::string& name, const std::optional<std::string>& btf) {
    CheckTarget target {
        .name = name, .platform = SKEP_TRY(find(name))
        , .types = {}, .config = {}
    };
    const Release running = running_release();
    const bool is_running = name == "running" || (target.platform->name.starts_with("linux-") &&
                                                  target.platform->version == running.version);
    if (is_running) target.config = running_config(running.text);
    if (btf) {
        target.types = SKEP_TRY(load_btf(*btf));
    } else if (!target.platform->btf.empty()) {
        target.types = SKEP_TRY(load_btf("embedded"));
    } else if (is_running) {
        if (auto types = load_btf("kernel")) target.types = std::move(*types);
    }
    return target;
}

}  // namespace skep::cli
