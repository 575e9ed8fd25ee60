// SPDX-License-Identifier: Apache-2.0
#include "cli/run_place.hpp"

#include <algorithm>

#include "hooks/tasks/attach.hpp"
#include "platform/embedded.hpp"

namespace skep::cli {

namespace {

using platform::HookKind;

/// Whether this process has the events that the program waits for.
bool has_events_here(const object::ProgSpec& prog) {
    switch (platform::embedded_hook(prog.type)) {
        case HookKind::Packet: return true;
        case HookKind::Task: return hooks::attach_point(prog).has_value();
        default: return false;
    }
}

/// The one option that only the kernel has, or empty.
std::string_view kernel_option(const RunOptions& options) {
    if (options.cgroup) return "--cgroup";
    if (options.netfilter) return "--netfilter";
    if (options.route) return "--route";
    if (options.perf) return "--perf";
    if (options.sockmap) return "--sockmap";
    if (options.walk) return "--walk";
    if (options.pid) return "--pid";
    if (options.duration) return "--duration";
    if (!options.xdp_mode.empty()) return "--xdp-mode";
    return {};
}

}  // namespace

Result<Place> choose_place(const RunOptions& options, const std::vector<std::string>& child,
                           const object::ObjectSpec& spec) {
    const std::string_view kernel_only = kernel_option(options);
    const std::string_view here_only = options.pcap            ? "--pcap"
                                       : options.write.empty() ? ""
                                                               : "--write";
    if (options.in == "replay" && !options.pcap)
        return fail(ErrorCode::Usage, "--in replay: give it a capture, --pcap FILE");
    if (options.in == "kernel") {
        if (!here_only.empty())
            return std::unexpected(Error{
                ErrorCode::Usage, fmt::format("{} is for programs in this process", here_only),
                "leave --in away, or say --in replay", 0});
        return Place::Kernel;
    }
    if (!kernel_only.empty() && (options.in != "auto" || !here_only.empty()))
        return fail(ErrorCode::Usage, "{} is for programs in the kernel: --in kernel", kernel_only);
    if (options.in != "auto") return Place::Embedded;
    if (!kernel_only.empty()) return Place::Kernel;
    if (!here_only.empty() || (options.interface && child.empty())) return Place::Embedded;
    const auto wanted = [&](const object::ProgSpec& prog) {
        if (options.progs.empty()) return prog.autoload;
        return std::ranges::count(options.progs, prog.name) != 0;
    };
    for (const object::ProgSpec& prog : spec.progs)
        if (wanted(prog) && !has_events_here(prog)) return Place::Kernel;
    return Place::Embedded;
}

}  // namespace skep::cli
