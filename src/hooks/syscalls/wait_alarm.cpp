// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/wait_alarm.hpp"

#include <unistd.h>

#include <algorithm>

namespace skep::hooks {
namespace {

constexpr uint64_t kAgain = 1'000'000;

}  // namespace

bool WaitAlarm::start() {
    if (started_) return true;
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMAX;
    event._sigev_un._tid = gettid();
    // Where there are no timers left for this user, the call ends when something happens.
    if (timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) return false;
    struct sigaction action{};
    action.sa_handler = [](int) {};  // without SA_RESTART
    sigaction(SIGRTMAX, &action, &before_);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMAX);
    pthread_sigmask(SIG_UNBLOCK, &mask, &mask_before_);
    return started_ = true;
}

WaitAlarm::~WaitAlarm() {
    if (!started_) return;
    timer_delete(timer_);
    pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    sigaction(SIGRTMAX, &before_, nullptr);
}

void WaitAlarm::set(uint64_t nanoseconds) {
    if (!start()) return;
    const itimerspec spec{to_timespec(kAgain), to_timespec(std::max<uint64_t>(nanoseconds, 1))};
    timer_settime(timer_, 0, &spec, nullptr);
}

void WaitAlarm::clear() {
    const itimerspec off{};
    if (started_) timer_settime(timer_, 0, &off, nullptr);
}

}  // namespace skep::hooks
