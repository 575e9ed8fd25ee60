// SPDX-License-Identifier: Apache-2.0
#include "maps/rcu.hpp"

#include <urcu-bp.h>
#if !defined(__SANITIZE_THREAD__)
// Those functions that liburcu lets anybody inline, for a read lock is a store to the thread's own
// counter; through the library it costs every run four calls.
#include <urcu/static/urcu-bp.h>
#define urcu_bp_read_lock _urcu_bp_read_lock
#define urcu_bp_read_unlock _urcu_bp_read_unlock
#define urcu_bp_read_ongoing _urcu_bp_read_ongoing
#endif

#include <future>

#include "base/result.hpp"

#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace skep::maps::rcu {

namespace {

// What liburcu guarantees, in words that ThreadSanitizer understands: the end of a read section
// happens before the end of a grace period that waited for it.
[[maybe_unused]] char grace_period;

void after_reading() {
#if defined(__SANITIZE_THREAD__)
    __tsan_release(&grace_period);
#endif
}
void after_grace_period() {
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&grace_period);
#endif
}

struct Retired {
    rcu_head head{};  // first, so that the callback finds the rest
    std::shared_ptr<const void> owner{};
};

}  // namespace

void read_lock() {
    urcu_bp_read_lock();
}

void read_unlock() {
    after_reading();
    urcu_bp_read_unlock();
}

bool reading() {
    return urcu_bp_read_ongoing();
}

void synchronize() {
    SKEP_CHECK(!reading());
    urcu_bp_synchronize_rcu();
    after_grace_period();
}

void retire(std::shared_ptr<const void> owner) {
    if (!owner) return;
    auto* retired = new Retired{.owner = std::move(owner)};
    after_reading();  // the handing over of `retired` to the thread that drops it
    call_rcu(&retired->head, [](rcu_head* head) {
        after_grace_period();
        delete reinterpret_cast<Retired*>(head);
        after_reading();
    });
}

void barrier() {
    SKEP_CHECK(!reading());
    // What is retired is dropped in order, by one thread. (rcu_barrier() does no more than this,
    // but in ways that ThreadSanitizer takes for a race.)
    std::promise<void> dropped;
    retire(std::shared_ptr<const void>(&dropped, [](const void* promise) {
        const_cast<std::promise<void>*>(static_cast<const std::promise<void>*>(promise))
            ->set_value();
    }));
    dropped.get_future().wait();
}

}  // namespace skep::maps::rcu
