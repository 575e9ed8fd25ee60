// SPDX-License-Identifier: Apache-2.0
#include "kernel/refused.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.hpp"
#include "kernel/module_types.hpp"
#include "kernel/object.hpp"
#include "kernel/running.hpp"
#include "object/settle.hpp"
#include "verifier/explain.hpp"
#include "verifier/verify.hpp"

namespace skep::kernel {

namespace {

constexpr Refused kRefused[] = {
#define REFUSED(hook, reason, instead) {hook, reason, instead},
#include "kernel/refused.def"
#undef REFUSED
};

/// Sections whose hook has another name in the table.
constexpr struct {
    std::string_view prefix, hook;
} kSections[] = {
    {"kprobe.multi", "kprobe.multi"},
    {"kretprobe.multi", "kprobe.multi"},
    {"kprobe.session", "kprobe.multi"},
    {"kprobe", "kprobe"},
    {"kretprobe", "kprobe"},
    {"ksyscall", "ksyscall"},
    {"kretsyscall", "ksyscall"},
    {"uprobe.multi", "uprobe.multi"},
    {"uretprobe.multi", "uprobe.multi"},
    {"uprobe.session", "uprobe.multi"},
    {"uprobe", "uprobe"},
    {"uretprobe", "uprobe"},
    {"usdt", "uprobe"},
    {"fentry", "fentry"},
    {"fexit", "fentry"},
    {"fmod_ret", "fmod_ret"},
    {"freplace", "freplace"},
    {"lsm", "lsm"},
    {"tp_btf", "tp_btf"},
    {"tracepoint", "tp"},
    {"tp", "tp"},
    {"raw_tracepoint", "raw_tp"},
    {"raw_tp", "raw_tp"},
    {"iter", "iter"},
    {"tcx", "tcx"},
    {"tc", "tcx"},
    {"netkit", "netkit"},
};

std::string privileges_hint(int error_number) {
    if (error_number != EPERM && error_number != EACCES) return {};
    return geteuid() == 0 ? ""
                          : "root, or CAP_BPF with what the hook needs; skep doctor tells more";
}

/// The verifier's words: the last line before its statistics.
std::string last_words(std::string_view log) {
    std::string_view found;
    for (const std::string_view line : split(trim(log), '\n')) {
        if (line.starts_with("processed ") || line.starts_with("verification time ") ||
            line.starts_with("stack depth ") || trim(line).empty())
            continue;
        found = line;
    }
    return std::string(trim(found));
}

/// The name between quotes behind `before`, in the last line that has it.
std::string_view quoted(std::string_view text, std::string_view before, std::string_view after) {
    std::string_view found;
    for (const std::string_view line : split(text, '\n')) {
        const size_t at = line.find(before);
        const size_t from = at == std::string_view::npos ? at : at + before.size();
        const size_t end = from == std::string_view::npos ? from : line.find('\'', from);
        if (end == std::string_view::npos || !line.substr(end + 1).starts_with(after)) continue;
        found = line.substr(from, end - from);
    }
    return found;
}

Error program_error(const std::string& file, const object::ObjectSpec& object,
                    std::string_view name, const LogCapture& log, int error_number) {
    const std::string who = fmt::format("{}: program '{}'", printable(file), printable(name));
    const std::string_view verifier = verifier_log(log.text(), name);
    const object::ProgSpec* prog = object.find_prog(name);
    const std::string words = last_words(verifier);
    if (!words.empty()) {
        Error error = sys_error(who, error_number);
        error.message = fmt::format("{} is refused by the kernel: {}", who, words);
        if (words.starts_with("failed to resolve CO-RE relocation")) {
            error.code = ErrorCode::Unsupported;
            error.message += " (this kernel's types do not have it)";
            error.hint =
                "the program is for other kernels, or must ask first: "
                "bpf_core_field_exists(), bpf_core_type_exists()";
            return error;
        }
        error.hint = prog ? explain_refusal(object, *prog, verifier)
                          : "the kernel's last lines:\n" + last_lines(verifier, 12);
        return error;
    }
    Error error = sys_error(fmt::format("{} is refused by the kernel before it verifies it", who),
                            error_number);
    error.code = ErrorCode::Unsupported;
    error.hint = privileges_hint(error_number);
    if (!error.hint.empty() || !prog) return error;
    if (const Refused* row = refused(hook_of(prog->section, prog->type))) {
        error.message += fmt::format(" ({})", row->reason);
        if (!row->instead.empty()) error.hint = fmt::format("instead: {}", row->instead);
    }
    return error;
}

}  // namespace

const Refused* refused(std::string_view hook) {
    const auto* row = std::ranges::find(kRefused, hook, &Refused::hook);
    return row == std::end(kRefused) ? nullptr : row;
}

std::string_view hook_of(std::string_view section, ProgType type) {
    if (section.starts_with('?')) section.remove_prefix(1);
    for (const auto& [prefix, hook] : kSections)
        if (section.starts_with(prefix) &&
            (section.size() == prefix.size() || section[prefix.size()] == '/' ||
             section[prefix.size()] == '.'))
            return hook;
    switch (type) {
        case ProgType::CgroupSkb:
        case ProgType::CgroupSock:
        case ProgType::CgroupDevice:
        case ProgType::CgroupSockAddr:
        case ProgType::CgroupSysctl:
        case ProgType::CgroupSockopt:
        case ProgType::SockOps: return "cgroup";
        case ProgType::Kprobe: return "kprobe";
        case ProgType::Tracepoint: return "tp";
        case ProgType::RawTracepoint: return "raw_tp";
        case ProgType::SchedCls: return "tcx";
        default: return to_string(type);  // "xdp", "netfilter", "struct_ops", ...
    }
}

std::string explain_refusal(const object::ObjectSpec& object, const object::ProgSpec& prog,
                            std::string_view kernel_log) {
    std::string text = "the kernel's last lines:\n" + last_lines(kernel_log, 12);
    const platform::Platform* rules = running_kernel().platform;
    size_t index = 0;
    while (index < object.progs.size() && object.progs[index].name != prog.name) index++;
    if (!rules || index == object.progs.size()) return text;
    const object::ObjectSpec alone = object::only(object, index);
    const Types types = types_of_running(alone);
    const auto settled = settle(alone, *rules, types.get(), running_config());
    if (!settled) return text;
    const auto verdict = verifier::verify(*settled, settled->progs[0], *rules,
                                          {.path = true, .kernel_btf = types.get()});
    if (!verdict) return text;
    if (verdict->accepted)
        return text +
               "\nskep check would accept it, so what the kernel misses is not in the rules "
               "that skep knows";
    return text + "\nskep check explains it:\n" +
           verifier::explain(*settled, settled->progs[0], *verdict);
}

Error load_error(const std::string& file, const object::ObjectSpec& object, const LogCapture& log,
                 int error_number) {
    const std::string& text = log.text();
    if (const auto prog = quoted(text, "prog '", ": BPF program load failed"); !prog.empty())
        return program_error(file, object, prog, log, error_number);
    if (const auto map = quoted(text, "map '", ": failed to create"); !map.empty()) {
        Error error = sys_error(
            fmt::format("{}: map '{}' is refused by the kernel", printable(file), printable(map)),
            error_number);
        error.hint = privileges_hint(error_number);
        const object::MapSpec* spec = object.find_map(map);
        if (error.hint.empty() && spec)
            error.hint =
                fmt::format("type {}, key of {} bytes, value of {}, {} entries, flags {:#x}",
                            to_string(spec->type), spec->key_size, spec->value_size,
                            spec->max_entries, spec->flags);
        return error;
    }
    // libbpf itself: a type, symbol or variable that this kernel does not have.
    Error error = sys_error(fmt::format("{}: it cannot be loaded", printable(file)), error_number);
    const std::string words = log.last_warning();
    std::string_view best = words;
    for (const std::string_view line : split(text, '\n')) {
        // The first warning says what; those behind it that the whole failed.
        if (!line.starts_with("libbpf: ") || line.find("skipping") != std::string_view::npos)
            continue;
        best = line.substr(8);
        break;
    }
    if (!best.empty())
        error.message = fmt::format("{}: {}", printable(file), printable(trim(best)));
    error.hint = privileges_hint(error_number);
    if (text.find("failed to find valid kernel BTF") != std::string::npos) {
        error.code = ErrorCode::Unsupported;
        error.hint =
            "the object is fitted to the kernel's types (CO-RE), and there are none in "
            "/sys/kernel/btf/vmlinux: a kernel without CONFIG_DEBUG_INFO_BTF, or /sys is hidden; "
            "skep doctor tells more";
    }
    if (error_number == ESRCH || error_number == ENOENT) {
        error.code = ErrorCode::Unsupported;
        if (const auto prog = quoted(text, "prog '", ""); !prog.empty())
            if (const object::ProgSpec* spec = object.find_prog(prog))
                if (const Refused* row = refused(hook_of(spec->section, spec->type));
                    row && !row->instead.empty())
                    error.hint = fmt::format("instead: {}", row->instead);
    }
    return error;
}

Error attach_error(const std::string& what, std::string_view hook, int error_number,
                   const LogCapture* log) {
    Error error = sys_error(what, error_number);
    error.hint = privileges_hint(error_number);
    if (!error.hint.empty()) {
        error.code = ErrorCode::Unsupported;
        return error;
    }
    const Refused* row = refused(hook);
    const bool missing = error_number == ENOENT || error_number == EOPNOTSUPP ||
                         error_number == 524 || error_number == EPERM || error_number == ENOSYS ||
                         error_number == EINVAL || error_number == ESRCH;
    if (row && missing) {
        error.code = ErrorCode::Unsupported;
        error.message += fmt::format(" ({})", row->reason);
        if (!row->instead.empty()) error.hint = fmt::format("instead: {}", row->instead);
    } else if (log && !log->last_warning().empty()) {
        error.message += fmt::format(" ({})", printable(log->last_warning()));
    }
    return error;
}

}  // namespace skep::kernel
