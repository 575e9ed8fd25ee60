// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "hooks/packets/packet_runner.hpp"
#include "hooks/packets/replay_clock.hpp"
#include "packet/capture_reader.hpp"

// A program over all packets of a capture file or an interface, as `skep run` does it:
//
//     CaptureReader reader = SKEP_TRY(CaptureReader::open("in.pcap"));
//     PacketStats stats;
//     const Result<void> done = run_capture(runner, reader, {.write = "out.pcap", .clock = &clock},
//                                           [](const PacketEvent& e) { print(e); }, stats);
//     print(stats);                          // what there was before an error counts too
//     for (const auto& [name, count] : stats.verdicts) fmt::print("{} {}\n", name, count);
//
// or live (needs CAP_NET_RAW; Unsupported with a hint else):
//
//     StopOnInterrupt interrupt;                                   // Ctrl-C ends it in order
//     LiveOptions live{.interface = "eth0"};
//     run_live(runner, live, {.count = 1000, .stop = interrupt.flag()}, sink, stats);
//
// Live programs watch: the packets are copies, and dropping one drops nothing.

namespace skep::hooks {

struct PacketStats {
    uint64_t packets = 0;    ///< that came in
    uint64_t events = 0;     ///< that the program ran on
    uint64_t truncated = 0;  ///< of which the capture has only the beginning
    std::map<std::string, uint64_t> verdicts = {};
    uint64_t faults = 0;  ///< runs that were stopped; their packets count as dropped
    std::optional<engine::Fault> first_fault = {};
    std::map<Skipped, uint64_t> skipped = {};
    uint64_t redirects = 0;   ///< packets sent elsewhere by a redirect
    uint64_t clones = 0;      ///< copies sent elsewhere
    uint64_t written = 0;     ///< to RunOptions::write
    uint64_t unwritable = 0;  ///< that the capture's link type cannot hold
    std::string first_unwritable = {};
    uint64_t lost = 0;  ///< live: that came in faster than they were taken
    uint64_t ns = 0;    ///< in programs

    double ns_per_event() const {
        return events ? static_cast<double>(ns) / static_cast<double>(events) : 0.0;
    }
};

struct PacketEvent {
    uint64_t number;  ///< from 1, as Wireshark counts
    const packet::Packet& packet;
    const PacketResult& result;
    std::string_view verdict;  ///< its name; empty where there is none
    PacketRunner& runner;
};

using PacketSink = std::function<void(const PacketEvent& event)>;

struct RunOptions {
    uint64_t count = 0;  ///< packets to take at most; 0: all
    /// Where to write what lives on, as the program has left it: packets that pass, packets and
    /// copies that are sent (XDP_TX, redirects). "-" is standard output; empty: nowhere. The format
    /// is that of the name's ending (.pcap, .pcapng), else of the input.
    std::string write = {};
    ReplayClock* clock = nullptr;  ///< set to each packet's time
    /// Runs timers that are due, and says in how many nanoseconds the next one is. Called before
    /// each packet, after the last, and live whenever one is due while no packet comes. In replay,
    /// time goes on from one timer to the next up to that of the packet, and ends with the last.
    std::function<std::optional<uint64_t>()> timers = {};
    const std::atomic<bool>* stop = nullptr;  ///< ends the run, in order, when it becomes true
};

/// The first error of reading or writing, after all packets before it.
Result<void> run_capture(PacketRunner& runner, packet::CaptureReader& reader,
                         const RunOptions& options, const PacketSink& sink, PacketStats& stats);

struct LiveOptions {
    std::string interface;  ///< "eth0", "lo", "any"
    uint32_t snaplen = 262144;
    bool promiscuous = false;
};

/// Packets that come in on the interface, or go out where the program is for these.
Result<void> run_live(PacketRunner& runner, const LiveOptions& live, const RunOptions& options,
                      const PacketSink& sink, PacketStats& stats);

/// Why, as the end of a sentence about a packet: "is too short for its link-layer header".
std::string_view to_string(Skipped reason);

/// "interface 3", "all of map 'ports'": where a redirect leads.
std::string describe(const engine::Redirect& redirect);

/// Turns SIGINT and SIGTERM into a flag as long as it lives; one at a time.
class StopOnInterrupt {
  public:
    StopOnInterrupt();
    ~StopOnInterrupt();
    StopOnInterrupt(const StopOnInterrupt&) = delete;
    StopOnInterrupt& operator=(const StopOnInterrupt&) = delete;

    const std::atomic<bool>* flag() const;
};

}  // namespace skep::hooks
