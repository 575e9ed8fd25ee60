// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

// Grace periods for what programs reach by a raw pointer read without a lock: programs of a
// prog_array, inner maps, nodes of a trie. Userspace-rcu's "bulletproof" flavour underneath: a
// thread needs no registration.
//
//     {
//         rcu::ReadGuard running;                 // the engine: as long as a program runs
//         const void* prog = array.prog_at(3);    // stays alive until the guard goes
//     }
//
// The wrapper exists to keep liburcu's headers out of ours, and to tell ThreadSanitizer (which does
// not see inside liburcu) what orders what.

namespace skep::maps::rcu {

void read_lock();
void read_unlock();

/// Whether this thread holds a ReadGuard.
bool reading();

class ReadGuard {
  public:
    ReadGuard() { read_lock(); }
    ~ReadGuard() { read_unlock(); }
    ReadGuard(const ReadGuard&) = delete;
    ReadGuard& operator=(const ReadGuard&) = delete;
};

/// Returns when every ReadGuard that exists now has gone. Never under a ReadGuard.
void synchronize();

/// Drops `owner` after a grace period, on another thread; may be called under a ReadGuard.
void retire(std::shared_ptr<const void> owner);

/// Returns when all that was retired before this call has been dropped. Never under a ReadGuard.
void barrier();

}  // namespace skep::maps::rcu
