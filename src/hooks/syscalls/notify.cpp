// SPDX-License-Identifier: Apache-2.0
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "hooks/syscalls/follow.hpp"
#include "hooks/syscalls/supervise.hpp"
#include "hooks/syscalls/task.hpp"
#include "hooks/syscalls/wait_alarm.hpp"

// A call that the filter stops puts its task to sleep in the kernel (killably: signals wait, from
// 5.19 on) and makes the listener readable; we look, and answer "continue". Nothing else about the
// task changes, so that it may be traced by somebody else. The listener hangs up when the last task
// under the filter has gone: that ends the run, wherever processes have been reparented to.

namespace skep::hooks {
namespace {

// Since Linux 6.6: the two wake-ups of a notification stay on the CPU, which makes it 8 times
// cheaper where another is idle. Newer than Debian 12's headers.
constexpr unsigned long kSetFlags = SECCOMP_IOW(4, __u64);
constexpr unsigned long kSyncWakeUp = 1;

constexpr uint32_t kX32Bit = 0x40000000;

/// Whether the kernel is older than kSyncWakeUp. The filter must be made before there is a listener
/// to try it on; an answer that is wrong costs time only.
bool before_sync_wake_up() {
    utsname name{};
    int major = 0, minor = 0;
    if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
    return major < 6 || (major == 6 && minor < 6);
}

Abi abi_of(const seccomp_data& data) {
    if (data.arch != AUDIT_ARCH_X86_64) return Abi::I386;
    return static_cast<uint32_t>(data.nr) >= kX32Bit ? Abi::X32 : Abi::Native;
}

/// The registers at the entry of a call, as far as they follow from it (6.12
/// arch/x86/entry/entry_64.S: ax holds -ENOSYS, syscall leaves ip in cx and flags in r11).
Registers registers_of(const seccomp_data& data, Abi abi) {
    Registers regs{};
    const auto& args = data.args;
    if (abi == Abi::I386) {
        regs.bx = args[0], regs.cx = args[1], regs.dx = args[2];
        regs.si = args[3], regs.di = args[4], regs.bp = args[5];
    } else {
        regs.di = args[0], regs.si = args[1], regs.dx = args[2];
        regs.r10 = args[3], regs.r8 = args[4], regs.r9 = args[5];
        regs.cx = data.instruction_pointer;
    }
    regs.orig_ax = static_cast<uint64_t>(static_cast<int64_t>(data.nr));
    regs.ax = static_cast<uint64_t>(-ENOSYS);
    regs.ip = data.instruction_pointer;
    regs.cs = 0x33, regs.ss = 0x2b;
    return regs;
}

class Notifier {
  public:
    Notifier(const Supervision& supervision, UniqueFd listener)
        : run_(supervision), listener_(std::move(listener)), task_(listener_.get()) {
        follows_ = ioctl(listener_.get(), kSetFlags, kSyncWakeUp) != 0;
    }

    Result<Supervised> run();

  private:
    void answer_next();
    void reap(int options);
    void kill_all();

    const Supervision& run_;
    UniqueFd listener_;
    LiveTask task_;
    CpuFollow follow_;
    bool follows_;  ///< the kernel does not keep the two of us together
    bool reaped_ = false;
    Supervised result_;
};

Result<Supervised> Notifier::run() {
    // Under stop(): how long to wait for processes that could not be found to be killed.
    constexpr uint64_t kPatience = 1'000'000'000;

    const UniqueFd child(static_cast<int>(syscall(SYS_pidfd_open, run_.launch.pid(), 0)));
    if (!child) return std::unexpected(sys_error("pidfd_open"));
    enum { Listener, Child, Stop };
    pollfd fds[] = {
        {listener_.get(), POLLIN, 0}, {child.get(), POLLIN, 0}, {run_.stop.fd(), POLLIN, 0}};
    for (;;) {
        const bool stopping = run_.stop.requested();
        const std::optional<uint64_t> most = stopping ? kPatience : run_.idle();
        const timespec timeout = to_timespec(most.value_or(0));
        const int ready = ppoll(fds, std::size(fds), most ? &timeout : nullptr, nullptr);
        if (ready < 0 && errno != EINTR) return std::unexpected(sys_error("poll"));
        if (ready == 0 && stopping) break;
        if (ready <= 0) continue;
        if (fds[Stop].revents) {
            fds[Stop].fd = -1;
            kill_all();
        }
        if (fds[Child].revents) {
            fds[Child].fd = -1;
            reap(WNOHANG);
        }
        if (fds[Listener].revents & POLLIN)
            answer_next();
        else if (fds[Listener].revents & (POLLHUP | POLLERR))
            break;
    }
    if (!reaped_) reap(0);
    return result_;
}

void Notifier::reap(int options) {
    reaped_ = waitpid(run_.launch.pid(), &result_.status, options | __WALL) == run_.launch.pid();
    if (reaped_) run_.on_reaped();
}

// Orphans that have not been heard of yet cannot be found; answer_next() gets those that call.
void Notifier::kill_all() {
    std::vector<pid_t> roots = task_.facts().processes();
    if (!reaped_) roots.push_back(run_.launch.pid());
    for (const pid_t pid : process_trees(roots)) kill(pid, SIGKILL);
}

void Notifier::answer_next() {
    // A newer kernel's struct may be longer than ours; it must be zero.
    union {
        seccomp_notif request;
        char space[512];
    } buffer;
    std::memset(&buffer, 0, sizeof buffer);
    const seccomp_notif& request = buffer.request;
    // Fails where the task was killed, or interrupted, in between: it will ask again.
    if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &buffer.request) != 0) return;

    const auto tid = static_cast<pid_t>(request.pid);
    const Abi abi = abi_of(request.data);
    if (run_.stop.requested()) {
        kill(task_.facts().tgid(tid), SIGKILL);
    } else if (run_.wanted.enter.contains(abi, request.data.nr)) {
        task_.begin(tid, registers_of(request.data, abi), request.id);
        SysEnter event{request.data.nr, {}, abi, &task_.registers()};
        std::copy_n(request.data.args, event.args.size(), event.args.begin());
        run_.sink(event, task_);
        result_.events++;
    }

    seccomp_notif_resp response{};
    response.id = request.id;
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    const auto respond = [&] { ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &response); };
    if (follows_ && std::ranges::find(kAffinityCalls, request.data.nr) == kAffinityCalls.end()) {
        follow_.stopped(tid);
        const CpuFollow::Pull pull = follow_.pull(tid);
        respond();
    } else {
        respond();
    }
}

}  // namespace

SyscallSet stops_for_notification(const Wanted& wanted) {
    SyscallSet stops = wanted.enter;
    if (before_sync_wake_up())
        for (const int64_t nr : kAffinityCalls) stops.add(nr);
    return stops;
}

Result<Supervised> supervise_by_notification(const Supervision& supervision) {
    supervision.launch.release();
    UniqueFd listener = SKEP_TRY(supervision.launch.wait_for_listener());
    return Notifier(supervision, std::move(listener)).run();
}

}  // namespace skep::hooks
