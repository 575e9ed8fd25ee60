// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "hooks/syscalls/events.hpp"
#include "hooks/syscalls/supervise.hpp"

// Runs a command and tells what it and all its descendants do, as an ordinary user:
//
//     ProcessTree tree({.argv = {"make", "-j2"}, .wanted = wanted});
//     Outcome outcome = SKEP_TRY(tree.run([&](const TaskEvent& event, engine::Task& task) {
//         if (auto* call = std::get_if<SysEnter>(&event)) engine.run(*call, task);
//     }));
//     return outcome.exit_code();
//
// The task of an event waits, in the kernel, until the sink returns; its memory is real. The sink
// is called on run()'s thread, one event at a time, and may take as long as it likes; what has to
// be done at certain times is a second function's, which says when to call it next. Where only
// entries of calls are wanted, this is a seccomp notification (5 us a call); other events take
// ptrace (9 us an entry, 20 us an entry with its exit). Calls that are not wanted cost nothing to
// speak of. docs/decisions/0002-syscall-events-without-root.md says why, and what programs can
// notice of it.
//
// The command has skep's standard streams, directory and environment. run() returns when the last
// of the processes has ended, wherever it has been reparented to, and hands signals on meanwhile
// (relay.hpp). When skep itself is killed, the command is, too.

namespace skep::hooks {

enum class Mechanism { Auto, Notification, Ptrace };

struct ProcessTreeOptions {
    std::vector<std::string> argv;  ///< found in PATH as execvp(3) does
    Wanted wanted;
    Mechanism mechanism = Mechanism::Auto;  ///< for tests and measurements
};

struct Outcome {
    /// Why the command could not be run (ENOENT, EACCES...), or 0.
    int exec_errno = 0;
    /// How it ended, as waitpid() says; meaningless where exec_errno is set.
    int status = 0;
    /// no_new_privs had to be set: set-uid programs ran without gaining privileges.
    bool no_new_privs = false;
    /// A seccomp listener above us (another skep, some containers) has kept us from notifications;
    /// calls that it takes for itself were not seen.
    bool shadowed = false;
    Mechanism mechanism = Mechanism::Auto;
    uint64_t events = 0;  ///< how often the sink was called

    /// As a shell would exit: the command's own code, 128 + signal, 127 where there is no such
    /// command, 126 where it cannot be executed.
    int exit_code() const;
};

class ProcessTree {
  public:
    explicit ProcessTree(ProcessTreeOptions options) : options_(std::move(options)) {}

    /// Once, and one run at a time in a process, which handles its signals meanwhile. Reaps all
    /// children of the calling thread. A command that
    /// cannot be executed is an Outcome; an Error is what keeps skep from watching it: Unsupported
    /// where this kernel or sandbox forbids it.
    Result<Outcome> run(const EventSink& sink, const OnIdle& on_idle = {});

    /// Makes run() return soon, by killing what it watches: neither mechanism can let a process go.
    /// A process that was reparented before it made any wanted call is out of reach; its wanted
    /// calls fail with ENOSYS from then on. From any thread or signal handler.
    void stop() noexcept { stop_.request(); }

  private:
    Result<Outcome> run_with(Mechanism mechanism, const std::string& path, const EventSink& sink,
                             const OnIdle& on_idle);

    ProcessTreeOptions options_;
    StopRequest stop_;
};

}  // namespace skep::hooks
