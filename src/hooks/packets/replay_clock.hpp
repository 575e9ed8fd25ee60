// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "engine/env.hpp"

namespace skep::hooks {

// Time as it was when the packets were captured, for programs that run on them later:
//
//     ReplayClock clock;
//     Env env;
//     env.clock = clock.function();                   // before the object is loaded
//     run_capture(runner, reader, {.clock = &clock}, sink, stats);
//
// All clocks show the time of the packet at hand, in nanoseconds since 1970; those that cannot go
// back stay where they are while packets are out of order. It outlives the Env.
class ReplayClock {
  public:
    void set(uint64_t time_ns) {
        now_ = time_ns;
        latest_ = std::max(latest_, time_ns);
    }
    uint64_t now(engine::Clock clock) const {
        return clock == engine::Clock::Real || clock == engine::Clock::Tai ? now_ : latest_;
    }
    std::function<uint64_t(engine::Clock)> function() const {
        return [this](engine::Clock clock) { return now(clock); };
    }

  private:
    uint64_t now_ = 0;
    uint64_t latest_ = 0;
};

}  // namespace skep::hooks
