// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <csignal>

#include "hooks/syscalls/supervise.hpp"

// What happens to signals that ask skep to end while it watches a command. Ctrl-C reaches the
// command from the terminal itself, so skep just stays; a signal that was sent to skep alone is
// passed on. In both cases the run ends when the processes do. Once the command has ended and only
// processes are left that it has put into the background, such a signal ends the run, and them.
//
// Signals that were ignored when skep started (nohup) stay so.

namespace skep::hooks {

class SignalRelay {
  public:
    /// One at a time in a process.
    explicit SignalRelay(StopRequest& stop);
    SignalRelay(const SignalRelay&) = delete;
    SignalRelay& operator=(const SignalRelay&) = delete;
    ~SignalRelay();

    /// Whom to pass signals on to; 0 once it has been reaped.
    void set_command(pid_t pid) { command_ = pid; }

  private:
    static void handle(int signal, siginfo_t* info, void* context);

    static constexpr std::array kRelayed = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    static std::atomic<SignalRelay*> active_;

    StopRequest& stop_;
    std::atomic<pid_t> command_ = 0;
    std::array<struct sigaction, kRelayed.size()> before_{};
    struct sigaction child_before_{};
};

}  // namespace skep::hooks
