// SPDX-License-Identifier: Apache-2.0
// Where programs watch the kernel and processes. Each probe attaches a program that does nothing to
// something that is rare or its own, and lets go at once.
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "kernel/features.hpp"
#include "kernel/running.hpp"
#include "kernel/tracefs.hpp"

namespace skep::kernel {

namespace {

/// What user probes are put on. Never called.
[[gnu::noinline, gnu::used]] int probe_me(int n) {
    asm volatile("" : "+r"(n));
    return n;
}

/// Where probe_me() is in this executable's file.
Result<uint64_t> probe_me_offset() {
    const auto address = reinterpret_cast<uint64_t>(&probe_me);
    FILE* maps = std::fopen("/proc/self/maps", "re");
    if (!maps) return std::unexpected(sys_error("/proc/self/maps"));
    unsigned long start = 0, end = 0, offset = 0;
    char line[512];
    uint64_t found = 0;
    while (std::fgets(line, sizeof line, maps))
        if (std::sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && address >= start &&
            address < end)
            found = address - start + offset;
    std::fclose(maps);
    if (found == 0) return fail(ErrorCode::Failed, "no place for a user probe");
    return found;
}

Result<UniqueFd> perf_event(perf_event_attr attr) {
    attr.size = sizeof attr;
    const bool task = attr.type >= PERF_TYPE_MAX;  // probes: this process only
    UniqueFd fd(static_cast<int>(syscall(SYS_perf_event_open, &attr, task ? getpid() : -1,
                                         task ? -1 : 0, -1, PERF_FLAG_FD_CLOEXEC)));
    if (!fd) return std::unexpected(bpf_error("perf event", errno));
    return fd;
}

Result<void> set_program(const UniqueFd& event, ProgType type) {
    const UniqueFd prog = SKEP_TRY(load_trivial({.type = type}));
    if (ioctl(event.get(), PERF_EVENT_IOC_SET_BPF, prog.get()) == 0) return {};
    return std::unexpected(bpf_error("attaching a program to a perf event", errno));
}

/// The number that stands for "kprobe" or "uprobe" as the type of a perf event.
Result<uint32_t> probe_type(const char* name) {
    const auto bytes = read_file(fmt::format("/sys/bus/event_source/devices/{}/type", name));
    if (!bytes) return unsupported("no perf events of type {}", name);
    return static_cast<uint32_t>(std::atoi(std::string(bytes->begin(), bytes->end()).c_str()));
}

Result<void> attach_kprobe() {
    perf_event_attr attr{};
    attr.type = SKEP_TRY(probe_type("kprobe"));
    static constexpr char kFunction[] = "do_nanosleep";
    attr.kprobe_func = reinterpret_cast<uint64_t>(kFunction);
    return set_program(SKEP_TRY(perf_event(attr)), ProgType::Kprobe);
}

Result<void> attach_uprobe() {
    perf_event_attr attr{};
    attr.type = SKEP_TRY(probe_type("uprobe"));
    attr.uprobe_path = reinterpret_cast<uint64_t>("/proc/self/exe");
    attr.probe_offset = SKEP_TRY(probe_me_offset());
    return set_program(SKEP_TRY(perf_event(attr)), ProgType::Kprobe);
}

Result<void> attach_tracepoint() {
    perf_event_attr attr{};
    attr.type = PERF_TYPE_TRACEPOINT;
    attr.sample_period = 1;
    attr.config = SKEP_TRY(tracepoint_id("sched", "sched_process_exit"));
    return set_program(SKEP_TRY(perf_event(attr)), ProgType::Tracepoint);
}

Result<void> attach_perf(uint32_t type, uint64_t config) {
    perf_event_attr attr{};
    attr.type = type;
    attr.config = config;
    attr.sample_period = 1'000'000'000;
    return set_program(SKEP_TRY(perf_event(attr)), ProgType::PerfEvent);
}

/// Loads for a type of the kernel's, and attaches by what needs no more than the program.
Result<void> attach_traced(ProgType type, AttachType attach, std::string_view target) {
    const UniqueFd prog = SKEP_TRY(load_trivial(
        { .type = type, .attach = attach, .attach_btf_id = SKEP_TRY(kernel_type(target)) }));
    SKEP_TRY(raw_tracepoint_open(prog.get(), nullptr));
    return {};
}

Result<void> attach_raw_tracepoint() {
    const UniqueFd prog = SKEP_TRY(load_trivial({.type = ProgType::RawTracepoint}));
    SKEP_TRY(raw_tracepoint_open(prog.get(), "sched_process_exit"));
    return {};
}

Result<void> open_iterator() {
    const UniqueFd prog = SKEP_TRY(load_trivial({
        .type = ProgType::Tracing, .attach = AttachType::TraceIter,
        .attach_btf_id = SKEP_TRY(kernel_type("bpf_iter_bpf_map"))
    }));
    const UniqueFd link = SKEP_TRY(link_create(link_attr(prog, 0, AttachType::TraceIter)));
    SKEP_TRY(iter_create(link.get()));
    return {};
}

Result<void> attach_kprobe_multi() {
    const UniqueFd prog =
        SKEP_TRY(load_trivial({.type = ProgType::Kprobe, .attach = AttachType::TraceKprobeMulti}));
    static constexpr char kFunction[] = "do_nanosleep";
    const auto symbol = reinterpret_cast<uint64_t>(kFunction);
    LinkCreateAttr attr = link_attr(prog, 0, AttachType::TraceKprobeMulti);
    attr.kprobe_multi.cnt = 1;
    attr.kprobe_multi.syms = reinterpret_cast<uint64_t>(&symbol);
    SKEP_TRY(link_create(attr));
    return {};
}

Result<void> attach_uprobe_multi() {
    const UniqueFd prog =
        SKEP_TRY(load_trivial({.type = ProgType::Kprobe, .attach = AttachType::TraceUprobeMulti}));
    const uint64_t offset = SKEP_TRY(probe_me_offset());
    LinkCreateAttr attr = link_attr(prog, 0, AttachType::TraceUprobeMulti);
    attr.uprobe_multi.path = reinterpret_cast<uint64_t>("/proc/self/exe");
    attr.uprobe_multi.offsets = reinterpret_cast<uint64_t>(&offset);
    attr.uprobe_multi.cnt = 1;
    attr.uprobe_multi.pid = static_cast<uint32_t>(getpid());
    SKEP_TRY(link_create(attr));
    return {};
}

Result<void> load_syscall() {
    SKEP_TRY(load_trivial({.type = ProgType::Syscall, .flags = BPF_F_SLEEPABLE}));
    return {};
}

}  // namespace

std::vector<Finding> probe_trace_hooks() {
    std::vector<Finding> found;
    const auto add = [&](const char* name, const char* basis, const Result<void>& result) {
        found.push_back(judge(name, basis, result));
    };
    add("tp", "attached", attach_tracepoint());
    add("raw_tp", "attached", attach_raw_tracepoint());
    add("tp_btf", "attached",
        attach_traced(ProgType::Tracing, AttachType::TraceRawTp, "btf_trace_sched_process_exit"));
    add("kprobe", "attached", attach_kprobe());
    add("kprobe.multi", "attached", attach_kprobe_multi());
    add("uprobe", "attached", attach_uprobe());
    add("uprobe.multi", "attached", attach_uprobe_multi());
    add("fentry", "attached",
        attach_traced(ProgType::Tracing, AttachType::TraceFentry, "do_nanosleep"));
    Finding freplace = found.back();  // needs the same trampolines
    freplace.name = "freplace";
    freplace.basis = "derived";
    add("fexit", "attached",
        attach_traced(ProgType::Tracing, AttachType::TraceFexit, "do_nanosleep"));
    add("fmod_ret", "attached",
        attach_traced(ProgType::Tracing, AttachType::ModifyReturn, "bpf_modify_return_test"));
    add("lsm", "attached", attach_traced(ProgType::Lsm, AttachType::LsmMac, "bpf_lsm_syslog"));
    found.push_back(std::move(freplace));
    add("iter", "opened", open_iterator());
    add("perf_event", "attached", attach_perf(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK));
    add("perf_event.hardware", "attached",
        attach_perf(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES));
    add("syscall", "loaded", load_syscall());
    return found;
}

}  // namespace skep::kernel
