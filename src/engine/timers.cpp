// SPDX-License-Identifier: Apache-2.0
#include "engine/timers.hpp"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "engine/prog.hpp"

namespace skep::engine {
namespace {

constexpr uint64_t kAbsolute = 1;  // BPF_F_TIMER_ABS
constexpr uint64_t kPinned = 2;    // BPF_F_TIMER_CPU_PIN
constexpr uint64_t kNever = std::numeric_limits<int64_t>::max();

/// The key of an element, by its value; empty where it is no longer in the map.
std::vector<uint8_t> key_of(maps::Map& map, const uint8_t* value, uint32_t cpu) {
    std::vector<uint8_t> found;
    const auto visit = [&](const void* key, void* at) {
        if (at != value) return false;
        const auto* bytes = static_cast<const uint8_t*>(key);
        found.assign(bytes, bytes + map.def().key_size);
        return true;
    };
    map.for_each(visit, 0, cpu);
    return found;
}

}  // namespace

int Timers::init(maps::Map& map, uint8_t* value, uint64_t timer, uint64_t flags) {
    size_t clock = 0;
    switch (flags) {
        case CLOCK_REALTIME: clock = 0; break;
        case CLOCK_MONOTONIC: clock = 1; break;
        case CLOCK_BOOTTIME: clock = 2; break;
        default: return -EINVAL;
    }
    const std::lock_guard lock(mutex_);
    return timers_.try_emplace(timer, Timer{&map, value, clock}).second ? 0 : -EBUSY;
}

int Timers::set_callback(uint64_t timer, const Prog& prog, uint64_t function) {
    const std::lock_guard lock(mutex_);
    const auto found = timers_.find(timer);
    if (found == timers_.end()) return -EINVAL;
    found->second.prog = &prog;
    found->second.function = function;
    return 0;
}

bool Timers::disarm(uint64_t address, Timer& timer) {
    if (!timer.expires) return false;
    queues_[timer.clock].erase({*timer.expires, address});
    timer.expires.reset();
    --armed_;
    return true;
}

int Timers::start(uint64_t timer, uint64_t nanoseconds, uint64_t flags) {
    if (flags & ~(kAbsolute | kPinned)) return -EINVAL;
    const std::lock_guard lock(mutex_);
    const auto found = timers_.find(timer);
    if (found == timers_.end() || !found->second.prog) return -EINVAL;
    Timer& one = found->second;
    disarm(timer, one);
    uint64_t expires = std::min(nanoseconds, kNever);
    if (!(flags & kAbsolute)) expires = std::min(expires + env_.now(kClocks[one.clock]), kNever);
    one.expires = expires;
    queues_[one.clock].emplace(expires, timer);
    ++armed_;
    return 0;
}

int Timers::cancel(const Execution& x, uint64_t timer) {
    const std::lock_guard lock(mutex_);
    const auto found = timers_.find(timer);
    if (found == timers_.end()) return -EINVAL;
    const auto running = running_.find(&x);
    if (running != running_.end() && running->second == timer) return -EDEADLK;
    found->second.prog = nullptr;
    return disarm(timer, found->second);
}

void Timers::release(const maps::Map& map, const uint8_t* value) {
    if (!map.def().timer_offset) return;
    const auto address = reinterpret_cast<uint64_t>(value) + *map.def().timer_offset;
    const std::lock_guard lock(mutex_);
    const auto found = timers_.find(address);
    if (found == timers_.end()) return;
    disarm(address, found->second);
    timers_.erase(found);
}

std::vector<Timers::Due> Timers::take_due() {
    std::vector<Due> due;
    const std::lock_guard lock(mutex_);
    for (size_t clock = 0; clock < kClocks.size(); ++clock) {
        auto& queue = queues_[clock];
        if (queue.empty()) continue;
        const uint64_t now = env_.now(kClocks[clock]);
        while (!queue.empty() && queue.begin()->first <= now) {
            const uint64_t address = queue.begin()->second;
            Timer& timer = timers_.at(address);
            due.push_back({address, timer});
            disarm(address, timer);
        }
    }
    std::ranges::sort(due, {}, [](const Due& one) { return *one.timer.expires; });
    return due;
}

std::optional<Fault> Timers::run(Execution& x, Event& event, const Due& due) {
    const Timer& timer = due.timer;
    {
        const std::lock_guard lock(mutex_);
        const auto found = timers_.find(due.address);
        // Cancelled, or started anew, by the callback of another.
        if (found == timers_.end() || !found->second.prog || found->second.expires) return {};
        running_[&x] = due.address;
    }
    std::optional<Fault> fault;
    std::vector<uint8_t> key = key_of(*timer.map, timer.value, x.cpu());
    if (!key.empty()) {
        x.memory().lend(key.data(), key.size(), false);
        fault = timer.prog
                    ->call(x, event, timer.function,
                           {reinterpret_cast<uint64_t>(timer.map),
                            reinterpret_cast<uint64_t>(key.data()),
                            reinterpret_cast<uint64_t>(timer.value)})
                    .fault;
    }
    const std::lock_guard lock(mutex_);
    running_.erase(&x);
    return fault;
}

std::optional<Fault> Timers::run_due(Execution& x, Event& event) {
    if (!armed()) return {};
    std::optional<Fault> first;
    for (const Due& due : take_due()) {
        std::optional<Fault> fault = run(x, event, due);
        if (!first) first = std::move(fault);
    }
    return first;
}

std::optional<uint64_t> Timers::next_due() const {
    if (!armed()) return {};
    std::optional<uint64_t> next;
    const std::lock_guard lock(mutex_);
    for (size_t clock = 0; clock < kClocks.size(); ++clock) {
        if (queues_[clock].empty()) continue;
        const uint64_t now = env_.now(kClocks[clock]), when = queues_[clock].begin()->first;
        next = std::min(next.value_or(kNever), when > now ? when - now : 0);
    }
    return next;
}

}  // namespace skep::engine
