// SPDX-License-Identifier: Apache-2.0
#include "engine/env.hpp"

#include <time.h>

namespace skep::engine {

namespace {

clockid_t clock_id(Clock which) {
    switch (which) {
        case Clock::Monotonic: return CLOCK_MONOTONIC;
        case Clock::Boot: return CLOCK_BOOTTIME;
        case Clock::Tai: return CLOCK_TAI;
        case Clock::Real: return CLOCK_REALTIME;
        case Clock::Coarse: return CLOCK_MONOTONIC_COARSE;
    }
    return CLOCK_MONOTONIC;
}

}  // namespace

uint64_t Env::now(Clock which) const {
    if (clock) return clock(which);
    timespec now{};
    clock_gettime(clock_id(which), &now);
    return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
}

}  // namespace skep::engine
