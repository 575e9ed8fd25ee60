// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <unordered_map>

#include "hooks/syscalls/follow.hpp"
#include "hooks/syscalls/proc_facts.hpp"
#include "hooks/syscalls/supervise.hpp"
#include "hooks/syscalls/task.hpp"
#include "hooks/syscalls/wait_alarm.hpp"

// The child is seized before it execs, and everything that it makes is seized by the kernel
// (PTRACE_O_TRACEFORK and kin). A wanted call stops twice at most: at the filter's stop, and, where
// its exit is wanted, once more when it returns. Rules of the dance, from ptrace(2) and 6.12
// kernel/signal.c:
//
//   - a new task and its parent's report of it come in either order; the one that comes first
//     waits, so that Fork precedes all events of the child;
//   - when a thread other than the leader execs, it goes on under the leader's id, and the leader's
//     end is not reported;
//   - a stop signal's group stop is answered by PTRACE_LISTEN, which keeps the task stopped until
//     SIGCONT; every other signal is passed on as it came;
//   - SIGKILL ends a task out of any stop: every request may fail with ESRCH, and then means
//     nothing, since waitpid() reports the end.

namespace skep::hooks {
namespace {

constexpr int kSyscallStop = SIGTRAP | 0x80;
constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |
                          PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                          PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL;

/// What the stop that `tid` is in says besides: a pid, an exit status, the filter's tag.
uint64_t event_message(pid_t tid) {
    unsigned long value = 0;
    ptrace(PTRACE_GETEVENTMSG, tid, 0, &value);
    return value;
}

/// task->prio as the kernel counts: 0 to 99 real time, 120 for nice 0.
int32_t kernel_prio(pid_t tid) {
    sched_param param{};
    if (sched_getparam(tid, &param) == 0 && param.sched_priority > 0)
        return 99 - param.sched_priority;
    return 120 + getpriority(PRIO_PROCESS, static_cast<id_t>(tid));
}

/// bprm->filename of the exec that has just happened: the kernel leaves it on the new stack, and
/// its address in the auxiliary vector.
std::string exec_filename(LiveTask& task) {
    constexpr uint64_t kAtExecFn = 31;
    const Result<Bytes> auxv = read_file(fmt::format("/proc/{}/auxv", task.tid()));
    for (uint64_t at = 0; auxv && load<uint64_t>(*auxv, at + 8); at += 16) {
        if (load<uint64_t>(*auxv, at) != kAtExecFn) continue;
        std::string name(PATH_MAX, '\0');
        const int64_t size =
            task.read_user_string(name.data(), name.size(), *load<uint64_t>(*auxv, at + 8));
        name.resize(size > 0 ? static_cast<size_t>(size - 1) : 0);
        return name;
    }
    return {};
}

struct Tracee {
    pid_t tgid = 0;
    bool announced = false;  ///< counted as a thread of its process; mostly: its parent reported it
    bool started = false;    ///< its first stop has come
    int first_stop = 0;      ///< the status of that, while the task waits to be announced
    pid_t creator = 0;       ///< the process that it comes from, while it waits
    bool exit_sent = false;  ///< TaskExit has been reported

    // The call that stopped last.
    int64_t nr = -1;
    Abi abi = Abi::Native;
    bool exit_stop = false;  ///< it is to stop at its exit, too
};

class Tracer {
  public:
    explicit Tracer(const Supervision& supervision) : run_(supervision) {}

    Result<Supervised> run();

  private:
    pid_t wait(int& status);
    void on_wait(pid_t tid, int status);
    void on_stop(pid_t tid, int status);
    void on_seccomp(pid_t tid);
    void on_syscall_exit(pid_t tid);
    void on_new_child(pid_t parent);
    void on_first_stop(pid_t tid, int status);
    void on_exec(pid_t tid);
    void on_exit(pid_t tid, int32_t code);
    void on_gone(pid_t tid, int status);

