// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <optional>

#include "base/file.hpp"
#include "base/result.hpp"
#include "engine/task.hpp"
#include "hooks/syscalls/events.hpp"
#include "hooks/syscalls/launch.hpp"

// The two mechanisms behind ProcessTree, which are one function each: given a child that is about
// to exec under the filter that stops_for() asks for, call the sink for what happens until the last
// watched process has gone. docs/decisions/0002 says when which is used, and what they cost.

namespace skep::hooks {

using EventSink = std::function<void(const TaskEvent&, engine::Task&)>;

/// Called whenever there is nothing to do but wait: after how many nanoseconds to call it again at
/// the latest. Nothing: once something has happened.
using OnIdle = std::function<std::optional<uint64_t>()>;

/// Asks a run to end. request() may be called from any thread or signal handler.
class StopRequest {
  public:
    StopRequest() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    void request() noexcept {
        requested_ = true;
        const uint64_t one = 1;
        if (write(event_.get(), &one, sizeof one) < 0) {
            // The counter is full: it is readable already.
        }
        if (const pid_t pid = waker_; pid > 0) kill(pid, SIGKILL);
    }
    bool requested() const { return requested_; }

    /// Readable once requested.
    int fd() const { return event_.get(); }

    /// A tracer sleeps in waitpid(), which only the fate of a tracee ends: names one for request()
    /// to kill, as all of them will be. 0 for none.
    void set_waker(pid_t pid) { waker_ = pid; }

  private:
    UniqueFd event_;
    std::atomic<bool> requested_ = false;
    std::atomic<pid_t> waker_ = 0;
};

struct Supervised {
    int status = 0;       ///< of the command, as waitpid() gives it
    uint64_t events = 0;  ///< how often the sink was called
};

/// Called once, when the command itself has been reaped and its pid means nothing any more.
using OnReaped = std::function<void()>;

struct Supervision {
    Launch& launch;  ///< started, not released
    const Wanted& wanted;
    StopRequest& stop;
    const EventSink& sink;
    const OnIdle& on_idle;  ///< may be empty
    const OnReaped& on_reaped;

    /// How long to wait at most, after what there was to do meanwhile.
    std::optional<uint64_t> idle() const {
        return on_idle && !stop.requested() ? on_idle() : std::nullopt;
    }
};

/// seccomp user notifications: entries of calls only. Fails with sys_errno EBUSY or EINVAL before
/// the command has run where there can be no listener.
Result<Supervised> supervise_by_notification(const Supervision& supervision);
SyscallSet stops_for_notification(const Wanted& wanted);

/// ptrace with seccomp stops: every kind of event.
Result<Supervised> supervise_by_ptrace(const Supervision& supervision);
SyscallSet stops_for_ptrace(const Wanted& wanted);

}  // namespace skep::hooks
