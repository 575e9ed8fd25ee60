// SPDX-License-Identifier: Apache-2.0
#include "hooks/packets/packet_run.hpp"

#include <signal.h>

#include <algorithm>
#include <vector>

#include "hooks/packets/packet_output.hpp"
#include "hooks/packets/packet_source.hpp"
#include "maps/map.hpp"

namespace skep::hooks {

std::string_view to_string(Skipped reason) {
    switch (reason) {
        case Skipped::No: return "is fine";
        case Skipped::LinkType: return "cannot be shown as an Ethernet frame";
        case Skipped::TooShort: return "is too short for its link-layer header";
        case Skipped::NotIp: return "is no IP packet, and no socket gets it";
    }
    return "";
}

std::string describe(const engine::Redirect& redirect) {
    using Kind = engine::Redirect::Kind;
    const char* ingress = redirect.ingress ? ", as received there" : "";
    switch (redirect.kind) {
        case Kind::Interface: return fmt::format("interface {}{}", redirect.ifindex, ingress);
        case Kind::Peer: return fmt::format("the peer of interface {}", redirect.ifindex);
        case Kind::Neighbour: return fmt::format("a neighbour on interface {}", redirect.ifindex);
        case Kind::Map: break;
    }
    const std::string& map = redirect.map->def().name;
    if (redirect.ifindex) {
        return fmt::format("interface {}, by key {} of map '{}'", redirect.ifindex, redirect.key,
                           map);
    }
    if (!redirect.broadcast) return fmt::format("key {} of map '{}'", redirect.key, map);
    return fmt::format("all of map '{}'{}", map,
                       redirect.exclude_ingress ? " but where it came from" : "");
}

namespace {

// Counts by name, and finds the name of a verdict that was seen before without making it again.
class VerdictCounter {
  public:
    explicit VerdictCounter(const platform::ProgKind& kind, std::map<std::string, uint64_t>& counts)
        : kind_(kind), counts_(counts) {}

    std::string_view count(const PacketResult& result) {
        auto& [name, number] = find(result);
        ++number;
        return name;
    }

  private:
    using Entry = std::map<std::string, uint64_t>::value_type;
    static constexpr size_t kMostKnown = 16;

    Entry& find(const PacketResult& result) {
        // What a socket filter's verdict is called depends on the packet too.
        const bool by_value = kind_.type != ProgType::SocketFilter;
        if (by_value) {
            const auto known = std::ranges::find(known_, result.verdict, &Known::first);
            if (known != known_.end()) return *known->second;
        }
        auto& entry = *counts_.try_emplace(verdict_text(kind_, result.verdict, result.size)).first;
        if (by_value && known_.size() < kMostKnown) known_.emplace_back(result.verdict, &entry);
        return entry;
    }

    using Known = std::pair<int32_t, Entry*>;
    platform::ProgKind kind_;
    std::map<std::string, uint64_t>& counts_;
    std::vector<Known> known_;
};

class Loop {
  public:
    Loop(PacketRunner& runner, const RunOptions& options, const PacketSink& sink,
         PacketStats& stats)
        : runner_(runner),
          options_(options),
          sink_(sink),
          stats_(stats),
          verdicts_(runner.prog().kind(), stats.verdicts) {}

    Result<void> run(PacketSource& source) {
        if (!options_.write.empty()) {
            output_.emplace(SKEP_TRY(PacketOutput::create(options_.write, source)));
        }
        const Result<void> done = take_all(source);
        if (output_) {
            const Result<void> closed = output_->close();
            if (done && !closed) return closed;
        }
        return done;
    }

  private:
    /// Times at which timers run between two packets, lest one that starts itself anew after a
    /// nanosecond takes for ever.
    static constexpr int kMostTimers = 100'000;

    bool stopped() const { return options_.stop && options_.stop->load(std::memory_order_relaxed); }

    Result<void> take_all(PacketSource& source) {
        while (!stopped() && (options_.count == 0 || stats_.packets < options_.count)) {
            const std::optional<packet::Packet> packet = SKEP_TRY(source.next(options_));
            if (!packet) break;
            SKEP_TRY(take(*packet));
        }
        if (options_.timers) options_.timers();
        return {};
    }

    /// Up to the time of the next packet. Each timer sees the time that it was to run at.
    void pass_time(uint64_t time_ns) {
        ReplayClock* clock = options_.clock;
        for (int i = 0; clock && options_.timers && i < kMostTimers; ++i) {
            const std::optional<uint64_t> wait = options_.timers();
            const uint64_t now = clock->now(engine::Clock::Monotonic);
            if (!wait || *wait > time_ns || now > time_ns - *wait) break;
            clock->set(now + *wait);
        }
        if (clock) clock->set(time_ns);
        if (options_.timers) options_.timers();
    }

