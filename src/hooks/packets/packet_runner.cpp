// SPDX-License-Identifier: Apache-2.0
#include "hooks/packets/packet_runner.hpp"

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "engine/packet/protocol.hpp"
#include "engine/packet/skb_ops.hpp"
#include "hooks/syscalls/task.hpp"
#include "packet/link.hpp"
#include "packet/wire.hpp"
#include "platform/embedded.hpp"

namespace skep::hooks {

using engine::PacketBuffer;
using packet::Direction;

namespace {

uint64_t now_ns() {
    return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// What reading the clock itself adds between two readings.
uint64_t clock_cost() {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 100; ++i) {
        const uint64_t begin = now_ns();
        least = std::min(least, now_ns() - begin);
    }
    return least;
}

bool is_ingress(const platform::ProgKind& kind) {
    return kind.attach != AttachType::TcxEgress && kind.attach != AttachType::CgroupInetEgress;
}

struct Ports {
    uint16_t source = 0;
    uint16_t destination = 0;
};

// Of TCP and UDP, which are what sockets with ports are.
Ports ports_of(ByteView packet, size_t offset, uint8_t protocol) {
    constexpr uint8_t kTcp = 6, kUdp = 17;
    if (protocol != kTcp && protocol != kUdp) return {};
    return {packet::load_be<uint16_t>(packet, offset).value_or(0),
            packet::load_be<uint16_t>(packet, offset + 2).value_or(0)};
}

/// The socket that a packet of this machine would belong to; `ip` is the whole network header.
engine::SocketInfo socket_of(ByteView ip, bool ipv4, bool ingress) {
    engine::SocketInfo socket;
    const size_t size = ipv4 ? 4 : 16;
    const ByteView source = ip.subspan(ipv4 ? 12 : 8, size);
    const ByteView destination = ip.subspan(ipv4 ? 16 : 24, size);
    const Ports ports =
        ipv4 ? ports_of(ip, size_t{ip[0] & 0x0fu} * 4, ip[9]) : ports_of(ip, 40, ip[6]);
    socket.family = ipv4 ? AF_INET : AF_INET6;
    std::ranges::copy(ingress ? destination : source, socket.local_address.begin());
    std::ranges::copy(ingress ? source : destination, socket.remote_address.begin());
    socket.local_port = ingress ? ports.destination : ports.source;
    socket.remote_port = ingress ? ports.source : ports.destination;
    return socket;
}

}  // namespace

struct PacketRunner::State {
    const engine::Prog* prog;
    engine::Execution& execution;
    RunnerOptions options;
    platform::ProgKind kind;
    bool ingress;
    uint64_t clock_ns;
    uint32_t uid;
    LiveTask self{};
    PacketBuffer buffer{};
    engine::Event event{};
    PacketResult result{};
    Bytes shown{};  // a packet as Ethernet, where it is something else
    ByteView original{};
    Bytes changed{};

