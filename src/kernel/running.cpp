// SPDX-License-Identifier: Apache-2.0
#include "kernel/running.hpp"

#include <sys/utsname.h>
#include <zlib.h>

#include <array>
#include <cstdio>

#include "base/text.hpp"
#include "object/settle.hpp"

namespace skep::kernel {

namespace {

using platform::KernelVersion;

const platform::Platform* nearest(KernelVersion version) {
    for (const platform::Platform* known : platform::platforms())
        if (known->name.starts_with("linux-") && known->version <= version) return known;
    return nullptr;
}

std::string read_config(const std::string& release) {
    for (const std::string& path :
         {std::string("/proc/config.gz"), fmt::format("/boot/config-{}", release)}) {
        gzFile file = gzopen(path.c_str(), "r");  // reads what is not compressed as well
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

RunningKernel look() {
    RunningKernel here;
    utsname name{};
    uname(&name);
    here.release = name.release;
    int major = 0, minor = 0;
    std::sscanf(name.release, "%d.%d", &major, &minor);
    here.version = KernelVersion(major, minor);
    here.platform = nearest(here.version);
    return here;
}

}  // namespace

const RunningKernel& running_kernel() {
    static const RunningKernel here = look();
    return here;
}

const std::shared_ptr<const btf::Btf>& running_types() {
    static const std::shared_ptr<const btf::Btf> types = [] {
        auto loaded = btf::Btf::load("/sys/kernel/btf/vmlinux");
        return loaded ? std::move(*loaded) : nullptr;
    }();
    return types;
}

const std::string& running_config() {
    static const std::string config = read_config(running_kernel().release);
    return config;
}

std::optional<std::string> config_value(std::string_view config, std::string_view name) {
    for (const std::string_view line : split(config, '\n'))
        if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == '=')
            return std::string(line.substr(name.size() + 1));
    return std::nullopt;
}

Result<object::ObjectSpec> settle(const object::ObjectSpec& object,
                                  const platform::Platform& platform, const btf::Btf* types,
                                  const std::string& config) {
    const auto lookup = [&](std::string_view variable) -> std::optional<std::string> {
        if (const auto own = platform.kconfig_value(variable)) return std::string(*own);
        if (variable == "LINUX_KERNEL_VERSION") return std::to_string(platform.version_code());
        if (variable == "LINUX_HAS_BPF_COOKIE" || variable == "LINUX_HAS_SYSCALL_WRAPPER")
            return "1";
        return config_value(config, variable);
    };
    return object::settle(object, {.btf = types, .kconfig = lookup});
}

}  // namespace skep::kernel