    Result<void> take(const packet::Packet& packet) {
        ++stats_.packets;
        if (packet.length > packet.data.size()) ++stats_.truncated;
        pass_time(packet.time_ns);
        const PacketResult& result = runner_.run(packet);
        const std::string_view verdict = count(result);
        if (sink_) sink_({stats_.packets, packet, result, verdict, runner_});
        if (output_ && result.ran()) SKEP_TRY(write(packet, result, verdict));
        return {};
    }

    std::string_view count(const PacketResult& result) {
        if (!result.ran()) {
            ++stats_.skipped[result.skipped];
            return {};
        }
        ++stats_.events;
        stats_.ns += result.ns;
        stats_.clones += runner_.clones().size();
        if (result.outcome.fault) {
            if (stats_.faults++ == 0) stats_.first_fault = result.outcome.fault;
            return {};
        }
        if (is_redirect(result)) ++stats_.redirects;
        return verdicts_.count(result);
    }

    bool is_redirect(const PacketResult& result) const {
        // XDP_TX is the other way of being sent: it needs no target, and may follow one in vain.
        constexpr int32_t kXdpTx = 3;
        const bool xdp = runner_.prog().kind().type == ProgType::Xdp;
        return result.fate == Fate::Sent && !(xdp && result.verdict == kXdpTx);
    }

    // Copies were sent off before the verdict.
    Result<void> write(const packet::Packet& packet, const PacketResult& result,
                       std::string_view verdict) {
        for (const engine::PacketClone& clone : runner_.clones()) {
            const engine::Redirect to{.ifindex = clone.ifindex, .ingress = clone.ingress};
            SKEP_TRY(write(packet, clone.frame, "copy to " + describe(to)));
        }
        if (!result.has_verdict() || result.fate == Fate::Dropped) return {};
        std::string comment;
        if (is_redirect(result)) {
            comment = "redirected to " + describe(*runner_.redirect());
        } else if (result.fate == Fate::Sent) {
            comment = verdict;
        }
        return write(packet, runner_.frame(), comment);
    }

    Result<void> write(const packet::Packet& packet, ByteView frame, std::string_view comment) {
        if (SKEP_TRY(output_->write(packet, runner_.original(), frame, comment))) {
            ++stats_.written;
        } else if (stats_.unwritable++ == 0) {
            stats_.first_unwritable = output_->problem();
        }
        return {};
    }

    PacketRunner& runner_;
    const RunOptions& options_;
    const PacketSink& sink_;
    PacketStats& stats_;
    VerdictCounter verdicts_;
    std::optional<PacketOutput> output_;
};

class CaptureSource final : public PacketSource {
  public:
    explicit CaptureSource(packet::CaptureReader& reader) : reader_(reader) {}
    Result<std::optional<packet::Packet>> next(const RunOptions&) override {
        return reader_.next();
    }
    const std::vector<packet::Interface>& interfaces() const override {
        return reader_.interfaces();
    }
    packet::CaptureFormat format() const override { return reader_.format(); }

  private:
    packet::CaptureReader& reader_;
};

}  // namespace

Result<void> run_packets(PacketRunner& runner, PacketSource& source, const RunOptions& options,
                         const PacketSink& sink, PacketStats& stats) {
    return Loop(runner, options, sink, stats).run(source);
}

Result<void> run_capture(PacketRunner& runner, packet::CaptureReader& reader,
                         const RunOptions& options, const PacketSink& sink, PacketStats& stats) {
    CaptureSource source(reader);
    return run_packets(runner, source, options, sink, stats);
}

namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);
struct sigaction before_int, before_term;

void interrupt(int) {
    interrupted.store(true, std::memory_order_relaxed);
}

}  // namespace

StopOnInterrupt::StopOnInterrupt() {
    interrupted = false;
    struct sigaction action = {};
    action.sa_handler = interrupt;  // without SA_RESTART: what waits wakes up
    sigaction(SIGINT, &action, &before_int);
    sigaction(SIGTERM, &action, &before_term);
}

StopOnInterrupt::~StopOnInterrupt() {
    sigaction(SIGINT, &before_int, nullptr);
    sigaction(SIGTERM, &before_term, nullptr);
}

const std::atomic<bool>* StopOnInterrupt::flag() const {
    return &interrupted;
}

}  // namespace skep::hooks
