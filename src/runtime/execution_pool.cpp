// SPDX-License-Identifier: Apache-2.0
#include "runtime/execution_pool.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include "maps/map.hpp"
#include "maps/rcu.hpp"

namespace skep::runtime {

namespace {

pid_t this_thread() {
    thread_local const auto tid = static_cast<pid_t>(syscall(SYS_gettid));
    return tid;
}

/// Where a thread begins to look: each at another slot, and always at the same.
uint32_t favourite() {
    static std::atomic<uint32_t> threads = 0;
    thread_local const uint32_t number = threads.fetch_add(1, std::memory_order_relaxed);
    return number;
}

}  // namespace

ExecutionPool::ExecutionPool(const engine::Env& env)
    : env_(env), count_(maps::possible_cpus()), slots_(std::make_unique<Slot[]>(count_)) {}

/// Under the mutex, so that whoever finds none knows that none is just being made.
bool ExecutionPool::make(Slot& slot) {
    const std::lock_guard lock(making_);
    if (slot.state.load() != State::Unmade) return false;
    auto execution = engine::Execution::create(env_);
    if (!execution) return false;  // other runtimes of this process have them
    slot.worker = std::make_unique<Worker>();
    slot.worker->execution = std::move(*execution);
    slot.worker->context = std::make_unique<uint8_t[]>(kContextRoom);
    slot.state.store(State::Busy);
    made_.fetch_add(1);
    return true;
}

std::optional<uint32_t> ExecutionPool::try_borrow() {
    const uint32_t first = favourite() % count_;
    for (uint32_t i = 0; i < count_; i++) {
        const uint32_t index = first + i < count_ ? first + i : first + i - count_;
        Slot& slot = slots_[index];
        State state = State::Free;
        if (slot.state.compare_exchange_strong(state, State::Busy, std::memory_order_acquire))
            return index;
        if (state == State::Unmade && make(slot)) return index;
    }
    return std::nullopt;
}

Result<ExecutionPool::Lease> ExecutionPool::borrow() {
    auto index = try_borrow();
    if (!index && made_.load() == 0 && !maps::rcu::reading()) {
        // A runtime that was let go may still wait for programs that were running then.
        maps::rcu::barrier();
        index = try_borrow();
    }
    while (!index) {
        // Whoever gives one back sees that we wait, or we see what it gave back.
        const uint32_t seen = returned_.load();
        waiting_.fetch_add(1);
        index = try_borrow();
        if (!index && made_.load() == 0) {
            waiting_.fetch_sub(1);
            return std::unexpected(
                Error{ErrorCode::Unsupported,
                      fmt::format("all {} CPU slots of this process are in use", count_),
                      "another runtime holds them: use one runtime, or let the other go", 0});
        }
        if (!index) returned_.wait(seen);
        waiting_.fetch_sub(1);
    }
    Lease lease(this, *index);
    lease.task().begin(this_thread(), {});
    return lease;
}

void ExecutionPool::give_back(uint32_t index) {
    slots_[index].state.store(State::Free);
    if (waiting_.load() == 0) [[likely]]
        return;
    returned_.fetch_add(1);
    returned_.notify_all();
}

}  // namespace skep::runtime
