// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/execution.hpp"
#include "maps/map.hpp"

namespace skep::engine {

// The timers (struct bpf_timer in values of maps) of one object. The kernel runs their callbacks in
// an interrupt; here whoever raises events does, between two of them:
//
//     if (object.timers().armed()) object.timers().run_due(execution, event);
//     const auto sleep = object.timers().next_due();      // no event: until the next
//
// The bytes of struct bpf_timer stay zero; a timer is known by their address. Safe from any thread;
// callbacks run on the caller's.
//
// Source: bpf_timer_*() of kernel/bpf/helpers.c, Linux 6.18.
class Timers {
  public:
    explicit Timers(const Env& env) : env_(env) {}

    /// The helpers; `timer` is the address of a struct bpf_timer inside `value`, of `map`.
    int init(maps::Map& map, uint8_t* value, uint64_t timer, uint64_t flags);
    int set_callback(uint64_t timer, const Prog& prog, uint64_t function);
    int start(uint64_t timer, uint64_t nanoseconds, uint64_t flags);
    int cancel(const Execution& x, uint64_t timer);

    /// The value has been freed or replaced: its timer is gone (Map::on_release()).
    void release(const maps::Map& map, const uint8_t* value);

    /// Whether any timer is running; cheap.
    bool armed() const { return armed_.load(std::memory_order_relaxed) != 0; }
    /// Runs the callbacks of all timers that are due, each once; of faults the first is returned.
    std::optional<Fault> run_due(Execution& x, Event& event);
    /// Nanoseconds until the next one is due (0: now); nothing where none is running.
    std::optional<uint64_t> next_due() const;

  private:
    static constexpr std::array kClocks = {Clock::Real, Clock::Monotonic, Clock::Boot};

    struct Timer {
        maps::Map* map;
        uint8_t* value;
        size_t clock;  ///< in kClocks
        const Prog* prog = nullptr;
        uint64_t function = 0;
        std::optional<uint64_t> expires = {};
    };
    struct Due {
        uint64_t address;
        Timer timer;
    };

    bool disarm(uint64_t address, Timer& timer);
    std::vector<Due> take_due();
    std::optional<Fault> run(Execution& x, Event& event, const Due& due);

    const Env& env_;
    mutable std::mutex mutex_;
    std::map<uint64_t, Timer> timers_;
    /// By clock: when, and which.
    std::array<std::set<std::pair<uint64_t, uint64_t>>, kClocks.size()> queues_;
    std::atomic<size_t> armed_ = 0;
    /// The callback that runs now, by execution.
    std::map<const Execution*, uint64_t> running_;
};

}  // namespace skep::engine
