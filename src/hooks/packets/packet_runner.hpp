// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "engine/execution.hpp"
#include "engine/packet/packet_buffer.hpp"
#include "engine/prog.hpp"
#include "hooks/packets/fate.hpp"
#include "packet/capture.hpp"

namespace skep::hooks {

// Runs a program of type xdp, sched_cls (tc, tcx), sched_act, socket_filter or cgroup_skb on one
// packet after another:
//
//     auto object = SKEP_TRY(engine::Object::load(spec, env));
//     auto execution = SKEP_TRY(engine::Execution::create(env));
//     auto runner = SKEP_TRY(PacketRunner::create(*object->find_prog("filter"), *execution));
//     const PacketResult& result = runner.run(packet);
//     if (result.ran() && result.fate == Fate::Passed) save(runner.frame());
//
// capture_run.hpp and live.hpp feed it whole captures and interfaces.
//
// Every link type that packet/link.hpp reads is shown to programs as Ethernet. What a program sees
// else, by its type (docs/packets.md): xdp the frame as it is; tc and socket filters (of a packet
// socket) the frame without its outer VLAN tag, which is in __sk_buff; cgroup_skb the packet from
// its IP header on, with the addresses of a socket on this side, and nothing that is not IP.
//
// Prog and Execution outlive the runner. One thread at a time.

struct RunnerOptions {
    /// The interface that packets come from; 0: the one that the capture says (Linux cooked v2), or
    /// 1 more than the number of the interface in the capture.
    uint32_t ifindex = 0;
    uint32_t rx_queue = 0;
    /// A unicast packet to another address is PACKET_OTHERHOST. Without it, all are for this host.
    std::optional<packet::MacAddress> device = {};
    /// On whose behalf programs run; null: skep's own process.
    engine::Task* task = nullptr;
    /// Called before each run, when the packet and its context are ready, to change them.
    std::function<void(engine::PacketBuffer&)> prepare = {};
};

/// Why a packet was not given to the program.
enum class Skipped : uint8_t {
    No,
    LinkType,  ///< it cannot be shown as an Ethernet frame
    TooShort,  ///< it ends before its link-layer header does
    NotIp,     ///< no socket of a cgroup gets it
};

struct PacketResult {
    Skipped skipped = Skipped::No;
    engine::Outcome outcome = {};
    int32_t verdict = 0;
    Fate fate = Fate::Dropped;  ///< Dropped too where the program was stopped
    uint32_t size = 0;          ///< as the program saw it first
    uint64_t ns = 0;            ///< in the program alone

    bool ran() const { return skipped == Skipped::No; }
    bool has_verdict() const { return ran() && !outcome.fault; }
};

class PacketRunner {
  public:
    /// Fails where the program's type has nothing to do with packets.
    static Result<PacketRunner> create(const engine::Prog& prog, engine::Execution& execution,
                                       const RunnerOptions& options = {});
    PacketRunner(PacketRunner&&) noexcept;
    ~PacketRunner();

    /// The answer, and what is asked of it below, holds until the next call.
    const PacketResult& run(const packet::Packet& packet);

    /// The packet as an Ethernet frame, as the program has left it (and a socket filter's verdict
    /// has cut it).
    ByteView frame();
    /// The frame that the program was given.
    ByteView original() const;
    const std::optional<engine::Redirect>& redirect() const;
    const std::vector<engine::PacketClone>& clones() const;
    const engine::PacketBuffer& buffer() const;

    const engine::Prog& prog() const;
    /// From the next packet on, this program, which has the type of the one before.
    void set_prog(const engine::Prog& prog);
    /// Whether programs of this kind see packets that come in, rather than those that go out.
    bool at_ingress() const;

  private:
    struct State;
    explicit PacketRunner(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace skep::hooks
