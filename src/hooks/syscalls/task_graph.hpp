// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hooks/syscalls/proc_facts.hpp"
#include "platform/embedded_types.h"

// The `struct task_struct` of a live task and what hangs off it (parents, credentials, namespaces,
// memory bounds), in our own memory but in the layout that the embedded platform's BTF declares, so
// that tracing programs may walk it as they do in the kernel.
//
// Finding all of it out would take 100 us, and a program reads two or three fields. So the structs
// start empty, and readable(), which the engine asks before each read, fills the part that is about
// to be read: pid and comm cost 0.6 us each, a parent 0.6, /proc/TID/stat (times, state, flags) 7,
// /proc/TID/status (credentials) 10, a namespace 2.5.
//
// What another user's process hides from us is 0. Not thread-safe.

namespace skep::hooks {

class TaskGraph {
  public:
    explicit TaskGraph(ProcFacts& facts);
    ~TaskGraph();

    /// The next event: all addresses given out before are void.
    void reset() { used_ = 0; }

    /// The address of the struct of `tid`. `current` is the task of the event: it runs, as far as
    /// programs can tell, and what it seems to wait for is us.
    uint64_t task_struct(pid_t tid, bool current);

    /// Whether [address, address + size) lies in one task's structs. They hold the truth there from
    /// then on.
    bool readable(uint64_t address, size_t size);

  private:
    struct Node;
    struct Part;
    static const Part kParts[];

    Node& node(pid_t tid, bool current);
    void fill(Node& node, uint64_t begin, uint64_t end);
    std::string proc_file(const Node& node, const char* name) const;
    uint32_t namespace_inum(const Node& node, const char* name) const;
    void fill_stat(Node& node);
    void fill_identity(Node& node);
    void fill_audit(Node& node);
    void fill_parents(Node& node);
    void fill_leader(Node& node);
    void fill_comm(Node& node);
    void fill_status(Node& node);
    void fill_signal(Node& node);
    void fill_uts(Node& node);

    ProcFacts& facts_;
    std::vector<std::unique_ptr<Node>> nodes_;  ///< kept for the next event
    size_t used_ = 0;
};

}  // namespace skep::hooks
