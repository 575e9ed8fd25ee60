// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>

#include "runtime/backend.hpp"

namespace skep::runtime {

// A hook point: one pointer that callers read without a lock, under an rcu::ReadGuard, and that a
// link publishes. What was replaced lives until all calls that may have seen it have returned.
struct HookState {
    std::string name;
    uint32_t ctx_size = 0;
    uint64_t when_empty = 0;
    std::atomic<ProgramBackend*> current = nullptr;

    std::mutex mutex;  ///< of the owner
    std::shared_ptr<ProgramBackend> owner;
    bool linked = false;

    void set(std::shared_ptr<ProgramBackend> prog);
};

/// EBUSY where one is attached already; Usage where the program is of another type than syscall.
Result<std::unique_ptr<LinkBackend>> attach_to_hook(const std::shared_ptr<HookState>& hook,
                                                    const std::shared_ptr<ProgramBackend>& prog);

}  // namespace skep::runtime
