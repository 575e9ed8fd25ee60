// SPDX-License-Identifier: Apache-2.0
// Helpers that tell who is running, and of what call: the event's task. What Task does not know
// (namespaces' own ids, the parents of a cgroup) is read from /proc, which takes some 20 us.

#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/file.hpp"
#include "base/text.hpp"
#include "engine/helpers.hpp"

namespace skep::engine {
namespace {

pid_t tgid_of(uint64_t pid_tgid) {
    return static_cast<pid_t>(pid_tgid >> 32);
}
pid_t tid_of(uint64_t pid_tgid) {
    return static_cast<pid_t>(pid_tgid);
}

std::string proc_file(uint64_t pid_tgid, const char* name) {
    return fmt::format("/proc/{}/task/{}/{}", tgid_of(pid_tgid), tid_of(pid_tgid), name);
}

std::string read_text(const std::string& path) {
    const Result<Bytes> bytes = read_file(path);
    return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

uint64_t get_current_pid_tgid(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.task().pid_tgid();
}

uint64_t get_current_uid_gid(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.task().uid_gid();
}

uint64_t get_current_comm(Execution& x, uint64_t to, uint64_t size, uint64_t, uint64_t, uint64_t) {
    const std::array<char, 16> comm = x.task().comm();
    auto* text = reinterpret_cast<char*>(to);
    std::memset(text, 0, size);
    std::memcpy(text, comm.data(), std::min<size_t>(strnlen(comm.data(), comm.size()), size - 1));
    return 0;
}

uint64_t get_current_cgroup_id(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.task().cgroup_id();
}

/// Where the cgroup v2 hierarchy is mounted; empty where it is not.
const std::string& cgroup_mount() {
    static const std::string mount = [] {
        const std::string table = read_text("/proc/self/mounts");
        for (const std::string_view line : split(table, '\n')) {
            const auto fields = split(line, ' ');
            if (fields.size() > 2 && fields[2] == "cgroup2") return std::string(fields[1]);
        }
        return std::string();
    }();
    return mount;
}

// Level 0 is the root; 0 where the task's cgroup is not that deep.
uint64_t get_current_ancestor_cgroup_id(Execution& x, uint64_t level, uint64_t, uint64_t, uint64_t,
                                        uint64_t) {
    const auto wanted = static_cast<int32_t>(level);
    if (wanted < 0 || cgroup_mount().empty()) return 0;
    const std::string groups = read_text(proc_file(x.task().pid_tgid(), "cgroup"));
    for (const std::string_view line : split(groups, '\n')) {
        if (!line.starts_with("0::/")) continue;
        std::string directory = cgroup_mount();
        int32_t depth = 0;
        for (const std::string_view part : split(line.substr(4), '/')) {
            if (part.empty() || depth == wanted) break;
            directory.append("/").append(part);
            ++depth;
        }
        struct stat status{};
        if (depth < wanted || stat(directory.c_str(), &status) != 0) return 0;
        return status.st_ino;
    }
    return 0;
}

struct PidnsInfo {  // struct bpf_pidns_info
    uint32_t pid;
    uint32_t tgid;
};

/// The innermost of the ids in a line "NSpid:\t7\t1" of /proc/PID/status; 0 where it is not there.
uint32_t innermost_id(std::string_view status, std::string_view name) {
    for (const std::string_view line : split(status, '\n')) {
        if (!line.starts_with(name)) continue;
        const auto ids = split(line, '\t');
        return static_cast<uint32_t>(parse_uint(ids.back()).value_or(0));
    }
    return 0;
}

uint64_t get_ns_current_pid_tgid(Execution& x, uint64_t dev, uint64_t ino, uint64_t to,
                                 uint64_t size, uint64_t) {
    std::memset(reinterpret_cast<void*>(to), 0, size);
    if (size != sizeof(PidnsInfo)) return errno_result(EINVAL);
    const uint64_t id = x.task().pid_tgid();
    struct stat status{};
    if (stat(proc_file(id, "ns/pid").c_str(), &status) != 0) return errno_result(ENOENT);
    if (status.st_dev != dev || status.st_ino != ino) return errno_result(EINVAL);
    const std::string text = read_text(proc_file(id, "status"));
    const PidnsInfo info{innermost_id(text, "NSpid:"), innermost_id(text, "NStgid:")};
    std::memcpy(reinterpret_cast<void*>(to), &info, sizeof info);
    return 0;
}

uint64_t get_current_task(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.task().task_struct();
}

uint64_t task_pt_regs(Execution& x, uint64_t task, uint64_t, uint64_t, uint64_t, uint64_t) {
    return task == x.task().task_struct() ? x.event().registers : 0;
}

uint64_t send_signal(Execution& x, uint64_t signal, uint64_t, uint64_t, uint64_t, uint64_t) {
    const int error = kill(tgid_of(x.task().pid_tgid()), static_cast<int>(signal)) ? errno : 0;
    return errno_result(error);
}

uint64_t send_signal_thread(Execution& x, uint64_t signal, uint64_t, uint64_t, uint64_t, uint64_t) {
    const uint64_t id = x.task().pid_tgid();
    const long done = syscall(SYS_tgkill, tgid_of(id), tid_of(id), static_cast<int>(signal));
    return errno_result(done ? errno : 0);
}

// There are no kernel functions here, so none has an address; and nobody attaches a cookie.
uint64_t no_address(Execution&, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return 0;
}

// Arguments of a function: an array of 64-bit values is the context.
uint64_t get_func_arg_cnt(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.event().ctx_size / sizeof(uint64_t);
}

uint64_t get_func_arg(Execution& x, uint64_t, uint64_t index, uint64_t to, uint64_t, uint64_t) {
    if (static_cast<uint32_t>(index) >= x.event().ctx_size / sizeof(uint64_t))
        return errno_result(EINVAL);
    std::memcpy(reinterpret_cast<void*>(to),
                x.event().ctx + sizeof(uint64_t) * static_cast<uint32_t>(index), sizeof(uint64_t));
    return 0;
}

// No hook runs a program when a function returns.
uint64_t get_func_ret(Execution&, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return errno_result(EOPNOTSUPP);
}

constexpr HelperRow kRows[] = {
    {platform::HelperId::get_current_pid_tgid, get_current_pid_tgid},
    {platform::HelperId::get_current_uid_gid, get_current_uid_gid},
    {platform::HelperId::get_current_comm, get_current_comm},
    {platform::HelperId::get_current_cgroup_id, get_current_cgroup_id},
    {platform::HelperId::get_current_ancestor_cgroup_id, get_current_ancestor_cgroup_id},
    {platform::HelperId::get_ns_current_pid_tgid, get_ns_current_pid_tgid},
    {platform::HelperId::get_current_task, get_current_task},
    {platform::HelperId::get_current_task_btf, get_current_task},
    {platform::HelperId::task_pt_regs, task_pt_regs},
    {platform::HelperId::send_signal, send_signal},
    {platform::HelperId::send_signal_thread, send_signal_thread},
    {platform::HelperId::get_func_ip, no_address},
    {platform::HelperId::get_attach_cookie, no_address},
    {platform::HelperId::get_func_arg, get_func_arg},
    {platform::HelperId::get_func_ret, get_func_ret},
    {platform::HelperId::get_func_arg_cnt, get_func_arg_cnt},
};

}  // namespace

std::span<const HelperRow> current_helpers() {
    return kRows;
}

}  // namespace skep::engine
