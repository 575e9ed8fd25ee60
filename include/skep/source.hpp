// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "skep/result.hpp"

// What raises events in the embedded runtime: a capture file, an interface, a command.
//
//     skep::Source ping = SKEP_TRY(skep::Source::capture(runtime, "ping.pcap"));
//     skep::Link link = SKEP_TRY(drop.attach({.source = &ping}));
//     SKEP_TRY(ping.run());                        // on this thread, to the last packet
//     ping.report().verdicts["XDP_DROP"];
//
// A packet source takes one program (xdp, tc, tcx, socket, cgroup_skb), a command any number
// (tracepoints of system calls and processes, kprobes of system calls: docs/tracing.md).
// Link::update() replaces a program while run() goes on. Thread-safety: run() is one thread's;
// stop() and Link::update() may come from any.

namespace skep {

class Runtime;
namespace runtime {
class SourceBackend;
}

struct SourceReport {
    uint64_t events = 0;                            ///< how often an event was given to a program
    std::map<std::string, uint64_t> verdicts = {};  ///< by name for packets, by number else
    uint64_t faults = 0;                            ///< runs that were stopped
    std::string first_fault = {};
    uint64_t lost = 0;  ///< packets that came faster than they were taken
    int exit_code = 0;  ///< of the command, as a shell would have it
};

class Source {
  public:
    /// Packets of a pcap or pcapng file ("-": standard input), with the time that they have there.
    /// What passes is written to `write`, as the program has left it (empty: nowhere).
    static Result<Source> capture(const Runtime& runtime, std::string path, std::string write = {});
    /// Packets of an interface as they come, copies: needs CAP_NET_RAW.
    static Result<Source> interface(const Runtime& runtime, std::string name);
    /// The system calls and the life of a command and all its children. It shares our streams.
    static Result<Source> command(const Runtime& runtime, std::vector<std::string> argv);

    Source(Source&&) noexcept;
    Source& operator=(Source&&) noexcept;
    ~Source();

    /// Until the end of the capture, the end of the command, stop(), or so many packets (0: all).
    /// Records of ring buffers are handed to whoever polls; with `events`, between two events.
    Result<void> run(class Events* events = nullptr, uint64_t count = 0);
    /// Ends run() soon: a command is killed.
    void stop();
    const SourceReport& report() const;

    explicit Source(std::unique_ptr<runtime::SourceBackend> backend);
    runtime::SourceBackend& backend() const { return *backend_; }

  private:
    std::unique_ptr<runtime::SourceBackend> backend_;
};

}  // namespace skep
