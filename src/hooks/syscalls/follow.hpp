// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sched.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <array>
#include <cstdint>

// Keeps the supervisor and the task that it serves on one CPU, where that is faster. A stop is a
// hand-over between two tasks of which one always sleeps; the scheduler, which does not know that,
// likes to wake the other on an idle CPU, and waking that up costs 40 to 80 us in a virtual machine
// (on a busy machine there is no idle CPU, and nothing to gain).
//
// Once the same task has stopped several times in a row (one busy task; many in parallel are left
// where they are), the supervisor binds itself to a CPU, and resumes the task like this:
//
//     follow.stopped(tid);
//     {
//         const CpuFollow::Pull pull = follow.pull(tid);   // binds the task to our CPU
//         ptrace(PTRACE_CONT, tid, 0, 0);                  // so it wakes up here
//     }                                                    // and is free again before it runs
//
// That costs three calls, 2.7 us; whether it pays is tried out every 2,048 stops, by ten stops
// apart and ten together.
//
// The task could run before its affinity is restored, if the scheduler prefers it to us. So calls
// that could tell or inherit it, kAffinityCalls, must stop as well, without a pull: we then answer
// one stop at a time, and the earlier pull has ended. Not thread-safe; belongs to one thread.

namespace skep::hooks {

/// Calls that can tell a task's affinity, change it or hand it on.
inline constexpr std::array kAffinityCalls = {
    SYS_clone, SYS_clone3, SYS_fork, SYS_vfork, SYS_sched_setaffinity, SYS_sched_getaffinity};

class CpuFollow {
  public:
    CpuFollow();
    CpuFollow(const CpuFollow&) = delete;
    CpuFollow& operator=(const CpuFollow&) = delete;
    ~CpuFollow() { unbind(); }

    /// A task has stopped; to be called for each stop that pull() follows.
    void stopped(pid_t tid);

    class Pull {
      public:
        Pull(pid_t tid, int cpu);
        Pull(const Pull&) = delete;
        Pull& operator=(const Pull&) = delete;
        ~Pull();

      private:
        pid_t tid_ = 0;
        cpu_set_t before_;
    };

    /// Holds `tid` on our CPU for as long as the result lives, where that pays; else does nothing.
    Pull pull(pid_t tid) const { return Pull(tid, cpu_); }

  private:
    static constexpr int kTrial = 10;  ///< stops each way
    static constexpr int kWarmUp = 2;  ///< of which so many still feel the other way

    bool better_together(int64_t interval);
    void bind_near(pid_t tid);
    void unbind();

    bool useful_ = false;  ///< there is more than one CPU
    int cpu_ = -1;         ///< the one that we are bound to, or -1
    cpu_set_t ours_;

    pid_t last_ = 0;
    int streak_ = 0;
    int64_t last_ns_ = 0;

    int cycle_ = 0;  ///< stops since the last trial began
    std::array<int64_t, kTrial - kWarmUp> intervals_{};
    int64_t apart_ns_ = 0;
    bool together_ = false;  ///< the trial's result
};

}  // namespace skep::hooks
