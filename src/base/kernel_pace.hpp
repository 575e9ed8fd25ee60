// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace skep {

// For tests that load thousands of programs or filters. The kernel frees each in a work item after
// a grace period, under one mutex; Linux 6.18 deadlocks for good when more of them are due on one
// CPU than its queue runs at once (1,024) and the one that holds the mutex has to purge vmalloc
// space, which takes the same queue. So every 128th load waits for a grace period and lets the
// queue drain: 0.1 ms a load.
inline void pace_program_loads() {
    static unsigned loads = 0;
    if (++loads % 128 != 0) return;
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
    usleep(10'000);
}

}  // namespace skep
