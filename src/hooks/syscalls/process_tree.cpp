// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/process_tree.hpp"

#include <linux/seccomp.h>
#include <sys/wait.h>

#include <cerrno>

#include "hooks/syscalls/launch.hpp"
#include "hooks/syscalls/relay.hpp"
#include "hooks/syscalls/seccomp_filter.hpp"

namespace skep::hooks {

int Outcome::exit_code() const {
    if (exec_errno != 0) return exec_errno == ENOENT ? 127 : 126;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Result<Outcome> ProcessTree::run(const EventSink& sink, const OnIdle& on_idle) {
    if (options_.argv.empty()) return fail(ErrorCode::Usage, "no command to run");
    const auto path = find_command(options_.argv[0]);
    if (!path) return Outcome{.exec_errno = path.error()};
    if (options_.mechanism != Mechanism::Auto)
        return run_with(options_.mechanism, *path, sink, on_idle);
    if (!options_.wanted.enter_only()) return run_with(Mechanism::Ptrace, *path, sink, on_idle);

    Result<Outcome> outcome = run_with(Mechanism::Notification, *path, sink, on_idle);
    // EBUSY: we are under a filter with a listener ourselves, and there can be only one. EINVAL:
    // the kernel is older than 5.5. Either way the command has not run yet.
    const int error = outcome ? 0 : outcome.error().sys_errno;
    if (error != EBUSY && error != EINVAL) return outcome;
    outcome = run_with(Mechanism::Ptrace, *path, sink, on_idle);
    if (outcome) outcome->shadowed = error == EBUSY;
    return outcome;
}

Result<Outcome> ProcessTree::run_with(Mechanism mechanism, const std::string& path,
                                      const EventSink& sink, const OnIdle& on_idle) {
    const bool notify = mechanism == Mechanism::Notification;
    const SyscallSet stops =
        notify ? stops_for_notification(options_.wanted) : stops_for_ptrace(options_.wanted);
    Launch launch = SKEP_TRY(
        Launch::prepare(path, options_.argv,
                        seccomp_filter(stops, notify ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_TRACE),
                        notify ? Launch::For::Notify : Launch::For::Trace));

    SignalRelay relay(stop_);
    SKEP_TRY(launch.start());
    relay.set_command(launch.pid());
    const Supervision supervision{launch, options_.wanted, stop_,
                                  sink,   on_idle,         [&] { relay.set_command(0); }};
    const Supervised done = SKEP_TRY(notify ? supervise_by_notification(supervision)
                                            : supervise_by_ptrace(supervision));
    const int exec_errno = SKEP_TRY(launch.exec_errno());
    return Outcome{.exec_errno = exec_errno,
                   .status = done.status,
                   .no_new_privs = launch.no_new_privs(),
                   .mechanism = mechanism,
                   .events = done.events};
}

}  // namespace skep::hooks
