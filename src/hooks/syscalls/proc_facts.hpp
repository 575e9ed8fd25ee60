// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.hpp"

// What can be found out about other tasks, kept for the next question. A thread id may be reused
// at any time, so nothing is believed without a check that costs less than finding it out again:
//
//   - a pidfd, or a file of /proc/TID, that stays open belongs to that very task: when it has gone,
//     using it fails with ESRCH, and while that works, no other task has the id. So reading comm
//     (0.6 us) or PIDFD_GET_INFO (0.6 us, Linux 6.13) answers and validates at once;
//   - tgkill(tgid, tid, 0) succeeds only while tid is a thread of tgid (0.5 us).
//
// Older kernels tell ids in /proc/TID/status only (6 us), cgroups in /proc/TID/cgroup (4 us).
//
// Ids are as skep's own namespaces show them. A task that has gone gives empty answers. Not
// thread-safe.

namespace skep::hooks {

class ProcFacts {
  public:
    /// `pidfd_info`: use it where the kernel has it.
    explicit ProcFacts(bool pidfd_info = true) : pidfd_info_(pidfd_info) {}

    /// From now on, answers of pidfds may have changed.
    void next_event() { known_.tid = 0; }

    /// Its process. The tid itself where the task has gone.
    pid_t tgid(pid_t tid);

    /// The process that made it, or has inherited it; 0 where the task has gone.
    pid_t parent(pid_t tid);

    /// NUL-padded; all zero where the task has gone.
    std::array<char, 16> comm(pid_t tid);

    struct Ids {
        uint32_t uid = 0;  ///< real ids, as bpf_get_current_uid_gid() gives
        uint32_t gid = 0;
    };
    Ids ids(pid_t tid);

    /// The inode number of its cgroup v2 directory; 0 where there is no such hierarchy or it lies
    /// outside of what is mounted.
    uint64_t cgroup_id(pid_t tid);

    /// Forgets a task, e.g. because it has ended.
    void forget(pid_t tid) {
        entries_.erase(tid);
        next_event();
    }

    /// Processes that something has been asked about, and that live.
    std::vector<pid_t> processes();

  private:
    enum File { Comm, Status, Cgroup, Pidfd, kFiles };

    /// What PIDFD_GET_INFO says, and of whom.
    struct Known {
        pid_t tid = 0;
        pid_t tgid = 0;
        pid_t parent = 0;
        Ids ids;
        uint64_t cgroup_id = 0;
    };

    struct Entry {
        std::array<UniqueFd, kFiles> files;
        pid_t tgid = 0;
        std::optional<Ids> fixed_ids;  ///< known, and beyond the task's power to change
        std::string cgroup_path;
        uint64_t cgroup_id = 0;
    };

    struct CgroupMount {
        std::string root;   ///< the directory of the hierarchy that is mounted
        std::string point;  ///< where
    };
    static std::optional<CgroupMount> find_cgroup_mount();

    Entry& entry(pid_t tid);
    const Known* ask_pidfd(pid_t tid);
    std::string_view read(pid_t tid, File file);
    std::string_view read_open(Entry& of_task, File file);
    uint64_t inode_of_cgroup(std::string_view path);

    bool pidfd_info_;
    Known known_;
    std::unordered_map<pid_t, Entry> entries_;
    std::optional<std::optional<CgroupMount>> cgroup_mount_;  ///< looked for once
    std::array<char, 8192> buffer_;
};

/// All live descendants of `roots` and these themselves, by one look at /proc.
std::vector<pid_t> process_trees(const std::vector<pid_t>& roots);

/// The value of "Name:\tvalue\n" in /proc/TID/status; empty where it is missing.
std::string_view status_field(std::string_view status, std::string_view name);

/// The fields of /proc/TID/stat from the third (state) on: [0] is state, [1] ppid. Empty where the
/// line is cut short before them.
std::vector<std::string_view> stat_fields(std::string_view stat);

}  // namespace skep::hooks
