// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include "engine/task.hpp"
#include "hooks/syscalls/events.hpp"
#include "hooks/syscalls/proc_facts.hpp"
#include "hooks/syscalls/task_graph.hpp"

// engine::Task over a live task that waits in a seccomp notification or a ptrace stop. One object
// serves all events of a run: begin() points it at the next task, and what programs ask is found
// out then, at most once an event.

namespace skep::hooks {

class LiveTask final : public engine::Task {
  public:
    /// `listener` is the seccomp listener whose notifications hold the tasks, or -1 under ptrace.
    explicit LiveTask(int listener = -1) : listener_(listener) {}

    /// The next event: of `tid`, held by `notification` where there is a listener. `registers` may
    /// be all zero where the event is not a system call.
    void begin(pid_t tid, const Registers& registers, uint64_t notification = 0);

    pid_t tid() const { return tid_; }
    const Registers& registers() const { return registers_; }
    ProcFacts& facts() { return facts_; }
    /// Of another task that lives; as task_struct() otherwise.
    uint64_t task_struct_of(pid_t tid) { return graph_.task_struct(tid, tid == tid_); }

    uint64_t pid_tgid() override;
    uint64_t uid_gid() override;
    std::array<char, 16> comm() override { return facts_.comm(tid_); }
    uint64_t cgroup_id() override { return facts_.cgroup_id(tid_); }
    int read_user(void* to, size_t size, uint64_t address) override;
    int64_t read_user_string(char* to, size_t size, uint64_t address) override;
    int write_user(uint64_t address, const void* from, size_t size) override;
    uint64_t task_struct() override { return graph_.task_struct(tid_, true); }
    bool kernel_readable(uint64_t address, size_t size) override;

  private:
    bool still_held() const;

    ProcFacts facts_;
    TaskGraph graph_{facts_};
    int listener_;
    pid_t tid_ = 0;
    uint64_t notification_ = 0;
    Registers registers_{};
};

}  // namespace skep::hooks
