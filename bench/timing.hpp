// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

// CPU time of the calling thread, for benchmarks on machines that do other things, too.

namespace skep::bench {

inline double cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) * 1e9 + double(now.tv_nsec);
}

template <typename Call>
double ns_per_call(const Call& call, int calls) {
    const double begin = cpu_ns();
    for (int i = 0; i < calls; i++) call();
    return (cpu_ns() - begin) / calls;
}

}  // namespace skep::bench
