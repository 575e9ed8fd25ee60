// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/proc_facts.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <unordered_set>

#include "base/text.hpp"

namespace skep::hooks {
namespace {

// Descriptors are scarce (often 1024 for a process): forget everything beyond this many tasks.
constexpr size_t kMaxEntries = 100;

// include/uapi/linux/pidfd.h of Linux 6.13; Debian 12's headers are older.
struct PidfdInfo {
    uint64_t mask;
    uint64_t cgroupid;
    uint32_t pid, tgid, ppid;
    uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    uint32_t spare;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr uint64_t kInfoPidCredsCgroup = 7;
constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);
constexpr unsigned kPidfdThread = O_EXCL;  // 6.9: any thread, not only a leader

bool is_thread_of(pid_t tgid, pid_t tid) {
    return syscall(SYS_tgkill, tgid, tid, 0) == 0 || errno == EPERM;
}

uint64_t first_number(std::string_view text, int base = 10) {
    const size_t end = text.find_first_of(" \t\n");
    const std::string word(text.substr(0, end));
    return std::strtoull(word.c_str(), nullptr, base);
}

// Whether nothing that the task does can change its real ids: all four of each kind are equal, it
// has no capability, and may not gain any by exec (6.12 kernel/sys.c:__sys_setresuid; a new user
// namespace of its own maps it onto itself).
bool ids_are_fixed(std::string_view status) {
    const auto all_equal = [&](std::string_view name) {
        const std::vector<std::string_view> ids = split(status_field(status, name), '\t');
        return ids.size() == 4 && std::ranges::all_of(ids, [&](auto id) { return id == ids[0]; });
    };
    return all_equal("Uid") && all_equal("Gid") && status_field(status, "NoNewPrivs") == "1" &&
           first_number(status_field(status, "CapPrm"), 16) == 0;
}

}  // namespace

std::string_view status_field(std::string_view status, std::string_view name) {
    while (!status.empty()) {
        const size_t end = std::min(status.find('\n'), status.size());
        const std::string_view line = status.substr(0, end);
        if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':')
            return trim(line.substr(name.size() + 1));
        status.remove_prefix(std::min(end + 1, status.size()));
    }
    return {};
}

std::vector<std::string_view> stat_fields(std::string_view stat) {
    const size_t comm_end = stat.rfind(')');  // comm itself may contain ") "
    if (comm_end == std::string_view::npos || comm_end + 2 > stat.size()) return {};
    return split(trim(stat.substr(comm_end + 2)), ' ');
}

std::string_view ProcFacts::read_open(Entry& of_task, File file) {
    const ssize_t size = pread(of_task.files[file].get(), buffer_.data(), buffer_.size(), 0);
    return size > 0 ? std::string_view(buffer_.data(), static_cast<size_t>(size))
                    : std::string_view();
}

ProcFacts::Entry& ProcFacts::entry(pid_t tid) {
    if (const auto found = entries_.find(tid); found != entries_.end()) return found->second;
    if (entries_.size() >= kMaxEntries) entries_.clear();
    return entries_[tid];
}

/// Nothing where the kernel does not know how, or the task has gone.
const ProcFacts::Known* ProcFacts::ask_pidfd(pid_t tid) {
    if (known_.tid == tid) return &known_;
    for (int attempt = 0; pidfd_info_ && attempt < 2; attempt++) {
        UniqueFd& fd = entry(tid).files[Pidfd];
        if (!fd) fd.reset(static_cast<int>(syscall(SYS_pidfd_open, tid, kPidfdThread)));
        PidfdInfo info{};
        info.mask = kInfoPidCredsCgroup;
        if (fd && ioctl(fd.get(), kPidfdGetInfo, &info) == 0) {
            known_ = {tid,
                      static_cast<pid_t>(info.tgid),
                      static_cast<pid_t>(info.ppid),
                      {info.ruid, info.rgid},
                      info.cgroupid};
            return &known_;
        }
        if (errno != ESRCH) pidfd_info_ = false;
        entries_.erase(tid);  // perhaps another task had the id
    }
    return nullptr;
}

