// SPDX-License-Identifier: Apache-2.0
#include "hooks/syscalls/follow.hpp"

namespace skep::hooks {
namespace {

constexpr int kStreak = 4;  ///< stops in a row that make a task worth following

bool bind(pid_t tid, int cpu) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(static_cast<size_t>(cpu), &only);
    return sched_setaffinity(tid, sizeof only, &only) == 0;
}

}  // namespace

CpuFollow::CpuFollow() {
    useful_ = sched_getaffinity(0, sizeof ours_, &ours_) == 0 && CPU_COUNT(&ours_) > 1;
}

void CpuFollow::unbind() {
    if (cpu_ >= 0) sched_setaffinity(0, sizeof ours_, &ours_);
    cpu_ = -1;
}

void CpuFollow::stopped(pid_t tid) {
    if (!useful_) return;
    if (tid != last_) {
        last_ = tid;
        streak_ = 0;
        unbind();
        return;
    }
    if (cpu_ >= 0 || ++streak_ < kStreak) return;
    const int cpu = common_cpu(tid);
    if (cpu >= 0 && bind(0, cpu)) cpu_ = cpu;
}

/// Where both may run, ours if possible; else -1.
int CpuFollow::common_cpu(pid_t tid) const {
    cpu_set_t both;
    if (sched_getaffinity(tid, sizeof both, &both) != 0) return -1;
    CPU_AND(&both, &both, &ours_);
    const int here = sched_getcpu();
    if (here >= 0 && CPU_ISSET(static_cast<size_t>(here), &both)) return here;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(static_cast<size_t>(cpu), &both)) return cpu;
    return -1;
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
