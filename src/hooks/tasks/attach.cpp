// SPDX-License-Identifier: Apache-2.0
#include "hooks/tasks/attach.hpp"

#include <algorithm>
#include <vector>

#include "base/text.hpp"
#include "platform/syscalls.hpp"
#include "platform/tracepoints.hpp"

namespace skep::hooks {
namespace {

using When = AttachPoint::When;
using Form = AttachPoint::Form;

constexpr std::string_view kPossible =
    "events of a process tree are tp/syscalls/sys_enter_* and sys_exit_*, "
    "tp/raw_syscalls/sys_enter "
    "and sys_exit, raw_tp/sys_enter and sys_exit, kprobe/__x64_sys_*, kretprobe/__x64_sys_*, "
    "ksyscall/*, kretsyscall/*, and tp/ or raw_tp/ of sched_process_fork, _exec and _exit; for all "
    "others load it into a kernel";

struct SchedEvent {
    std::string_view name;
    When when;
};
constexpr SchedEvent kSchedEvents[] = {{"sched_process_fork", When::Fork},
                                       {"sched_process_exec", When::Exec},
                                       {"sched_process_exit", When::TaskExit}};

std::unexpected<Error> no_such_event(const object::ProgSpec& prog,
                                     std::optional<std::string_view> meant) {
    Error error{.code = ErrorCode::Unsupported, .message = {}, .hint = {}};
    error.message = fmt::format("program '{}': there is no event for section \"{}\" here",
                                prog.name, printable(prog.section));
    error.hint = meant ? fmt::format("did you mean \"{}\"?", *meant) : std::string(kPossible);
    return std::unexpected(std::move(error));
}

/// What `name` may have been meant to be, with the section's prefix in front of it.
template <typename Names>
std::optional<std::string> meant(std::string_view prefix, std::string_view name,
                                 const Names& names) {
    const std::vector<std::string_view> candidates(std::begin(names), std::end(names));
    const auto found = closest(name, candidates);
    return found ? std::optional(std::string(prefix) + std::string(*found)) : std::nullopt;
}

std::vector<std::string_view> entries() {
    std::vector<std::string_view> names;
    for (const platform::SyscallInfo& call : platform::syscalls())
        if (!call.entry.empty()) names.push_back(call.entry);
    return names;
}

/// The call that the kernel's function sys_ENTRY serves.
const platform::SyscallInfo* call_of(std::string_view entry) {
    const auto calls = platform::syscalls();
    const auto found = std::ranges::find(calls, entry, &platform::SyscallInfo::entry);
    return entry.empty() || found == calls.end() ? nullptr : &*found;
}

bool strip(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

/// "tp/" of "?tp/sched/sched_process_exec".
std::string_view section_prefix(const object::ProgSpec& prog) {
    std::string_view section = prog.section;
    strip(section, "?");
    return section.substr(0, section.find('/') + 1);
}

Result<AttachPoint> at_tracepoint(const object::ProgSpec& prog) {
    std::string_view name = prog.attach_target;
    if (strip(name, "raw_syscalls/")) {
        if (name == "sys_enter") return AttachPoint{When::SysEnter, Form::RawSyscallRecord};
        if (name == "sys_exit") return AttachPoint{When::SysExit, Form::RawSyscallRecord};
    }
    if (strip(name, "sched/"))
        for (const SchedEvent& event : kSchedEvents)
            if (event.name == name) return AttachPoint{event.when, Form::SchedRecord};
    if (strip(name, "syscalls/")) {
        const bool enter = strip(name, "sys_enter_");
        if (enter || strip(name, "sys_exit_"))
            if (const platform::SyscallInfo* call = call_of(name))
                return AttachPoint{enter ? When::SysEnter : When::SysExit, Form::SyscallRecord,
                                   call->number, static_cast<uint32_t>(call->arity())};
    }
    return no_such_event(
        prog, meant(section_prefix(prog), prog.attach_target, platform::tracepoint_names()));
}

Result<AttachPoint> at_raw_tracepoint(const object::ProgSpec& prog) {
    const std::string_view name = prog.attach_target;
    if (name == "sys_enter") return AttachPoint{When::SysEnter, Form::RawArgs};
    if (name == "sys_exit") return AttachPoint{When::SysExit, Form::RawArgs};
    for (const SchedEvent& event : kSchedEvents)
        if (event.name == name) return AttachPoint{event.when, Form::RawArgs};
    std::vector<std::string_view> names = {"sys_enter", "sys_exit"};
    for (const SchedEvent& event : kSchedEvents) names.push_back(event.name);
    return no_such_event(prog, meant(section_prefix(prog), name, names));
}

/// kprobe, ksyscall and their returns, which one program type serves.
Result<AttachPoint> at_function(const object::ProgSpec& prog) {
    constexpr std::string_view kWrapper = "__x64_sys_";
    const std::string_view prefix = section_prefix(prog);
    const bool by_call = prefix == "ksyscall/" || prefix == "kretsyscall/";
    const bool at_exit = prefix == "kretprobe/" || prefix == "kretsyscall/";
    std::string_view name = prog.attach_target;
    const bool function = prefix == "kprobe/" || prefix == "kretprobe/";
    if (!by_call && !(function && strip(name, kWrapper))) return no_such_event(prog, std::nullopt);

    // Users call newfstat fstat; the kernel's function has the first name.
    const platform::SyscallInfo* call = call_of(name);
    if (!call && by_call) call = platform::find_syscall(name);
    if (call)
        return AttachPoint{at_exit ? When::SysExit : When::SysEnter, Form::WrapperRegs,
                           call->number};
    const std::string front = std::string(prefix) + std::string(by_call ? "" : kWrapper);
    return no_such_event(prog, meant(front, name, entries()));
}

}  // namespace

Result<std::optional<AttachPoint>> attach_point(const object::ProgSpec& prog) {
    const bool ours = prog.type == ProgType::Tracepoint || prog.type == ProgType::RawTracepoint ||
                      prog.type == ProgType::Kprobe;
    if (ours && prog.attach_target.empty()) return std::nullopt;
    switch (prog.type) {
        case ProgType::Tracepoint: return SKEP_TRY(at_tracepoint(prog));
        case ProgType::RawTracepoint: return SKEP_TRY(at_raw_tracepoint(prog));
        case ProgType::Kprobe: return SKEP_TRY(at_function(prog));
        default: return no_such_event(prog, std::nullopt);
    }
}

void add_to(Wanted& wanted, const AttachPoint& point) {
    SyscallSet& calls = point.when == When::SysExit ? wanted.exit : wanted.enter;
    switch (point.when) {
        case When::SysEnter:
        case When::SysExit:
            if (point.syscall)
                calls.add(*point.syscall);
            else
                calls.add_all();
            break;
        case When::Fork: wanted.fork = true; break;
        case When::Exec: wanted.exec = true; break;
        case When::TaskExit: wanted.task_exit = true; break;
    }
}

}  // namespace skep::hooks
