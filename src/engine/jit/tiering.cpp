// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/tiering.hpp"

#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "engine/jit/optimise.hpp"
#include "engine/prog.hpp"

namespace skep::engine::jit {

namespace {

struct Wanted {
    std::weak_ptr<const Prog> prog;
    OptimiserJob job;
};

class Worker {
  public:
    /// Never destroyed: its thread may still be there when the process ends, which ends it. The
    /// module sees to it that LLVM is not torn down under a thread that compiles.
    static Worker& instance() {
        static Worker& worker = *new Worker;
        return worker;
    }

    void add(const Prog& prog) {
        if (getpid() != owner_) return;
        Wanted wanted{.prog = prog.weak_from_this(), .job = OptimiserJob(prog)};
        const std::lock_guard guard(lock_);
        if (!started_) start();
        queue_.push_back(std::move(wanted));
        changed_.notify_all();
    }

    void wait() {
        std::unique_lock guard(lock_);
        changed_.wait(guard, [&] { return queue_.empty() && !working_; });
    }

  private:
    /// Signals are the other threads'.
    void start() {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        std::thread([this] { work(); }).detach();
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        started_ = true;
    }

    void work() {
        std::unique_lock guard(lock_);
        for (;;) {
            changed_.wait(guard, [&] { return !queue_.empty(); });
            const Wanted wanted = std::move(queue_.front());
            queue_.pop_front();
            working_ = true;
            guard.unlock();
            if (!wanted.prog.expired()) {
                auto code = wanted.job.compile();
                if (const auto prog = wanted.prog.lock()) prog->improve(std::move(code));
            }
            guard.lock();
            working_ = false;
            changed_.notify_all();
        }
    }

    const pid_t owner_ = getpid();
    std::mutex lock_;
    std::condition_variable changed_;
    std::deque<Wanted> queue_;
    bool started_ = false, working_ = false;
};

}  // namespace

void make_better(const Prog& prog) {
    Worker::instance().add(prog);
}

void wait_for_better() {
    Worker::instance().wait();
}

}  // namespace skep::engine::jit
