// SPDX-License-Identifier: Apache-2.0
#include "cli/attach_words.hpp"

#include <fmt/ranges.h>
#include <linux/netfilter.h>
#include <linux/perf_event.h>

#include <charconv>

#include "base/result.hpp"
#include "base/text.hpp"

namespace skep::cli {

namespace {

struct HookName {
    std::string_view name;
    uint32_t hook;
};
constexpr HookName kNetfilterHooks[] = {
    {"prerouting", NF_INET_PRE_ROUTING},   {"input", NF_INET_LOCAL_IN},
    {"forward", NF_INET_FORWARD},          {"output", NF_INET_LOCAL_OUT},
    {"postrouting", NF_INET_POST_ROUTING},
};

struct EventName {
    std::string_view name;
    uint32_t type;
    uint64_t config;
};
constexpr EventName kPerfEvents[] = {
    {"cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK},
    {"task-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
    {"page-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
    {"minor-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN},
    {"major-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ},
    {"context-switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES},
    {"cpu-migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS},
    {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
    {"cache-references", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES},
    {"cache-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
    {"branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
    {"branch-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
};

template <typename Table>
auto look_up(std::string_view option, std::string_view name, const Table& table)
    -> Result<decltype(std::begin(table))> {
    std::vector<std::string_view> names;
    for (auto row = std::begin(table); row != std::end(table); ++row) {
        if (row->name == name) return row;
        names.push_back(row->name);
    }
    return std::unexpected(Error{
        ErrorCode::Usage,
        fmt::format("{}: '{}' is none of {}", option, printable(name), fmt::join(names, ", ")),
        "skep run --help", 0});
}

/// "NAME:REST", split.
std::pair<std::string_view, std::optional<std::string_view>> split_number(std::string_view text) {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return {text, std::nullopt};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace

Result<NetfilterHook> netfilter_hook(const std::string& text) {
    NetfilterHook hook;
    auto [name, priority] = split_number(text);
    if (name.starts_with("ipv6/")) hook.family = NFPROTO_IPV6;
    if (name.starts_with("ipv4/") || name.starts_with("ipv6/")) name.remove_prefix(5);
    hook.hook = SKEP_TRY(look_up("--netfilter", name, kNetfilterHooks))
    ->hook;
    if (!priority) return hook;
    const char* end = priority->data() + priority->size();
    const auto [stop, error] = std::from_chars(priority->data(), end, hook.priority);
    if (error != std::errc() || stop != end)
        return fail(ErrorCode::Usage, "--netfilter: '{}' is not a priority", printable(*priority));
    return hook;
}

Result<PerfEvent> perf_event(const std::string& text) {
    const auto [name, period] = split_number(text);
    const EventName* event = SKEP_TRY(look_up("--perf", name, kPerfEvents));
    PerfEvent out{.type = event->type, .config = event->config};
    if (!period) return out;
    const auto number = parse_uint(std::string(*period));
    if (!number || *number == 0)
        return fail(ErrorCode::Usage, "--perf: '{}' is not a period", printable(*period));
    out.period = *number;
    return out;
}

}  // namespace skep::cli