    Skipped start(const packet::Packet& packet);
    Skipped start_skb(const packet::Packet& packet, uint32_t ifindex);
    std::optional<engine::SocketInfo> find_socket(uint16_t protocol, size_t network) const;
    bool show(const packet::Packet& packet);
};

// The packet as an Ethernet frame into `original`.
bool PacketRunner::State::show(const packet::Packet& packet) {
    const auto view = packet::ethernet_view(packet.link_type, packet.data);
    if (!view) return false;
    if (view->head_size == 0) {
        original = view->rest;
        return true;
    }
    shown.clear();
    append(shown, view->head());
    append(shown, view->rest);
    original = shown;
    return true;
}

Skipped PacketRunner::State::start(const packet::Packet& packet) {
    if (!show(packet)) {
        const bool readable = packet::has_ethernet_view(packet.link_type);
        const bool cut = readable && !packet::parse_link(packet.link_type, packet.data);
        return cut ? Skipped::TooShort : Skipped::LinkType;
    }
    uint32_t ifindex = options.ifindex;
    if (ifindex == 0 && packet.link_type == packet::LinkType::LinuxSll2) {
        ifindex = packet::parse_link(packet.link_type, packet.data)->ifindex;
    }
    if (ifindex == 0) ifindex = packet.interface + 1;

    if (kind.type != ProgType::Xdp) return start_skb(packet, ifindex);
    const engine::XdpInfo info{.ifindex = ifindex, .rx_queue = options.rx_queue};
    return buffer.start_xdp(original, info) ? Skipped::No : Skipped::TooShort;
}

std::optional<engine::SocketInfo> PacketRunner::State::find_socket(uint16_t protocol,
                                                                   size_t network) const {
    const bool ipv4 = protocol == engine::network_order(ETH_P_IP);
    if (!ipv4 && protocol != engine::network_order(ETH_P_IPV6)) return std::nullopt;
    const ByteView ip = original.subspan(std::min(network, original.size()));
    if (ip.size() < (ipv4 ? 20u : 40u)) return std::nullopt;
    engine::SocketInfo socket = socket_of(ip, ipv4, ingress);
    socket.cookie = engine::flow_hash(original, network, protocol);
    return socket;
}

Skipped PacketRunner::State::start_skb(const packet::Packet& packet, uint32_t ifindex) {
    engine::SkbInfo info{.from_network = kind.type == ProgType::CgroupSkb,
                         .at_ingress = ingress,
                         .ifindex = ifindex,
                         .ingress_ifindex = ingress ? ifindex : 0,
                         .tstamp = ingress ? packet.time_ns : 0};
    const bool tc = kind.type == ProgType::SchedCls || kind.type == ProgType::SchedAct;
    // tc at ingress counts from the network header.
    const uint32_t header = tc && ingress ? PacketBuffer::kEthernetHeader : 0;
    const uint64_t missing =
        packet.length > packet.data.size() ? packet.length - packet.data.size() : 0;
    const uint64_t wire = original.size() + missing;
    info.wire_len = static_cast<uint32_t>(wire > header ? wire - header : wire);
    if (options.device) {
        info.device = *options.device;
    } else if (original.size() >= ETH_ALEN && !(original[0] & 1)) {
        info.type = PACKET_HOST;
    }
    if (!ingress) info.type = PACKET_HOST;  // what the machine sends itself has not been looked at
    if (kind.type == ProgType::SocketFilter)
        info.socket = engine::SocketInfo{.cookie = 1, .uid = uid};
    if (kind.type == ProgType::CgroupSkb) {
        size_t network = PacketBuffer::kEthernetHeader;
        uint16_t protocol = engine::ethernet_protocol(original, 12);
        if (engine::is_vlan(protocol)) {
            network += PacketBuffer::kVlanHeader;
            protocol = engine::ethernet_protocol(original, 16);
        }
        info.socket = find_socket(protocol, network);
        if (!info.socket) return Skipped::NotIp;
        info.socket->uid = uid;
    }
    return buffer.start_skb(original, info) ? Skipped::No : Skipped::TooShort;
}

Result<PacketRunner> PacketRunner::create(const engine::Prog& prog, engine::Execution& execution,
                                          const RunnerOptions& options) {
    const platform::ProgKind kind = prog.kind();
    if (platform::embedded_hook(kind.type) != platform::HookKind::Packet) {
        return unsupported("prog '{}' of type {} does not run on packets", prog.name(),
                           to_string(kind.type));
    }
    auto state = std::unique_ptr<State>(new State{.prog = &prog,
                                                  .execution = execution,
                                                  .options = options,
                                                  .kind = kind,
                                                  .ingress = is_ingress(kind),
                                                  .clock_ns = clock_cost(),
                                                  .uid = getuid()});
    state->self.begin(getpid(), {});
    state->event.task = options.task ? options.task : &state->self;
    return PacketRunner(std::move(state));
}

PacketRunner::PacketRunner(std::unique_ptr<State> state) : state_(std::move(state)) {}
PacketRunner::PacketRunner(PacketRunner&&) noexcept = default;
PacketRunner::~PacketRunner() = default;

const PacketResult& PacketRunner::run(const packet::Packet& packet) {
    State& state = *state_;
    PacketResult& result = state.result;
    result = {.skipped = state.start(packet)};
    if (!result.ran()) return result;
    if (state.options.prepare) state.options.prepare(state.buffer);
    result.size = state.buffer.size();
    state.buffer.attach(state.event);

    const uint64_t begin = now_ns();
    result.outcome = state.prog->run(state.execution, state.event);
    const uint64_t took = now_ns() - begin;
    result.ns = took > state.clock_ns ? took - state.clock_ns : 0;

    state.buffer.narrow_ctx();
    if (result.outcome.fault) return result;
    result.verdict = static_cast<int32_t>(result.outcome.r0);
    result.fate = fate_of(state.kind, result.verdict, state.buffer.redirect.has_value());
    return result;
}

ByteView PacketRunner::frame() {
    State& state = *state_;
    state.changed.clear();
    if (state.kind.type == ProgType::SocketFilter) {
        state.buffer.set_size(
            std::min(state.buffer.size(), static_cast<uint32_t>(state.result.verdict)));
    }
    state.buffer.append_frame(state.changed);
    return state.changed;
}

ByteView PacketRunner::original() const {
    return state_->original;
}

const std::optional<engine::Redirect>& PacketRunner::redirect() const {
    return state_->buffer.redirect;
}

const std::vector<engine::PacketClone>& PacketRunner::clones() const {
    return state_->buffer.clones;
}

const PacketBuffer& PacketRunner::buffer() const {
    return state_->buffer;
}

const engine::Prog& PacketRunner::prog() const {
    return *state_->prog;
}

void PacketRunner::set_prog(const engine::Prog& prog) {
    SKEP_CHECK(prog.kind().type == state_->kind.type);
    state_->prog = &prog;
}

bool PacketRunner::at_ingress() const {
    return state_->ingress;
}

}  // namespace skep::hooks
