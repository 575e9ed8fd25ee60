// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace skep::engine {

// The process on whose behalf a program runs: what "current" is in the kernel. An event source
// (hooks/) implements it over a live, stopped process; replayed packets run as skep's own process.
// Answers may be computed on first use and kept for the length of one event; one thread at a time.
class Task {
  public:
    virtual ~Task() = default;

    virtual uint64_t pid_tgid() = 0;          ///< tgid << 32 | tid, as bpf_get_current_pid_tgid()
    virtual uint64_t uid_gid() = 0;           ///< gid << 32 | uid, as bpf_get_current_uid_gid()
    virtual std::array<char, 16> comm() = 0;  ///< NUL-padded, always terminated
    virtual uint64_t cgroup_id() = 0;  ///< inode number of its cgroup v2 directory; 0 where unknown

    /// The process's real memory. 0, or -EFAULT where any byte of it cannot be reached.
    virtual int read_user(void* to, size_t size, uint64_t address) = 0;
    /// The string at `address`, as strncpy_from_user_nofault() copies it: its length with the NUL,
    /// or `size` where it had to be cut (the last byte is then NUL); -EFAULT where memory ends
    /// before the string does. 0 where `size` is 0.
    virtual int64_t read_user_string(char* to, size_t size, uint64_t address) = 0;

    virtual int write_user(uint64_t address, const void* from, size_t size) = 0;

    /// The address of a `struct task_struct` in the layout of the embedded platform's BTF, filled
    /// with what is known of this process; its parent, credentials and namespaces hang off it.
    /// Valid until the event ends, read-only to programs.
    virtual uint64_t task_struct() = 0;

    /// Whether [address, address + size) is memory reached from task_struct() (or the registers of
    /// the event), so that bpf_probe_read_kernel() and BTF pointers may read it. To be asked before
    /// each read: what has not been asked about may not have been found out yet.
    virtual bool kernel_readable(uint64_t address, size_t size) = 0;
};

}  // namespace skep::engine
