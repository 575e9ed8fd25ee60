// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/follow.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace skep::hooks {
namespace {

constexpr int kStreak = 4;     ///< stops in a row that make a task worth following
constexpr int kCycle = 2'048;  ///< stops from trial to trial

bool bind(pid_t tid, int cpu) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(static_cast<size_t>(cpu), &only);
    return sched_setaffinity(tid, sizeof only, &only) == 0;
}

int64_t now_ns() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

template <size_t N>
int64_t median(std::array<int64_t, N> values) {
    std::ranges::nth_element(values, values.begin() + N / 2);
    return values[N / 2];
}

}  // namespace

CpuFollow::CpuFollow() {
    useful_ = sched_getaffinity(0, sizeof ours_, &ours_) == 0 && CPU_COUNT(&ours_) > 1;
}

void CpuFollow::stopped(pid_t tid) {
    if (!useful_) return;
    const int64_t now = now_ns();
    const int64_t interval = now - std::exchange(last_ns_, now);
    if (tid != std::exchange(last_, tid)) {
        streak_ = 0;
        unbind();
    } else if (++streak_ >= kStreak) {
        const bool together = better_together(interval);
        if (together && cpu_ < 0) bind_near(tid);
        if (!together) unbind();
    }
}

/// What to do until the next stop, given the time since the last one.
bool CpuFollow::better_together(int64_t interval) {
    const int at = cycle_;
    cycle_ = (cycle_ + 1) % kCycle;
    if (at < 2 * kTrial && at % kTrial >= kWarmUp)
        intervals_[static_cast<size_t>(at % kTrial - kWarmUp)] = interval;
    if (at == kTrial - 1) apart_ns_ = median(intervals_);
    if (at == 2 * kTrial - 1) together_ = median(intervals_) < apart_ns_;
    if (at < 2 * kTrial - 1) return at >= kTrial - 1;
    return together_;
}

/// To a CPU where both may run, the present one if possible.
void CpuFollow::bind_near(pid_t tid) {
    cpu_set_t both;
    if (sched_getaffinity(tid, sizeof both, &both) != 0) return;
    CPU_AND(&both, &both, &ours_);
    int cpu = sched_getcpu();
    if (cpu < 0 || !CPU_ISSET(static_cast<size_t>(cpu), &both)) {
        cpu = 0;
        while (cpu < CPU_SETSIZE && !CPU_ISSET(static_cast<size_t>(cpu), &both)) cpu++;
    }
    if (cpu < CPU_SETSIZE && bind(0, cpu)) cpu_ = cpu;
}

void CpuFollow::unbind() {
    if (std::exchange(cpu_, -1) >= 0) sched_setaffinity(0, sizeof ours_, &ours_);
}

// Not where the task has one CPU anyway, or may not use ours.
CpuFollow::Pull::Pull(pid_t tid, int cpu) {
    if (cpu < 0 || sched_getaffinity(tid, sizeof before_, &before_) != 0) return;
    if (CPU_COUNT(&before_) > 1 && CPU_ISSET(static_cast<size_t>(cpu), &before_) && bind(tid, cpu))
        tid_ = tid;
}

CpuFollow::Pull::~Pull() {
    if (tid_) sched_setaffinity(tid_, sizeof before_, &before_);
}

}  // namespace skep::hooks
