// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.hpp"
#include "kernel/attach_hooks.hpp"
#include "kernel/refused.hpp"
#include "kernel/tracefs.hpp"

// Tracepoints in their three forms, tracing programs, iterators and perf events.

namespace skep::kernel {

namespace {

UniqueFd perf_event_open(perf_event_attr& attr, int pid, int cpu) {
    attr.size = sizeof(attr);
    return UniqueFd(
        static_cast<int>(syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
}

/// The link keeps the event; its descriptor may go.
Result<UniqueFd> link_perf_event(const Prog& prog, int event, uint64_t cookie) {
    LinkCreateAttr attr = link_attr(prog.fd(), static_cast<uint32_t>(event), AttachType::PerfEvent);
    attr.perf_event.cookie = cookie;
    return link_create(attr);
}

std::string target_of(const Prog& prog, const AttachTo& to) {
    return to.target.empty() ? prog.attach_target() : to.target;
}

/// One program at several places: perf events are per CPU.
class ManyLinks final : public Link {
  public:
    ManyLinks(std::string kind, std::vector<LinkPtr> links)
        : kind_(std::move(kind)), links_(std::move(links)) {}

    Result<void> detach() override {
        links_.clear();
        return {};
    }
    Result<LinkState> state() const override {
        LinkState state{.kind = kind_, .gone = links_.empty()};
        if (!links_.empty()) state.prog_id = SKEP_TRY(links_[0]->state())
        .prog_id;
        return state;
    }

  private:
    std::string kind_;
    std::vector<LinkPtr> links_;
};

std::vector<int> online_cpus() {
    // "0-3,6": the kernel's own list, as sysconf() only counts.
    std::vector<int> cpus;
    const auto text = read_file("/sys/devices/system/cpu/online");
    if (!text) return {0};
    const std::string list(text->begin(), text->end());
    for (const std::string_view range : split(trim(list), ',')) {
        const auto ends = split(range, '-');
        const auto first = parse_uint(ends.front()), last = parse_uint(ends.back());
        if (!first || !last) continue;
        for (uint64_t cpu = *first; cpu <= *last; cpu++) cpus.push_back(static_cast<int>(cpu));
    }
    return cpus;
}

}  // namespace

Result<LinkPtr> attach_tracepoint(const Prog& prog, const AttachTo& to) {
    const std::string target = target_of(prog, to);
    const size_t slash = target.find('/');
    if (slash == std::string::npos)
        return not_given(prog, "the tracepoint", "as category/name, e.g. sched/sched_switch");
    const std::string where = "tracepoint " + target;
    const auto id = tracepoint_id(target.substr(0, slash), target.substr(slash + 1));
    if (!id) {
        if (id.error().sys_errno != ENOENT) return std::unexpected(id.error());
        return std::unexpected(attach_error(attaching(prog, where), "tp", ENOENT));
    }
    perf_event_attr attr = {};
    attr.type = PERF_TYPE_TRACEPOINT;
    attr.config = *id;
    // The event's CPU does not matter: programs run for all.
    const UniqueFd event = perf_event_open(attr, -1, 0);
    if (!event) return std::unexpected(attach_error(attaching(prog, where), "tp", errno));
    auto link = link_perf_event(prog, event.get(), to.cookie);
    if (link) return make_link(std::move(*link));
    return std::unexpected(attach_error(attaching(prog, where), "tp", link.error().sys_errno));
}

Result<LinkPtr> attach_raw_tracepoint(const Prog& prog, const AttachTo& to) {
    const std::string target = target_of(prog, to);
    if (target.empty()) return not_given(prog, "the tracepoint", "by its name, e.g. sched_switch");
    auto fd = raw_tracepoint_open(prog.fd(), target.c_str(), to.cookie);
    if (fd) return make_link(std::move(*fd));
    return std::unexpected(
        attach_error(attaching(prog, "raw tracepoint " + target), "raw_tp", fd.error().sys_errno));
}

Result<LinkPtr> attach_tracing(const Prog& prog, const AttachTo& to) {
    // What to attach to was fixed when it was loaded.
    LinkCreateAttr attr = link_attr(prog.fd(), 0, prog.attach_type());
    attr.tracing.cookie = to.cookie;
    auto fd = to.cookie ? link_create(attr) : raw_tracepoint_open(prog.fd(), nullptr);
    if (fd) return make_link(std::move(*fd));
    return std::unexpected(attach_error(attaching(prog, target_of(prog, to)),
                                        hook_of(prog.section(), prog.type()),
                                        fd.error().sys_errno));
}

Result<LinkPtr> attach_iterator(const Prog& prog, const AttachTo& to) {
    // union bpf_iter_link_info of Linux 6.18.
    union {
        uint32_t map_fd;
        struct {
            uint32_t order, fd;
            uint64_t id;
        } cgroup;
        struct {
            uint32_t tid, pid, pid_fd;
        } task;
    } info = {};
    uint32_t size = 0;
    UniqueFd cgroup;
    if (to.map) {
        info.map_fd = static_cast<uint32_t>(to.map->fd());
        size = sizeof(info.map_fd);
    } else if (!to.cgroup.empty()) {
        cgroup.reset(open(to.cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!cgroup) return std::unexpected(sys_error(attaching(prog, to.cgroup)));
        constexpr uint32_t kDescendantsFirst = 2;  // BPF_CGROUP_ITER_DESCENDANTS_PRE
        info.cgroup = {
            .order = kDescendantsFirst, .fd = static_cast<uint32_t>(cgroup.get()), .id = 0};
        size = sizeof(info.cgroup);
    } else if (to.pid > 0) {
        info.task = {.tid = 0, .pid = static_cast<uint32_t>(to.pid), .pid_fd = 0};
        size = sizeof(info.task);
    }
    LinkCreateAttr attr = link_attr(prog.fd(), 0, AttachType::TraceIter);
    attr.iter.info = size ? reinterpret_cast<uint64_t>(&info) : 0;
    attr.iter.info_len = size;
    return link_to(prog, attr, "iterator " + prog.attach_target(), "iter");
}

Result<LinkPtr> attach_perf_event(const Prog& prog, const AttachTo& to) {
    perf_event_attr attr = {};
    attr.type = to.perf.type;
    attr.config = to.perf.config;
    attr.freq = to.perf.period == 0;
    if (attr.freq)
        attr.sample_freq = to.perf.frequency;
    else
        attr.sample_period = to.perf.period;
    std::vector<int> cpus = to.perf.cpu >= 0 ? std::vector{to.perf.cpu} : online_cpus();
    if (to.pid >= 0 && to.perf.cpu < 0) cpus = {-1};  // wherever that process runs
    std::vector<LinkPtr> links;
    for (const int cpu : cpus) {
        const UniqueFd event = perf_event_open(attr, to.pid, cpu);
        if (!event)
            return std::unexpected(attach_error(
                attaching(prog, fmt::format("perf event {}:{}", to.perf.type, to.perf.config)),
                "perf_event", errno));
        links.push_back(make_link(SKEP_TRY(link_perf_event(prog, event.get(), to.cookie))));
    }
    if (links.size() == 1) return std::move(links[0]);
    return std::make_unique<ManyLinks>("perf_event", std::move(links));
}

}  // namespace skep::kernel