std::string_view ProcFacts::read(pid_t tid, File file) {
    static constexpr std::array<const char*, 3> kNames = {"comm", "status", "cgroup"};
    if (const auto found = entries_.find(tid);
        found != entries_.end() && found->second.files[file]) {
        if (const std::string_view text = read_open(found->second, file); !text.empty())
            return text;
        entries_.erase(found);  // that task has gone, and all that was known of it
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", tid, kNames[file]);
    UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
    if (!fd) return {};
    Entry& of_task = entry(tid);
    of_task.files[file] = std::move(fd);
    return read_open(of_task, file);
}

std::array<char, 16> ProcFacts::comm(pid_t tid) {
    std::array<char, 16> result{};
    std::string_view text = read(tid, Comm);
    if (text.ends_with('\n')) text.remove_suffix(1);
    std::copy_n(text.begin(), std::min(text.size(), result.size() - 1), result.begin());
    return result;
}

pid_t ProcFacts::tgid(pid_t tid) {
    if (const Known* known = ask_pidfd(tid)) return known->tgid;
    if (const auto found = entries_.find(tid); found != entries_.end() && found->second.tgid)
        if (is_thread_of(found->second.tgid, tid)) return found->second.tgid;
    pid_t tgid = tid;
    if (!is_thread_of(tid, tid)) {
        const uint64_t listed = first_number(status_field(read(tid, Status), "Tgid"));
        if (listed == 0) return tid;
        tgid = static_cast<pid_t>(listed);
    }
    entry(tid).tgid = tgid;
    return tgid;
}

pid_t ProcFacts::parent(pid_t tid) {
    if (const Known* known = ask_pidfd(tid)) return known->parent;
    return static_cast<pid_t>(first_number(status_field(read(tid, Status), "PPid")));
}

ProcFacts::Ids ProcFacts::ids(pid_t tid) {
    if (const Known* known = ask_pidfd(tid)) return known->ids;
    // With comm open from before the ids are kept, its being readable vouches for them.
    if (read(tid, Comm).empty()) return {};
    if (const auto& fixed = entry(tid).fixed_ids) return *fixed;
    const std::string_view status = read(tid, Status);
    const Ids ids{static_cast<uint32_t>(first_number(status_field(status, "Uid"))),
                  static_cast<uint32_t>(first_number(status_field(status, "Gid")))};
    if (ids_are_fixed(status)) entry(tid).fixed_ids = ids;
    return ids;
}

std::optional<ProcFacts::CgroupMount> ProcFacts::find_cgroup_mount() {
    const Result<Bytes> mounts = read_file("/proc/self/mountinfo");
    if (!mounts) return std::nullopt;
    const std::string_view text(reinterpret_cast<const char*>(mounts->data()), mounts->size());
    for (const std::string_view line : split(text, '\n')) {
        // 41 31 0:38 / /sys/fs/cgroup rw,relatime [optional...] - cgroup2 cgroup2 rw
        if (line.find(" - cgroup2 ") == std::string_view::npos) continue;
        const std::vector<std::string_view> fields = split(line, ' ');
        if (fields.size() > 4) return CgroupMount{std::string(fields[3]), std::string(fields[4])};
    }
    return std::nullopt;
}

uint64_t ProcFacts::inode_of_cgroup(std::string_view path) {
    if (!cgroup_mount_) cgroup_mount_ = find_cgroup_mount();
    if (!*cgroup_mount_) return 0;
    const CgroupMount& mount = **cgroup_mount_;
    // "/../x" is outside of our cgroup namespace.
    if (path.starts_with("/..")) return 0;
    if (mount.root != "/") {
        if (!path.starts_with(mount.root)) return 0;
        path.remove_prefix(mount.root.size());
    }
    struct stat info;
    const std::string directory = mount.point + std::string(path);
    return stat(directory.c_str(), &info) == 0 ? info.st_ino : 0;
}

uint64_t ProcFacts::cgroup_id(pid_t tid) {
    if (const Known* known = ask_pidfd(tid)) return known->cgroup_id;
    for (const std::string_view line : split(read(tid, Cgroup), '\n')) {
        if (!line.starts_with("0::")) continue;
        const std::string_view path = line.substr(3);
        Entry& of_task = entry(tid);
        if (of_task.cgroup_path != path) {
            of_task.cgroup_path = path;
            of_task.cgroup_id = inode_of_cgroup(path);
        }
        return of_task.cgroup_id;
    }
    return 0;
}

std::vector<pid_t> ProcFacts::processes() {
    std::vector<pid_t> alive;
    for (auto& [tid, of_task] : entries_) {
        PidfdInfo info{};
        if (of_task.files[Pidfd] ? ioctl(of_task.files[Pidfd].get(), kPidfdGetInfo, &info) == 0
                                 : of_task.files[Comm] && !read_open(of_task, Comm).empty())
            alive.push_back(tid);
    }
    next_event();
    std::ranges::transform(alive, alive.begin(), [&](pid_t tid) { return tgid(tid); });
    return alive;
}

std::vector<pid_t> process_trees(const std::vector<pid_t>& roots) {
    std::unordered_map<pid_t, std::vector<pid_t>> children;
    const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
    while (const dirent* entry = proc ? readdir(proc.get()) : nullptr) {
        const auto pid = parse_int(entry->d_name);
        if (!pid) continue;
        const Result<Bytes> stat = read_file(fmt::format("/proc/{}/stat", *pid));
        if (!stat) continue;
        const std::vector<std::string_view> fields = stat_fields(
            std::string_view(reinterpret_cast<const char*>(stat->data()), stat->size()));
        if (fields.size() > 1)
            children[static_cast<pid_t>(first_number(fields[1]))].push_back(
                static_cast<pid_t>(*pid));
    }
    std::vector<pid_t> result = roots;
    std::unordered_set<pid_t> seen(roots.begin(), roots.end());
    for (size_t i = 0; i < result.size(); i++)
        for (const pid_t child : children[result[i]])
            if (seen.insert(child).second) result.push_back(child);
    return result;
}

}  // namespace skep::hooks
