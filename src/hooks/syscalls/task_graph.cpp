// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/task_graph.hpp"

#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/file.hpp"
#include "base/text.hpp"

namespace skep::hooks {
namespace {

using namespace platform::embedded;

/// All structs of one task; their pointers to each other are there from the start.
struct Memory {
    struct task_struct task;
    struct cred cred;
    struct nsproxy nsproxy;
    struct uts_namespace uts_ns;
    struct ipc_namespace ipc_ns;
    struct mnt_namespace mnt_ns;
    struct pid_namespace pid_ns;
    struct pid_namespace pid_ns_for_children;
    struct net net_ns;
    struct time_namespace time_ns;
    struct time_namespace time_ns_for_children;
    struct cgroup_namespace cgroup_ns;
    struct pid pid;
    struct mm_struct mm;
    struct signal_struct signal;
};

template <typename T>
T number(std::string_view text, int base = 10) {
    T value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, base);
    return value;
}

std::string_view view(const Result<Bytes>& bytes) {
    if (!bytes) return {};
    return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

/// The letter of /proc/TID/stat as task->__state and ->exit_state (6.12 fs/proc/array.c and
/// include/linux/sched.h).
struct State {
    char letter;
    u32 state;
    int exit_state;
};
constexpr State kStates[] = {
    {'R', 0, 0}, {'S', 1, 0},     {'D', 2, 0},       {'T', 4, 0},
    {'t', 8, 0}, {'I', 0x402, 0}, {'Z', 0x80, 0x20}, {'X', 0x80, 0x10},
};

u64 ns_of_ticks(u64 ticks) {
    static const auto per_second = static_cast<u64>(sysconf(_SC_CLK_TCK));
    return ticks * (1'000'000'000 / per_second);
}

/// How far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: the time that the machine has slept.
u64 slept_ns() {
    timespec boot, mono;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    const auto ns = [](const timespec& t) { return t.tv_sec * 1'000'000'000L + t.tv_nsec; };
    return static_cast<u64>(std::max(0L, ns(boot) - ns(mono)));
}

}  // namespace

struct TaskGraph::Node {
    pid_t tid = 0;
    bool current = false;
    u64 filled = 0;  ///< a bit for each of kParts
    Memory memory;
};

/// Bytes of Memory that are found out together: by `fill`, or as the number of the namespace
/// /proc/TID/ns/LINK. What lies in no part holds from the start.
struct TaskGraph::Part {
    size_t begin, end;
    void (TaskGraph::*fill)(Node&);
    const char* link = nullptr;
};

#define SPAN(first, last) \
    offsetof(Memory, first), (offsetof(Memory, last) + sizeof(std::declval<Memory>().last))
const TaskGraph::Part TaskGraph::kParts[] = {
    {SPAN(task.__state, task.exit_signal), &TaskGraph::fill_stat},
    {SPAN(task.pid, task.tgid), &TaskGraph::fill_identity},
    {SPAN(task.sessionid, task.loginuid), &TaskGraph::fill_audit},
    {SPAN(task.real_parent, task.parent), &TaskGraph::fill_parents},
    {SPAN(task.group_leader, task.group_leader), &TaskGraph::fill_leader},
    {SPAN(task.utime, task.stime), &TaskGraph::fill_stat},
    {SPAN(task.nvcsw, task.nivcsw), &TaskGraph::fill_status},
    {SPAN(task.start_time, task.maj_flt), &TaskGraph::fill_stat},
    {SPAN(task.comm, task.comm), &TaskGraph::fill_comm},
    {SPAN(cred, cred), &TaskGraph::fill_status},
    {SPAN(uts_ns, uts_ns), &TaskGraph::fill_uts},
    {SPAN(ipc_ns, ipc_ns), nullptr, "ipc"},
    {SPAN(mnt_ns, mnt_ns), nullptr, "mnt"},
    {SPAN(pid_ns.level, pid_ns.level), &TaskGraph::fill_status},
    {SPAN(pid_ns.ns, pid_ns.ns), nullptr, "pid"},
    {SPAN(pid_ns_for_children.ns, pid_ns_for_children.ns), nullptr, "pid_for_children"},
    {SPAN(net_ns, net_ns), nullptr, "net"},
    {SPAN(time_ns, time_ns), nullptr, "time"},
    {SPAN(time_ns_for_children, time_ns_for_children), nullptr, "time_for_children"},
    {SPAN(cgroup_ns, cgroup_ns), nullptr, "cgroup"},
    {SPAN(pid, pid), &TaskGraph::fill_status},
    {SPAN(mm, mm), &TaskGraph::fill_stat},
    {SPAN(signal, signal), &TaskGraph::fill_signal},
};
#undef SPAN

TaskGraph::TaskGraph(ProcFacts& facts) : facts_(facts) {}
TaskGraph::~TaskGraph() = default;

TaskGraph::Node& TaskGraph::node(pid_t tid, bool current) {
    for (size_t i = 0; i < used_; i++)
        if (nodes_[i]->tid == tid) return *nodes_[i];
    if (used_ == nodes_.size()) nodes_.push_back(std::make_unique<Node>());
    Node& result = *nodes_[used_++];
    result = {.tid = tid, .current = current, .filled = 0, .memory = {}};
    Memory& m = result.memory;
    m.task.thread_pid = &m.pid;
    m.task.cred = m.task.real_cred = &m.cred;
    m.task.nsproxy = &m.nsproxy;
    m.task.signal = &m.signal;
    m.task.mm = &m.mm;
    m.nsproxy = {&m.uts_ns,
                 &m.ipc_ns,
                 &m.mnt_ns,
                 &m.pid_ns_for_children,
                 &m.net_ns,
                 &m.time_ns,
                 &m.time_ns_for_children,
                 &m.cgroup_ns};
    return result;
}

uint64_t TaskGraph::task_struct(pid_t tid, bool current) {
    return reinterpret_cast<uint64_t>(&node(tid, current).memory.task);
}

bool TaskGraph::readable(uint64_t address, size_t size) {
    for (size_t i = 0; i < used_; i++) {
        const auto begin = reinterpret_cast<uint64_t>(&nodes_[i]->memory);
        const uint64_t offset = address - begin;
        if (address < begin || offset > sizeof(Memory) || size > sizeof(Memory) - offset) continue;
        fill(*nodes_[i], offset, offset + size);
        return true;
    }
    return false;
}

void TaskGraph::fill(Node& node, uint64_t begin, uint64_t end) {
    for (size_t i = 0; i < std::size(kParts); i++) {
        const Part& part = kParts[i];
        if (part.end <= begin || part.begin >= end || node.filled >> i & 1) continue;
        if (part.link) {
            node.filled |= u64{1} << i;
            const u32 inum = namespace_inum(node, part.link);
            std::memcpy(reinterpret_cast<char*>(&node.memory) + part.begin, &inum, sizeof inum);
            continue;
        }
        for (size_t j = 0; j < std::size(kParts); j++)
            if (kParts[j].fill == part.fill) node.filled |= u64{1} << j;
        (this->*part.fill)(node);
    }
}

std::string TaskGraph::proc_file(const Node& node, const char* name) const {
    return std::string(view(read_file(fmt::format("/proc/{}/{}", node.tid, name))));
}

uint32_t TaskGraph::namespace_inum(const Node& node, const char* name) const {
    struct stat info;
    const std::string path = fmt::format("/proc/{}/ns/{}", node.tid, name);
    return stat(path.c_str(), &info) == 0 ? static_cast<uint32_t>(info.st_ino) : 0;
}

void TaskGraph::fill_stat(Node& node) {
    const std::string stat = proc_file(node, "stat");
    const std::vector<std::string_view> fields = stat_fields(stat);
    // Numbered from 1 in proc(5); the third is our first.
    const auto field = [&]<typename T>(T& to, size_t n) {
        if (n - 3 < fields.size()) to = number<T>(fields[n - 3]);
    };
    auto& task = node.memory.task;
    for (const State& state : kStates) {
        if (node.current || fields.empty() || fields[0].empty()) break;
        if (state.letter != fields[0][0]) continue;
        task.__state = state.state;
        task.exit_state = state.exit_state;
    }
    int nice = 0;
    u64 start = 0;
    field(task.flags, 9);
    field(task.min_flt, 10);
    field(task.maj_flt, 12);
    field(task.utime, 14);
    field(task.stime, 15);
    field(task.prio, 18);
    field(nice, 19);
    field(start, 22);
    field(task.exit_signal, 38);
    field(task.exit_code, 52);
    task.prio += 100;
    task.static_prio = 120 + nice;
    task.utime = ns_of_ticks(task.utime);
    task.stime = ns_of_ticks(task.stime);
    task.start_boottime = ns_of_ticks(start);
    task.start_time = task.start_boottime - std::min(task.start_boottime, slept_ns());

    mm_struct& mm = node.memory.mm;
    field(mm.start_code, 26);
    field(mm.end_code, 27);
    field(mm.start_stack, 28);
    field(mm.start_data, 45);
    field(mm.end_data, 46);
    field(mm.start_brk, 47);
    field(mm.arg_start, 48);
    field(mm.arg_end, 49);
    field(mm.env_start, 50);
    field(mm.env_end, 51);
}

void TaskGraph::fill_identity(Node& node) {
    node.memory.task.pid = node.tid;
    node.memory.task.tgid = node.tid == 0 ? 0 : facts_.tgid(node.tid);
}

void TaskGraph::fill_comm(Node& node) {
    constexpr std::string_view kIdle = "swapper/0";
    auto& comm = node.memory.task.comm;
    if (node.tid == 0) return void(std::ranges::copy(kIdle, comm));
    std::ranges::copy(facts_.comm(node.tid), comm);
}

void TaskGraph::fill_audit(Node& node) {
    const std::string login = proc_file(node, "loginuid"), session = proc_file(node, "sessionid");
    node.memory.task.loginuid.val = login.empty() ? UINT32_MAX : number<u32>(login);
    node.memory.task.sessionid = session.empty() ? UINT32_MAX : number<u32>(session);
}

// Somewhere above is a process without a parent, or with one outside of our pid namespace: it gets
// the kernel's idle task, which is its own parent. So every walk upwards ends as in the kernel.
void TaskGraph::fill_parents(Node& child) {
    const pid_t parent = child.tid == 0 ? 0 : facts_.parent(child.tid);
    auto& task = child.memory.task;
    task.real_parent = task.parent = &node(parent, false).memory.task;
}

void TaskGraph::fill_leader(Node& member) {
    const pid_t tgid = member.tid == 0 ? 0 : facts_.tgid(member.tid);
    member.memory.task.group_leader = &node(tgid, false).memory.task;
}

void TaskGraph::fill_status(Node& node) {
    const std::string status = proc_file(node, "status");
    Memory& m = node.memory;
    m.task.nvcsw = number<unsigned long>(status_field(status, "voluntary_ctxt_switches"));
    m.task.nivcsw = number<unsigned long>(status_field(status, "nonvoluntary_ctxt_switches"));

    const auto ids = [&](std::string_view name) {
        std::vector<std::string_view> words = split(status_field(status, name), '\t');
        words.resize(4);
        return words;
    };
    const auto uid = ids("Uid"), gid = ids("Gid");  // real, effective, saved, file system
    const auto cap = [&](std::string_view name) {
        return kernel_cap_t{number<u64>(status_field(status, name), 16)};
    };
    m.cred = {.uid = {number<u32>(uid[0])},
              .gid = {number<u32>(gid[0])},
              .suid = {number<u32>(uid[2])},
              .sgid = {number<u32>(gid[2])},
              .euid = {number<u32>(uid[1])},
              .egid = {number<u32>(gid[1])},
              .fsuid = {number<u32>(uid[3])},
              .fsgid = {number<u32>(gid[3])},
              .cap_inheritable = cap("CapInh"),
              .cap_permitted = cap("CapPrm"),
              .cap_effective = cap("CapEff"),
              .cap_bset = cap("CapBnd"),
              .cap_ambient = cap("CapAmb")};

    // From our own pid namespace inwards; we know the last one only.
    const std::vector<std::string_view> pids = split(status_field(status, "NSpid"), '\t');
    const size_t levels = std::min(pids.size(), std::size(m.pid.numbers));
    for (size_t i = 0; i < levels; i++) m.pid.numbers[i].nr = number<int>(pids[i]);
    m.pid.level = m.pid_ns.level = static_cast<u32>(levels - 1);
    m.pid.numbers[levels - 1].ns = &m.pid_ns;
}

void TaskGraph::fill_signal(Node& node) {
    const std::string stat = proc_file(node, "stat");
    const std::vector<std::string_view> fields = stat_fields(stat);
    if (fields.size() > 17) node.memory.signal.nr_threads = number<int>(fields[17]);
    node.memory.signal.oom_score_adj = number<short>(proc_file(node, "oom_score_adj"));
}

// A host name can be had for our own namespace only.
void TaskGraph::fill_uts(Node& node) {
    uts_namespace& uts = node.memory.uts_ns;
    uts.ns.inum = namespace_inum(node, "uts");
    struct stat ours;
    utsname name;
    if (stat("/proc/self/ns/uts", &ours) != 0 || ours.st_ino != uts.ns.inum || uname(&name) != 0)
        return;
    static_assert(sizeof name == sizeof uts.name);
    std::memcpy(&uts.name, &name, sizeof name);
}

}  // namespace skep::hooks
