// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "engine/object.hpp"
#include "hooks/packets/replay_clock.hpp"
#include "runtime/execution_pool.hpp"
#include "runtime/wakeup.hpp"
#include "skep/runtime.hpp"

namespace skep::runtime {

class EmbeddedMap;

/// What all objects of one embedded runtime share; it goes with the last of what was made with it.
struct EmbeddedState {
    explicit EmbeddedState(RuntimeOptions given) : options(std::move(given)), pool(env) {
        env.printk = options.printk;
        env.clock = [this](engine::Clock clock) {
            if (const hooks::ReplayClock* then = replay.load(std::memory_order_relaxed))
                return then->now(clock);
            return options.clock ? options.clock() : machine.now(clock);
        };
    }
    EmbeddedState(const EmbeddedState&) = delete;
    EmbeddedState& operator=(const EmbeddedState&) = delete;

    uint32_t new_id() { return next_id.fetch_add(1, std::memory_order_relaxed); }

    RuntimeOptions options;
    engine::Env machine;  ///< with the machine's clocks
    engine::Env env;
    std::atomic<const hooks::ReplayClock*> replay = nullptr;  ///< while a capture is replayed
    ExecutionPool pool;
    std::atomic<bool> stats = false;
    std::atomic<uint32_t> next_id = 1;
};

/// An object in the engine with what its programs need: programs keep it alive, its maps do not.
struct LoadedObject {
    ~LoadedObject();

    std::shared_ptr<EmbeddedState> state;
    std::unique_ptr<engine::Object> object;
    std::vector<std::shared_ptr<EmbeddedMap>> maps;  ///< in the order of the spec
    /// Objects whose maps this one uses.
    std::vector<std::shared_ptr<LoadedObject>> others;
    std::shared_ptr<Wakeup> wakeup;
};

}  // namespace skep::runtime
