// SPDX-License-Identifier: Apache-2.0
#include <bpf/libbpf.h>

#include <cerrno>

#include "base/text.hpp"
#include "kernel/attach_hooks.hpp"
#include "kernel/log.hpp"
#include "kernel/refused.hpp"
#include "kernel/symbols.hpp"

// Probes in functions, of the kernel and of programs. libbpf finds symbols and USDT notes and knows
// the two ways to make a probe; what it does not have (many user probes in one link, sessions) is a
// link of our own.

namespace skep::kernel {

namespace {

/// What a probe's section says, with what the user gave in place of it.
struct Place {
    std::string kind;  ///< "kprobe", "uretprobe.multi", "usdt": the prefix without ".s"
    bool returns = false;
    bool session = false;
    std::string binary;    ///< of user probes
    std::string function;  ///< or a pattern; of USDT: the provider
    std::string name;      ///< of USDT
    uint64_t offset = 0;
};

/// "func+0x10"
void take_function(std::string_view text, Place& place) {
    const size_t plus = text.rfind('+');
    const auto offset =
        plus == std::string_view::npos ? std::nullopt : parse_uint(text.substr(plus + 1));
    place.function = std::string(offset ? text.substr(0, plus) : text);
    place.offset = offset.value_or(0);
    // "/bin/program:0x1234" has no function, only an offset in the file.
    if (const auto number = parse_uint(place.function); number && !offset) {
        place.function.clear();
        place.offset = *number;
    }
}

Place read_section(const Prog& prog, const AttachTo& to) {
    Place place;
    std::string_view section = prog.section();
    if (section.starts_with('?')) section.remove_prefix(1);
    place.kind = std::string(section.substr(0, section.find('/')));
    if (place.kind.ends_with(".s")) place.kind.resize(place.kind.size() - 2);
    place.returns = place.kind.starts_with("kret") || place.kind.starts_with("uret");
    place.session = place.kind.ends_with(".session");
    const std::string target = to.target.empty() ? prog.attach_target() : to.target;
    if (place.kind.starts_with('k')) {
        take_function(target, place);
    } else {
        const auto parts = split(target, ':');
        place.binary = std::string(parts[0]);
        if (parts.size() > 1) take_function(parts[1], place);
        if (parts.size() > 2) place.name = std::string(parts[2]);
    }
    if (!to.binary.empty()) place.binary = to.binary;
    if (!to.symbol.empty()) {
        if (place.kind == "usdt") {
            const auto parts = split(to.symbol, ':');
            place.function = std::string(parts[0]);
            place.name = std::string(parts.back());
        } else {
            take_function(to.symbol, place);
        }
    }
    if (to.offset) place.offset = to.offset;
    return place;
}

Result<LinkPtr> from_libbpf(const Prog& prog, bpf_link* link, const Place& place,
                            std::string_view where, const LogCapture& log, int error_number) {
    if (link) return make_link(link, prog.owner());
    const std::string_view hook = hook_of(prog.section(), prog.type());
    // ENOENT of a function that is not there and of a kernel without probes look the same.
    const bool no_probes = log.text().find("perf_event_open") != std::string::npos ||
                           log.text().find("kprobe_events") != std::string::npos ||
                           log.text().find("failed to determine") != std::string::npos;
    const bool user = place.kind.starts_with('u');
    Error error =
        attach_error(attaching(prog, where), user || !no_probes ? "" : hook, error_number, &log);
    if (!user && error_number == ENOENT && !has_kernel_probes())
        error = attach_error(attaching(prog, where), hook, error_number, &log);
    else if (error_number == ENOENT && error.hint.empty())
        error.hint = user ? "nm -D BINARY (or nm) lists what it has"
                          : "/proc/kallsyms lists the functions of this kernel";
    return std::unexpected(std::move(error));
}

Result<LinkPtr> attach_kernel_function(const Prog& prog, const AttachTo& to, const Place& place) {
    if (place.function.empty())
        return not_given(prog, "the kernel function", "e.g. kprobe/do_unlinkat");
    const std::string where = fmt::format("{} {}", place.kind, place.function);
    LogCapture log;
    bpf_link* link = nullptr;
    if (place.kind == "ksyscall" || place.kind == "kretsyscall") {
        LIBBPF_OPTS(bpf_ksyscall_opts, options, .bpf_cookie = to.cookie, .retprobe = place.returns);
        link = bpf_program__attach_ksyscall(prog.libbpf(), place.function.c_str(), &options);
    } else {
        LIBBPF_OPTS(bpf_kprobe_opts, options, .bpf_cookie = to.cookie, .offset = place.offset,
                    .retprobe = place.returns);
        link = bpf_program__attach_kprobe_opts(prog.libbpf(), place.function.c_str(), &options);
    }
    return from_libbpf(prog, link, place, where, log, errno);
}

Result<LinkPtr> attach_kernel_functions(const Prog& prog, const AttachTo& to, const Place& place) {
    if (place.function.empty() && to.symbols.empty())
        return not_given(prog, "the kernel functions", "a pattern, e.g. kprobe.multi/vfs_*");
    std::vector<const char*> names;
    for (const std::string& name : to.symbols) names.push_back(name.c_str());
    const std::string where =
        fmt::format("{} {}", place.kind,
                    names.empty() ? place.function : fmt::format("{} functions", names.size()));
    if (place.session) {
        if (names.empty()) names.push_back(place.function.c_str());
        LinkCreateAttr attr = link_attr(prog.fd(), 0, AttachType::TraceKprobeSession);
        attr.kprobe_multi = {.flags = 0,
                             .cnt = static_cast<uint32_t>(names.size()),
                             .syms = reinterpret_cast<uint64_t>(names.data()),
                             .addrs = 0,
                             .cookies = 0};
        return link_to(prog, attr, where, "kprobe.multi");
    }
    LogCapture log;
    const std::vector<__u64> cookies(names.size(), to.cookie);
    LIBBPF_OPTS(bpf_kprobe_multi_opts, options);
    options.retprobe = place.returns;
    if (!names.empty()) {
        options.syms = names.data();
        options.cnt = names.size();
        if (to.cookie) options.cookies = cookies.data();
    }
    bpf_link* link = bpf_program__attach_kprobe_multi_opts(
        prog.libbpf(), names.empty() ? place.function.c_str() : nullptr, &options);
    if (link) return make_link(link, prog.owner());
    return std::unexpected(attach_error(attaching(prog, where), "kprobe.multi", errno, &log));
}

Result<LinkPtr> attach_user_function(const Prog& prog, const AttachTo& to, const Place& place) {
    if (place.function.empty() && place.offset == 0)
        return not_given(prog, "the function", "its name, or its offset in the file");
    const std::string where = fmt::format("{} {}:{}", place.kind, place.binary, place.function);
    LogCapture log;
    LIBBPF_OPTS(bpf_uprobe_opts, options, .bpf_cookie = to.cookie, .retprobe = place.returns);
    options.func_name = place.function.empty() ? nullptr : place.function.c_str();
    bpf_link* link = bpf_program__attach_uprobe_opts(prog.libbpf(), to.pid, place.binary.c_str(),
                                                     place.offset, &options);
    return from_libbpf(prog, link, place, where, log, errno);
}

Result<LinkPtr> attach_user_functions(const Prog& prog, const AttachTo& to, const Place& place) {
    const std::string path = SKEP_TRY(resolve_binary(place.binary));
    std::vector<std::string> patterns = to.symbols;
    if (patterns.empty() && !place.function.empty()) patterns.push_back(place.function);
    if (patterns.empty()) return not_given(prog, "the functions", "a pattern, e.g. malloc or str*");
    const std::vector<uint64_t> offsets = SKEP_TRY(function_offsets(path, patterns));
    const std::vector<uint64_t> cookies(offsets.size(), to.cookie);
    constexpr uint32_t kReturn = 1;  // BPF_F_UPROBE_MULTI_RETURN
    LinkCreateAttr attr =
        link_attr(prog.fd(), 0,
                  place.session ? AttachType::TraceUprobeSession : AttachType::TraceUprobeMulti);
    attr.uprobe_multi = {.path = reinterpret_cast<uint64_t>(path.c_str()),
                         .offsets = reinterpret_cast<uint64_t>(offsets.data()),
                         .ref_ctr_offsets = 0,
                         .cookies = to.cookie ? reinterpret_cast<uint64_t>(cookies.data()) : 0,
                         .cnt = static_cast<uint32_t>(offsets.size()),
                         .flags = place.returns ? kReturn : 0,
                         .pid = to.pid > 0 ? static_cast<uint32_t>(to.pid) : 0};
    return link_to(prog, attr, fmt::format("{} functions of {}", offsets.size(), path),
                   "uprobe.multi");
}

Result<LinkPtr> attach_usdt(const Prog& prog, const AttachTo& to, const Place& place) {
    if (place.function.empty() || place.name.empty())
        return not_given(prog, "the probe", "as provider:name; readelf -n BINARY lists them");
    LogCapture log;
    LIBBPF_OPTS(bpf_usdt_opts, options, .usdt_cookie = to.cookie);
    bpf_link* link = bpf_program__attach_usdt(prog.libbpf(), to.pid, place.binary.c_str(),
                                              place.function.c_str(), place.name.c_str(), &options);
    return from_libbpf(prog, link, place,
                       fmt::format("usdt {}:{}:{}", place.binary, place.function, place.name), log,
                       errno);
}

}  // namespace

Result<LinkPtr> attach_probe(const Prog& prog, const AttachTo& to) {
    if (!prog.libbpf())
        return std::unexpected(Error{
            ErrorCode::Usage,
            fmt::format("attach '{}': a probe is attached from its object", printable(prog.name())),
            "load the object; a descriptor alone does not say what its section says", 0});
    const Place place = read_section(prog, to);
    const bool user = place.kind.starts_with('u');
    if (user && place.binary.empty())
        return not_given(prog, "the program or library", "its path, e.g. /bin/bash, or libc.so.6");
    if (place.kind == "usdt") return attach_usdt(prog, to, place);
    const bool multi = place.kind.ends_with(".multi") || place.session;
    if (user)
        return multi ? attach_user_functions(prog, to, place)
                     : attach_user_function(prog, to, place);
    return multi ? attach_kernel_functions(prog, to, place)
                 : attach_kernel_function(prog, to, place);
}

}  // namespace skep::kernel
