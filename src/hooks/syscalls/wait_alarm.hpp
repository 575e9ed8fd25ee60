// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <time.h>

#include <cstdint>

// A timeout for system calls that have none (waitpid): after a time, they fail with EINTR.
//
//     alarm.set(5'000'000);                        // 5 ms
//     const pid_t pid = waitpid(-1, &status, 0);   // -1, EINTR where nothing happened
//     alarm.clear();
//
// It is a POSIX timer that signals this thread, with a handler that does nothing. A signal that
// arrives just before the call would be lost on it, so the timer goes on every millisecond. Takes
// the signal SIGRTMAX for as long as it lives, once it has been set; not thread-safe.

namespace skep::hooks {

class WaitAlarm {
  public:
    WaitAlarm() = default;
    WaitAlarm(const WaitAlarm&) = delete;
    WaitAlarm& operator=(const WaitAlarm&) = delete;
    ~WaitAlarm();

    void set(uint64_t nanoseconds);
    void clear();

  private:
    bool start();

    bool started_ = false;
    timer_t timer_{};
    struct sigaction before_{};
    sigset_t mask_before_{};
};

inline timespec to_timespec(uint64_t nanoseconds) {
    return {static_cast<time_t>(nanoseconds / 1'000'000'000),
            static_cast<long>(nanoseconds % 1'000'000'000)};
}

}  // namespace skep::hooks
