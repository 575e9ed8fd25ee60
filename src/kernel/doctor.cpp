// SPDX-License-Identifier: Apache-2.0
#include "kernel/doctor.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "kernel/capabilities.hpp"
#include "kernel/facts.hpp"
#include "kernel/features.hpp"
#include "kernel/refused.hpp"

namespace skep::kernel {

namespace {

/// The row for "xdp.native (veth)" is that of "xdp", for "cgroup_device" that of "cgroup".
const Refused* refusal(std::string_view hook) {
    for (size_t length = hook.size(); length > 0; length--) {
        const bool whole = length == hook.size() || std::string_view(". _/").contains(hook[length]);
        if (const Refused* row = whole ? refused(hook.substr(0, length)) : nullptr) return row;
    }
    return nullptr;
}

Section hooks() {
    Section section{"hooks", probe_trace_hooks()};
    for (auto probe : {probe_net_hooks, probe_cgroup_hooks})
        std::ranges::move(probe(), std::back_inserter(section.findings));
    for (Finding& finding : section.findings) {
        const Refused* row = refusal(finding.name);
        if (finding.answer != Answer::No || !row) continue;
        finding.detail += fmt::format("; {}", row->reason);
        if (finding.remedy.empty() && !row->instead.empty())
            finding.remedy = fmt::format("use {}", row->instead);
    }
    return section;
}

bool has_capability(int bit) {
    const std::optional<uint64_t> has = effective_capabilities();
    return has && (*has >> bit & 1) != 0;
}

Finding yes(std::string name, std::string detail, std::string_view basis) {
    return {std::move(name), Answer::Yes, std::move(detail), {}, basis};
}
Finding no(std::string name, std::string detail, std::string remedy, std::string_view basis) {
    return {std::move(name), Answer::No, std::move(detail), std::move(remedy), basis};
}

/// A command needs what `result` says.
template <typename T>
Finding needs(std::string name, std::string detail, const Result<T>& result) {
    if (result) return yes(std::move(name), std::move(detail), "called");
    return no(std::move(name), fmt::format("{}: {}", detail, result.error().message),
              result.error().hint, "called");
}

Result<void> user_notification() {
    seccomp_notif_sizes sizes{};
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0) return {};
    return std::unexpected(bpf_error("seccomp user notification", errno));
}

Section commands(const std::vector<Section>& sections) {
    Section out{"commands", {}};
    auto& list = out.findings;
    list.push_back(yes("run --pcap", "packets of captures, in the embedded runtime", "derived"));
    list.push_back(needs("run -- COMMAND", "system calls of a command, in the embedded runtime",
                         user_notification()));
    const char* live = "packets of an interface, in the embedded runtime";
    list.push_back(has_capability(CAP_NET_RAW)
                       ? yes("run --interface", live, "read")
                       : no("run --interface", fmt::format("{}: needs CAP_NET_RAW", live),
                            "sudo setcap cap_net_raw+ep skep, or run as root", "read"));
    list.push_back(needs("run --in kernel", "programs in the kernel (at the hooks above)",
                         load_trivial({.type = ProgType::SocketFilter})));
    list.push_back(yes("check", "needs nothing", "derived"));
    list.push_back(needs("ps", "objects of everybody", next_id(ObjectKind::Prog, 0)));
    list.push_back(needs("ps --stats", "run counts and times", enable_stats()));
    list.push_back(needs("map", "maps by id or name", next_id(ObjectKind::Map, 0)));
    const std::vector<std::string> pins = mounted("bpf");
    list.push_back(!pins.empty() ? yes("pin", fmt::format("below {}", pins.front()), "read")
                                 : no("pin", "no bpf file system is mounted",
                                      "mount -t bpf bpf /sys/fs/bpf", "read"));
    const auto works = [](const Finding& finding) { return finding.answer == Answer::Yes; };
    for (const Section& section : sections)
        if (section.name == "hooks" && std::ranges::none_of(section.findings, works))
            for (Finding& finding : list)
                if (finding.name == "run --in kernel") finding.answer = Answer::No;
    return out;
}

}  // namespace

std::vector<Section> examine(const DoctorOptions& options) {
    std::vector<Section> sections;
    sections.push_back(system_findings());
    sections.push_back(probe_prog_types());
    sections.push_back(probe_map_types());
    sections.push_back(hooks());
    sections.push_back(probe_helpers(options.each_helper));
    sections.push_back(list_kfuncs());
    sections.push_back(commands(sections));
    return sections;
}

std::vector<Section> findings_of(const std::vector<Section>& all, std::string_view feature) {
    const auto named = [&](std::string_view name) {
        if (name == feature) return true;
        if (name.starts_with("bpf_") && name.substr(4) == feature) return true;
        return name.starts_with(feature) && std::string_view(". _/").contains(name[feature.size()]);
    };
    std::vector<Section> found;
    for (const Section& section : all) {
        Section here{section.name, {}};
        for (const Finding& finding : section.findings)
            if (named(finding.name)) here.findings.push_back(finding);
        if (!here.findings.empty()) found.push_back(std::move(here));
    }
    return found;
}

bool is_there(const std::vector<Section>& found) {
    return std::ranges::all_of(found, [](const Section& section) {
        return std::ranges::any_of(
            section.findings, [](const Finding& finding) { return finding.answer == Answer::Yes; });
    });
}

}  // namespace skep::kernel