    Tracee& announce(pid_t tid, pid_t creator);
    void start(pid_t tid, Tracee& tracee);
    void keep_traced(pid_t tid, int64_t nr);
    void resume(pid_t tid, int signal = 0);
    void resume_together(pid_t tid);
    void kill_all();
    void choose_waker();

    bool begin(pid_t tid);
    template <typename Event>
    void emit(const Event& event) {
        if (run_.stop.requested()) return;
        run_.sink(event, task_);
        result_.events++;
    }

    const Supervision& run_;
    LiveTask task_;
    CpuFollow follow_;
    WaitAlarm alarm_;
    std::unordered_map<pid_t, Tracee> tracees_;
    std::unordered_map<pid_t, int> threads_;  ///< live ones of each process
    bool reaped_ = false;
    bool killed_ = false;
    Supervised result_;
};

Result<Supervised> Tracer::run() {
    const pid_t child = run_.launch.pid();
    if (ptrace(PTRACE_SEIZE, child, 0, kOptions) != 0) {
        return std::unexpected(
            sys_error("cannot trace the command")
                .with_hint("something else traces it already, or ptrace is forbidden here "
                           "(kernel.yama.ptrace_scope, a container's seccomp profile)"));
    }
    announce(child, 0).started = true;
    choose_waker();
    if (run_.stop.requested()) kill_all();
    run_.launch.release();

    while (!tracees_.empty() || !reaped_) {
        int status;
        const pid_t tid = wait(status);
        if (tid < 0 && errno == EINTR) continue;
        if (tid < 0) break;
        on_wait(tid, status);
        if (run_.stop.requested() && !killed_) kill_all();
    }
    run_.stop.set_waker(0);
    return result_;
}

/// As waitpid(): for this thread's children and tracees, as other threads may have their own.
pid_t Tracer::wait(int& status) {
    const std::optional<uint64_t> most = run_.idle();
    if (!most) return waitpid(-1, &status, __WALL | __WNOTHREAD);
    alarm_.set(*most);
    const pid_t tid = waitpid(-1, &status, __WALL | __WNOTHREAD);
    const int error = errno;
    alarm_.clear();
    errno = error;
    return tid;
}

void Tracer::on_wait(pid_t tid, int status) {
    if (!WIFSTOPPED(status)) {
        on_gone(tid, status);
    } else if (const auto found = tracees_.find(tid);
               found == tracees_.end() || !found->second.started) {
        on_first_stop(tid, status);
    } else {
        on_stop(tid, status);
    }
}

void Tracer::on_stop(pid_t tid, int status) {
    const int signal = WSTOPSIG(status);
    switch (status >> 16) {
        case PTRACE_EVENT_SECCOMP: return on_seccomp(tid);
        case PTRACE_EVENT_FORK:
        case PTRACE_EVENT_VFORK:
        case PTRACE_EVENT_CLONE: return on_new_child(tid);
        case PTRACE_EVENT_EXEC: return on_exec(tid);
        case PTRACE_EVENT_EXIT:
            if (!begin(tid)) return;
            on_exit(tid, static_cast<int32_t>(event_message(tid)));
            return resume(tid);
        case PTRACE_EVENT_STOP:
            if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) {
                ptrace(PTRACE_LISTEN, tid, 0, 0);
                return;
            }
            return resume(tid);
        default: break;
    }
    if (signal == kSyscallStop) return on_syscall_exit(tid);
    resume(tid, signal);
}

/// Points the sink's task at `tid` and reads its registers. False where it has been killed.
bool Tracer::begin(pid_t tid) {
    user_regs_struct regs{};
    const bool alive = ptrace(PTRACE_GETREGS, tid, 0, &regs) == 0;
    Registers registers;
    static_assert(offsetof(user_regs_struct, fs_base) == sizeof registers);
    std::memcpy(&registers, &regs, sizeof registers);
    task_.begin(tid, registers);
    return alive;
}

void Tracer::resume(pid_t tid, int signal) {
    const bool exit_stop = tracees_[tid].exit_stop;
    ptrace(exit_stop ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0, signal);
}

void Tracer::resume_together(pid_t tid) {
    follow_.stopped(tid);
    const CpuFollow::Pull pull = follow_.pull(tid);
    resume(tid);
}

void Tracer::on_seccomp(pid_t tid) {
    if (!begin(tid)) return;
    const Registers& regs = task_.registers();
    Tracee& tracee = tracees_[tid];
    tracee.abi = static_cast<Abi>(event_message(tid));
    tracee.nr = static_cast<int32_t>(regs.orig_ax);
    tracee.exit_stop = run_.wanted.exit.contains(tracee.abi, tracee.nr);
    if (run_.wanted.enter.contains(tracee.abi, tracee.nr)) {
        SysEnter event{
            tracee.nr, {regs.di, regs.si, regs.dx, regs.r10, regs.r8, regs.r9}, tracee.abi, &regs};
        if (tracee.abi == Abi::I386)
            event.args = {regs.bx, regs.cx, regs.dx, regs.si, regs.di, regs.bp};
        emit(event);
    }
    if (tracee.abi != Abi::Native ||
        std::ranges::find(kAffinityCalls, tracee.nr) == kAffinityCalls.end())
        return resume_together(tid);
    keep_traced(tid, tracee.nr);
    resume(tid);
}

// A child made with CLONE_UNTRACED would have our filter but no tracer, and each wanted call of it
// would fail with ENOSYS. So nobody gets one; the caller's flags stay changed.
void Tracer::keep_traced(pid_t tid, int64_t nr) {
    user_regs_struct regs{};
    if (nr == SYS_clone && (task_.registers().di & CLONE_UNTRACED)) {
        ptrace(PTRACE_GETREGS, tid, 0, &regs);
        regs.rdi &= ~static_cast<unsigned long long>(CLONE_UNTRACED);
        ptrace(PTRACE_SETREGS, tid, 0, &regs);
    } else if (nr == SYS_clone3) {
        uint64_t flags = 0;  // the first field of struct clone_args
        const uint64_t address = task_.registers().di;
        if (task_.read_user(&flags, sizeof flags, address) != 0 || !(flags & CLONE_UNTRACED))
            return;
        flags &= ~static_cast<uint64_t>(CLONE_UNTRACED);
        task_.write_user(address, &flags, sizeof flags);
    }
}

void Tracer::on_syscall_exit(pid_t tid) {
    if (!begin(tid)) return;
    const Registers& regs = task_.registers();
    Tracee& tracee = tracees_[tid];
    tracee.exit_stop = false;
    // The kernel's tracepoint takes the number from here as well: rt_sigreturn's is -1 by now.
    emit(SysExit{static_cast<int32_t>(regs.orig_ax), static_cast<int64_t>(regs.ax), tracee.abi,
                 &regs});
    resume_together(tid);
}

/// Counts a new task; it is a thread of its creator, or a process.
Tracee& Tracer::announce(pid_t tid, pid_t creator) {
    Tracee& tracee = tracees_[tid];
    const bool thread = creator && syscall(SYS_tgkill, creator, tid, 0) == 0;
    tracee.tgid = thread ? creator : tid;
    tracee.announced = true;
    threads_[tracee.tgid]++;
    return tracee;
}

void Tracer::on_new_child(pid_t parent) {
    const auto child = static_cast<pid_t>(event_message(parent));
    if (child == 0) return;  // the parent has been killed: see on_gone()
    if (run_.wanted.fork) {
        begin(parent);
        const std::array<char, 16> comm = task_.comm();
        emit(Fork{parent, child, comm, comm});
    }
    if (const Tracee& known = tracees_[child]; !known.announced) {
        Tracee& tracee = announce(child, tracees_[parent].tgid);
        const Tracee& from = tracees_[parent];
        tracee.nr = from.nr;
        tracee.abi = from.abi;
        tracee.exit_stop = from.exit_stop;
        if (tracee.started) start(child, tracee);
    }
    resume(parent);
}

void Tracer::on_first_stop(pid_t tid, int status) {
    if (killed_) kill(tid, SIGKILL);
    Tracee& tracee = tracees_[tid];
    tracee.started = true;
    tracee.first_stop = status;
    if (tracee.announced) return start(tid, tracee);
    const pid_t tgid = task_.facts().tgid(tid);
    tracee.creator = tgid != tid ? tgid : task_.facts().parent(tid);
    // Killed in the middle of its clone, the parent will not report it.
    if (!threads_.contains(tracee.creator)) start(tid, announce(tid, tracee.creator));
}

/// Lets a task go that has been announced and has had its first stop. The exit of the call that
/// made it is its own, too, though ptrace does not stop there.
void Tracer::start(pid_t tid, Tracee& tracee) {
    if (tracee.exit_stop && begin(tid)) {
        const Registers& regs = task_.registers();
        emit(SysExit{tracee.nr, static_cast<int64_t>(regs.ax), tracee.abi, &regs});
    }
    tracee.exit_stop = false;
    on_stop(tid, tracee.first_stop);
}

void Tracer::on_exec(pid_t tid) {
    const auto old_tid = static_cast<pid_t>(event_message(tid));
    if (old_tid == 0) return;  // killed
    if (old_tid != tid && tracees_.contains(old_tid)) {
        tracees_[tid] = tracees_[old_tid];
        tracees_.erase(old_tid);
    }
    tracees_[tid].tgid = tid;
    threads_[tid] = 1;
    task_.facts().forget(tid);
    task_.facts().forget(old_tid);
    if (run_.wanted.exec) {
        begin(tid);
        const std::string filename = exec_filename(task_);
        emit(Exec{filename, tid, old_tid});
    }
    resume(tid);
}

void Tracer::on_exit(pid_t tid, int32_t code) {
    Tracee& tracee = tracees_[tid];
    tracee.exit_sent = true;
    const bool group_dead = --threads_[tracee.tgid] <= 0;
    if (group_dead) threads_.erase(tracee.tgid);
    if (run_.wanted.task_exit)
        emit(TaskExit{tid, kernel_prio(tid), code, group_dead, task_.comm()});
}

void Tracer::on_gone(pid_t tid, int status) {
    const auto found = tracees_.find(tid);
    if (found == tracees_.end()) return;  // some other child of our caller's
    if (tid == run_.launch.pid()) {
        reaped_ = true;
        result_.status = status;
        run_.on_reaped();
    }
    // Killed again on its way out, it may not have stopped there.
    if (!found->second.exit_sent && found->second.announced) {
        task_.begin(tid, {});
        on_exit(tid, status);
    }
    const pid_t tgid = found->second.tgid;
    tracees_.erase(tid);
    task_.facts().forget(tid);
    choose_waker();

    std::vector<pid_t> orphans;
    for (const auto& [child, tracee] : tracees_)
        if (tracee.started && !tracee.announced && tracee.creator == tgid) orphans.push_back(child);
    for (const pid_t child : orphans) start(child, announce(child, tgid));
}

void Tracer::kill_all() {
    killed_ = true;
    for (const auto& [tid, tracee] : tracees_) kill(tid, SIGKILL);
}

void Tracer::choose_waker() {
    const pid_t child = run_.launch.pid();
    if (tracees_.contains(child))
        run_.stop.set_waker(child);
    else
        run_.stop.set_waker(tracees_.empty() ? 0 : tracees_.begin()->first);
}

}  // namespace

SyscallSet stops_for_ptrace(const Wanted& wanted) {
    SyscallSet stops = wanted.enter;
    stops.add(wanted.exit);
    for (const int64_t nr : kAffinityCalls) stops.add(nr);
    return stops;
}

Result<Supervised> supervise_by_ptrace(const Supervision& supervision) {
    return Tracer(supervision).run();
}

}  // namespace skep::hooks
