// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/file.hpp"
#include "cli/terminal.hpp"
#include "engine/object.hpp"
#include "hooks/packets/packet_run.hpp"
#include "skep/runtime.hpp"

// What `skep run` writes, as text for people or as JSON, one object a line.

namespace skep::cli {

/// What a run came to; JSON calls it "summary" (docs/cli.md).
struct RunSummary {
    std::string prog;  ///< names, separated by commas
    std::string type;
    uint64_t events = 0;
    std::map<std::string, uint64_t> verdicts = {};
    uint64_t faults = 0;
    uint64_t lost = 0;
    double ns_per_event = 0;
};

class RunOutput {
  public:
    /// To `fd`, or to standard output where that is -1.
    RunOutput(Terminal& terminal, bool json, int fd) : terminal_(terminal), json_(json), fd_(fd) {}

    /// bpf_printk().
    void printk(std::string_view line);
    /// What an iterator has written.
    void iterator(std::string_view prog, std::string_view text);
    /// A record of a ring buffer or perf event array.
    void record(const object::ObjectSpec& spec, std::string_view map, ByteView bytes);
    /// A packet and what has become of it.
    void packet(const hooks::PacketEvent& event);
    /// `maps`: the indices of those to show as text; JSON has all.
    void summary(const RunSummary& summary, const engine::Object& object,
                 const std::vector<size_t>& maps);
    /// The same of an object of the runtime; `spec` has the types of its maps.
    void summary(const RunSummary& summary, const object::ObjectSpec& spec, const Object& object,
                 const std::vector<size_t>& maps);

    /// False once something could not be written: the reader has gone, the disk is full.
    bool ok() const { return result_.has_value(); }
    const Result<void>& result() const { return result_; }

  private:
    struct MapsShown;
    void write_summary(const RunSummary& summary, const MapsShown& shown,
                       const std::vector<size_t>& maps);
    void put(std::string_view text);
    const std::optional<uint32_t>& event_type(const object::ObjectSpec& spec, std::string_view map,
                                              size_t size);

    Terminal& terminal_;
    bool json_;
    int fd_;
    Result<void> result_;
    std::map<std::string, std::optional<uint32_t>, std::less<>> event_types_;
};

}  // namespace skep::cli
