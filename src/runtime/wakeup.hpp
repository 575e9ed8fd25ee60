// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>

#include "base/file.hpp"

namespace skep::runtime {

// What producers of records ring, once until the consumer has looked again: however many records
// come meanwhile, that is one system call.
class Wakeup {
  public:
    Wakeup() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    void ring() {
        if (rung_.exchange(true)) return;
        const uint64_t one = 1;
        if (write(event_.get(), &one, sizeof one) < 0) {
            // It is readable already.
        }
    }
    /// By the consumer, before it looks: what comes from now on rings again.
    void reset() {
        uint64_t ignored;
        while (read(event_.get(), &ignored, sizeof ignored) > 0) {
        }
        rung_.store(false);
    }
    /// Until it is rung, a signal comes, or the time is over.
    void wait(std::chrono::milliseconds timeout) {
        pollfd ready{.fd = event_.get(), .events = POLLIN, .revents = 0};
        poll(&ready, 1, static_cast<int>(std::min<int64_t>(timeout.count(), INT32_MAX)));
    }

  private:
    UniqueFd event_;
    std::atomic<bool> rung_ = false;
};

}  // namespace skep::runtime
