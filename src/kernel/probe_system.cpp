// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "kernel/capabilities.hpp"
#include "kernel/facts.hpp"
#include "kernel/features.hpp"
#include "kernel/running.hpp"

namespace skep::kernel {

namespace {

class Findings {
  public:
    void yes(std::string name, std::string detail) {
        all_.push_back({std::move(name), Answer::Yes, std::move(detail), {}, "read"});
    }
    void no(std::string name, std::string detail, std::string remedy) {
        all_.push_back({std::move(name), Answer::No, std::move(detail), std::move(remedy), "read"});
    }
    void unknown(std::string name, std::string detail, std::string remedy = {}) {
        all_.push_back(
            {std::move(name), Answer::Unknown, std::move(detail), std::move(remedy), "read"});
    }
    std::vector<Finding> take() { return std::move(all_); }

  private:
    std::vector<Finding> all_;
};

void put_capabilities(Findings& out) {
    const std::optional<uint64_t> has = effective_capabilities();
    for (const Capability& capability : bpf_capabilities()) {
        const std::string name(capability.name), grants(capability.grants);
        if (!has)
            out.unknown(name, grants);
        else if (*has >> capability.bit & 1)
            out.yes(name, grants);
        else
            out.no(
                name, grants,
                geteuid() == 0 ? "whoever started this took it away: a container, a service" : "");
    }
}

void put_jit(Findings& out) {
    const auto enabled = sysctl("net/core/bpf_jit_enable");
    const auto config = config_value(running_config(), "CONFIG_BPF_JIT_ALWAYS_ON");
    if (config || (enabled && *enabled != 0)) {
        const auto harden = sysctl("net/core/bpf_jit_harden");
        out.yes("jit", fmt::format("{}{}{}", config ? "always on" : "on",
                                   enabled && *enabled == 2 ? ", with debugging output" : "",
                                   harden && *harden != 0 ? ", hardened (slower constants)" : ""));
    } else if (!enabled) {
        out.unknown("jit", "net.core.bpf_jit_enable cannot be read by this user");
    } else {
        out.no("jit", "programs are interpreted", "sysctl -w net.core.bpf_jit_enable=1");
    }
}

void put_unprivileged(Findings& out) {
    const auto disabled = sysctl("kernel/unprivileged_bpf_disabled");
    if (!disabled)
        out.unknown("unprivileged bpf", "kernel.unprivileged_bpf_disabled cannot be read");
    else if (*disabled == 0)
        out.yes("unprivileged bpf", "everybody may load socket filters and cgroup_skb programs");
    else
        out.no("unprivileged bpf",
               *disabled == 1 ? "off, until the next boot"
                              : "off (kernel.unprivileged_bpf_disabled=2)",
               *disabled == 1
                   ? ""
                   : "as advised; sysctl -w kernel.unprivileged_bpf_disabled=0 allows it");
}

void put_security(Findings& out) {
    const auto locked = lockdown();
    if (!locked)
        out.unknown("lockdown", "cannot be seen: securityfs is not mounted",
                    "mount -t securityfs none /sys/kernel/security");
    else if (*locked == "none")
        out.yes("lockdown", "none");
    else
        out.no("lockdown",
               *locked == "integrity" ? "integrity: no bpf_probe_write_user()"
                                      : "confidentiality: programs may not read kernel memory",
               "a boot parameter decides: lockdown=");
    const auto modules = security_modules();
    if (!modules) {
        out.unknown("security modules", "cannot be seen: securityfs is not mounted",
                    "mount -t securityfs none /sys/kernel/security");
    } else if (std::ranges::find(*modules, "bpf") != modules->end()) {
        out.yes("security modules", fmt::format("{}", fmt::join(*modules, ", ")));
    } else {
        out.no("security modules",
               fmt::format("{}: bpf is not one of them", fmt::join(*modules, ", ")),
               "LSM programs need the boot parameter lsm=...,bpf");
    }
}

void put_mount(Findings& out, std::string name, std::string_view type, std::string_view place,
               std::string_view used_for) {
    const std::vector<std::string> paths = mounted(type);
    if (!paths.empty()) return out.yes(std::move(name), fmt::format("{}", fmt::join(paths, ", ")));
    out.no(std::move(name), fmt::format("not mounted: {}", used_for),
           fmt::format("mount -t {} {} {}", type, type, place));
}

void put_cgroup(Findings& out) {
    const std::string path = cgroup2_mount();
    if (!path.empty())
        return out.yes("cgroup", fmt::format("{}; version 2 at {}", cgroup_mode(), path));
    out.no("cgroup", fmt::format("{}: cgroup programs need version 2", cgroup_mode()),
           "mkdir -p /sys/fs/cgroup/unified; mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified");
}

void put_config(Findings& out) {
    const std::string& config = running_config();
    if (config.empty())
        return out.unknown("configuration",
                           "neither /proc/config.gz nor /boot/config-* can be read");
    std::vector<std::string> missing;
    for (const std::string_view name : {"CONFIG_BPF_SYSCALL",
                                        "CONFIG_BPF_JIT",
                                        "CONFIG_BPF_EVENTS",
                                        "CONFIG_BPF_LSM",
                                        "CONFIG_CGROUP_BPF",
                                        "CONFIG_DEBUG_INFO_BTF",
                                        "CONFIG_DEBUG_INFO_BTF_MODULES",
                                        "CONFIG_FPROBE",
                                        "CONFIG_FTRACE_SYSCALLS",
                                        "CONFIG_FUNCTION_ERROR_INJECTION",
                                        "CONFIG_KPROBES",
                                        "CONFIG_LWTUNNEL_BPF",
                                        "CONFIG_NETFILTER_BPF_LINK",
                                        "CONFIG_NETKIT",
                                        "CONFIG_NET_CLS_BPF",
                                        "CONFIG_NET_SCH_INGRESS",
                                        "CONFIG_BPF_STREAM_PARSER",
                                        "CONFIG_TLS",
                                        "CONFIG_UPROBES",
                                        "CONFIG_XDP_SOCKETS",
                                        "CONFIG_BPF_LIRC_MODE2",
                                        "CONFIG_NET_SCH_FQ"})
        if (!config_value(config, name)) missing.emplace_back(name);
    if (missing.empty()) return out.yes("configuration", "all that BPF uses");
    out.no("configuration", fmt::format("without {}", fmt::join(missing, " ")),
           "another kernel, where one of them is needed");
}

}  // namespace

Section system_findings() {
    Findings out;
    utsname name{};
    uname(&name);
    out.yes("kernel", fmt::format("{} {} {}", name.sysname, name.release, name.machine));
    if (geteuid() == 0)
        out.yes("user", "root");
    else
        out.no("user", fmt::format("uid {}: what needs privileges cannot be tried", geteuid()),
               "sudo skep doctor");
    put_capabilities(out);
    put_unprivileged(out);
    put_jit(out);
    if (running_types())
        out.yes("btf", fmt::format("/sys/kernel/btf/vmlinux, {} types",
                                   running_types()->type_count() - 1));
    else
        out.no("btf", "/sys/kernel/btf/vmlinux is not there: no CO-RE, fentry, tp_btf, iterators",
               "a kernel with CONFIG_DEBUG_INFO_BTF");
    put_security(out);
    put_cgroup(out);
    put_mount(out, "bpffs", "bpf", "/sys/fs/bpf", "nothing can be pinned");
    put_mount(out, "tracefs", "tracefs", "/sys/kernel/tracing",
              "skep mounts it for itself; other tools need it");
    put_mount(out, "debugfs", "debugfs", "/sys/kernel/debug", "older tools look for tracefs there");
    put_config(out);
    return {"system", out.take()};
}

}  // namespace skep::kernel
