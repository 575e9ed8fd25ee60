// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "base/result.hpp"
#include "engine/execution.hpp"
#include "hooks/syscalls/task.hpp"

namespace skep::runtime {

// The executions of one embedded runtime: as many as the machine has CPUs, each made when it is
// first needed. A thread that runs a program borrows one for the length of the run, as a kernel
// thread has its CPU; where all are running, it waits.
//
//     auto lease = SKEP_TRY(pool.borrow());
//     prog.run(lease.execution(), event);
//
// Borrowing is one compare-and-swap on a cache line that a thread mostly has to itself.
class ExecutionPool {
  public:
    /// Room for a context, so that a program that reaches behind its own finds only this.
    static constexpr size_t kContextRoom = 1 << 16;

    struct Worker {
        std::unique_ptr<engine::Execution> execution;
        hooks::LiveTask task;
        std::unique_ptr<uint8_t[]> context;
    };

    class Lease {
      public:
        Lease(Lease&& other) noexcept : pool_(other.pool_), index_(other.index_) {
            other.pool_ = nullptr;
        }
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (pool_) pool_->give_back(index_);
        }
        engine::Execution& execution() const { return *worker().execution; }
        /// The calling thread, as the process that programs run for.
        hooks::LiveTask& task() const { return worker().task; }
        uint8_t* context() const { return worker().context.get(); }

      private:
        friend class ExecutionPool;
        Lease(ExecutionPool* pool, uint32_t index) : pool_(pool), index_(index) {}
        Worker& worker() const { return *pool_->slots_[index_].worker; }

        ExecutionPool* pool_;
        uint32_t index_;
    };

    explicit ExecutionPool(const engine::Env& env);

    /// Unsupported where this process has no CPU slot left for even one.
    Result<Lease> borrow();

  private:
    enum class State : uint8_t { Unmade, Free, Busy };

    struct alignas(64) Slot {
        std::atomic<State> state = State::Unmade;
        std::unique_ptr<Worker> worker = {};  ///< of whoever made the slot busy
    };

    std::optional<uint32_t> try_borrow();
    bool make(Slot& slot);
    void give_back(uint32_t index);

    const engine::Env& env_;
    uint32_t count_;
    std::unique_ptr<Slot[]> slots_;
    std::mutex making_;
    std::atomic<uint32_t> made_ = 0;
    std::atomic<uint32_t> waiting_ = 0;
    std::atomic<uint32_t> returned_ = 0;  ///< counts while somebody waits
};

}  // namespace skep::runtime
