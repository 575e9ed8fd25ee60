// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "engine/object.hpp"
#include "hooks/syscalls/process_tree.hpp"
#include "hooks/syscalls/task.hpp"
#include "hooks/tasks/attach.hpp"
#include "hooks/tasks/contexts.hpp"

// Runs a command, and the programs of an object on the system calls and the life of its processes,
// as an ordinary user:
//
//     Env env{.printk = [](std::string_view line) { fmt::print("{}\n", line); }};
//     auto object = SKEP_TRY(engine::Object::load(spec, env));
//     auto runner = SKEP_TRY(TaskRunner::create(*object, env, {.argv = {"make", "-j2"}}));
//     const Outcome outcome = SKEP_TRY(runner->run({.record = [&](const Record& record) {
//         fmt::print("{}: {}\n", record.map.def().name, hex(record.bytes));
//     }}));
//     report(runner->statistics());
//     return outcome.exit_code();          // of the command, as a shell would exit
//
// The command's streams are skep's own. Everything is called on run()'s thread: for each event the
// programs on it, in the order of the object (each sees what those before it did to the maps); then
// what they have put into ring buffers and perf event arrays goes to the sink. Timers run when they
// are due, between events, on behalf of skep itself; those that are not due when the last process
// ends do not run. A program that is stopped by a fault is not run again.
//
// The values of task storage maps go with their tasks, so the runner has to see these end.

namespace skep::hooks {

/// What a program has handed to user space; valid during the call.
struct Record {
    const maps::Map& map;
    std::span<const uint8_t> bytes;
    uint32_t cpu = 0;  ///< whose queue of a perf event array
};

struct TaskSinks {
    std::function<void(const Record& record)> record = {};  ///< empty: records are dropped
    /// At once, when a program is stopped. Empty: TaskStatistics has it, too.
    std::function<void(const engine::Fault& fault)> fault = {};
    /// Before each event, on run()'s thread: the time to replace programs.
    std::function<void()> before = {};
    bool keep_records = false;  ///< leave records where they are, for whoever else consumes them
};

struct ProgStatistics {
    static constexpr size_t kMaxReturned = 256;

    std::string name;
    uint64_t runs = 0;
    /// How often which value, of the first kMaxReturned different ones.
    std::map<uint64_t, uint64_t> returned = {};
    std::optional<engine::Fault> fault = {};  ///< what stopped it for good
};

struct TaskStatistics {
    uint64_t events = 0;   ///< on which at least one program ran
    uint64_t prog_ns = 0;  ///< spent in programs and in making their contexts
    uint64_t records = 0;
    uint64_t lost = 0;                       ///< records for which there was no room
    std::vector<ProgStatistics> progs = {};  ///< those that are attached, in the object's order

    uint64_t ns_per_event() const { return events ? prog_ns / events : 0; }
};

class TaskRunner {
  public:
    struct Options {
        std::vector<std::string> argv = {};  ///< found in PATH as execvp(3) does
        /// Only these programs; empty: all that are loaded.
        std::vector<std::string> progs = {};
        Mechanism mechanism = Mechanism::Auto;   ///< for tests and measurements
        engine::Execution* execution = nullptr;  ///< to run in; null: one of its own
    };

    /// `object` and `env` must outlive the runner. Unsupported where a program is attached to what
    /// no process tree has (attach.hpp), Usage where none is attached to anything.
    static Result<std::unique_ptr<TaskRunner>> create(const engine::Object& object,
                                                      const engine::Env& env, Options options);

    /// The same of these programs, of any objects: all of them are attached.
    static Result<std::unique_ptr<TaskRunner>> create(const std::vector<const engine::Prog*>& progs,
                                                      const engine::Env& env, Options options);

    /// In the place of the `index`-th attached program, this one (null: none) from the next event
    /// on; where it is attached stays. On run()'s thread.
    void set_prog(size_t index, const engine::Prog* prog);

    /// Once. Outcome and errors are ProcessTree::run()'s.
    Result<Outcome> run(const TaskSinks& sinks);
    /// Ends the command and all its descendants. From any thread or signal handler.
    void stop() noexcept { tree_->stop(); }

    const TaskStatistics& statistics() const { return statistics_; }
    /// Calls and process events that are watched: what Wanted says.
    const Wanted& wanted() const { return wanted_; }

  private:
    struct Attached {
        const engine::Prog* prog;
        AttachPoint point;
        bool stopped = false;
    };
    using Indices = std::vector<uint32_t>;  ///< of attached_, ascending

    TaskRunner() = default;
    static Result<std::unique_ptr<TaskRunner>> create(std::unique_ptr<TaskRunner> runner,
                                                      const engine::Env& env, Options options);
    Result<void> attach(const engine::Prog& prog);
    void note_maps(const engine::Prog& prog);
    void index();
    const Indices& on(const TaskEvent& event) const;
    void handle(const TaskEvent& event, engine::Task& task);
    std::optional<uint64_t> run_timers();
    void follow_storage(const TaskEvent& event);
    void run_prog(Attached& attached, ProgStatistics& statistics, const TaskEvent& event,
                  engine::Event& context);
    void report(engine::Fault fault, ProgStatistics* statistics);
    void drain();
    void count_lost();

    std::unique_ptr<engine::Execution> own_execution_;
    engine::Execution* execution_ = nullptr;
    std::vector<Attached> attached_;
    // Who is called for what: by number of a native call, and for calls of other tables.
    std::vector<Indices> on_enter_, on_exit_;
    Indices on_any_enter_, on_any_exit_, on_fork_, on_exec_, on_task_exit_;
    std::vector<maps::Map*> outputs_;  ///< ring buffers and perf event arrays
    std::set<maps::Map*> storages_;    ///< of tasks
    LiveTask self_;
    std::vector<engine::Timers*> timers_;
    Contexts contexts_;
    Wanted wanted_;
    std::unique_ptr<ProcessTree> tree_;
    const TaskSinks* sinks_ = nullptr;
    TaskStatistics statistics_;
};

}  // namespace skep::hooks
