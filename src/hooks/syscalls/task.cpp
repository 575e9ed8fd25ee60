// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/task.hpp"

#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace skep::hooks {
namespace {

constexpr uint64_t kPage = 4096;

}  // namespace

void LiveTask::begin(pid_t tid, const Registers& registers, uint64_t notification) {
    tid_ = tid;
    notification_ = notification;
    registers_ = registers;
    facts_.next_event();
    graph_.reset();
}

uint64_t LiveTask::pid_tgid() {
    return static_cast<uint64_t>(facts_.tgid(tid_)) << 32 | static_cast<uint32_t>(tid_);
}

uint64_t LiveTask::uid_gid() {
    const ProcFacts::Ids ids = facts_.ids(tid_);
    return static_cast<uint64_t>(ids.gid) << 32 | ids.uid;
}

// A task in a notification can be killed, and its id given to another, between any two calls of
// ours; what was read counts only if the notification is alive afterwards (seccomp_unotify(2)). A
// ptraced task stays a zombie until we have waited for it, so there the id is safe.
bool LiveTask::still_held() const {
    return listener_ < 0 || ioctl(listener_, SECCOMP_IOCTL_NOTIF_ID_VALID, &notification_) == 0;
}

int LiveTask::read_user(void* to, size_t size, uint64_t address) {
    if (size == 0) return 0;
    const iovec local{to, size};
    const iovec remote{reinterpret_cast<void*>(address), size};
    const ssize_t done = process_vm_readv(tid_, &local, 1, &remote, 1, 0);
    return done == static_cast<ssize_t>(size) && still_held() ? 0 : -EFAULT;
}

int LiveTask::write_user(uint64_t address, const void* from, size_t size) {
    if (size == 0) return 0;
    if (!still_held()) return -EFAULT;
    const iovec local{const_cast<void*>(from), size};
    const iovec remote{reinterpret_cast<void*>(address), size};
    const ssize_t done = process_vm_writev(tid_, &local, 1, &remote, 1, 0);
    return done == static_cast<ssize_t>(size) ? 0 : -EFAULT;
}

// Page by page, for the string may end just before memory does. One call does for nearly all.
int64_t LiveTask::read_user_string(char* to, size_t size, uint64_t address) {
    size_t done = 0;
    while (done < size) {
        const uint64_t at = address + done;
        const size_t chunk = std::min<size_t>(size - done, kPage - at % kPage);
        if (const int error = read_user(to + done, chunk, at)) return error;
        if (const void* end = std::memchr(to + done, 0, chunk))
            return static_cast<const char*>(end) - to + 1;
        done += chunk;
    }
    if (size > 0) to[size - 1] = 0;
    return static_cast<int64_t>(size);
}

bool LiveTask::kernel_readable(uint64_t address, size_t size) {
    const auto begin = reinterpret_cast<uint64_t>(&registers_);
    const bool in_registers = address >= begin && size <= sizeof registers_ &&
                              address - begin <= sizeof registers_ - size;
    return in_registers || graph_.readable(address, size);
}

}  // namespace skep::hooks
