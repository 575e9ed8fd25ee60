// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/lwtunnel.h>

#include <cerrno>

#include "base/text.hpp"
#include "kernel/attach_hooks.hpp"
#include "kernel/netlink.hpp"
#include "kernel/netns.hpp"
#include "kernel/refused.hpp"

// Lightweight tunnels: a route whose packets meet a program. The route belongs to the namespace and
// not to a process; a killed one leaves it behind (ip route shows it, with the program's name).

namespace skep::kernel {

namespace {

struct Destination {
    uint8_t family = AF_INET;
    uint8_t bits = 32;
    Bytes address;
    Bytes via;
};

std::optional<Bytes> parse_address(const std::string& text, uint8_t family) {
    Bytes bytes(family == AF_INET ? 4 : 16);
    if (inet_pton(family, text.c_str(), bytes.data()) != 1) return std::nullopt;
    return bytes;
}

Result<Destination> parse_route(const Prog& prog, const LwtRoute& route) {
    const size_t slash = route.destination.find('/');
    const std::string host = route.destination.substr(0, slash);
    Destination to;
    to.family = host.find(':') == std::string::npos ? AF_INET : AF_INET6;
    to.bits = to.family == AF_INET ? 32 : 128;
    const auto address = parse_address(host, to.family);
    const auto bits = slash == std::string::npos ? std::optional<uint64_t>(to.bits)
                                                 : parse_uint(route.destination.substr(slash + 1));
    if (!address || !bits || *bits > to.bits)
        return not_given(prog, "the route's destination", "e.g. 10.2.0.0/24");
    to.address = *address;
    to.bits = static_cast<uint8_t>(*bits);
    if (!route.via.empty()) {
        const auto via = parse_address(route.via, to.family);
        if (!via) return not_given(prog, "a gateway of the same family", "e.g. 10.1.0.2");
        to.via = *via;
    }
    return to;
}

NetlinkMessage route_message(uint16_t type, uint16_t flags, const Destination& to,
                             uint32_t ifindex) {
    NetlinkMessage message(type, static_cast<uint16_t>(flags | NLM_F_ACK));
    message.header(
        rtmsg{.rtm_family = to.family,
              .rtm_dst_len = to.bits,
              .rtm_src_len = 0,
              .rtm_tos = 0,
              .rtm_table = RT_TABLE_MAIN,
              .rtm_protocol = RTPROT_STATIC,
              .rtm_scope = static_cast<uint8_t>(to.via.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE),
              .rtm_type = RTN_UNICAST,
              .rtm_flags = 0});
    message.attribute(RTA_DST, ByteView(to.address));
    message.attribute(RTA_OIF, bytes_of(ifindex));
    if (!to.via.empty()) message.attribute(RTA_GATEWAY, ByteView(to.via));
    return message;
}

void add_program(NetlinkMessage& message, const Prog& prog) {
    constexpr uint16_t kNested = NLA_F_NESTED;
    const uint16_t place = prog.type() == ProgType::LwtIn    ? LWT_BPF_IN
                           : prog.type() == ProgType::LwtOut ? LWT_BPF_OUT
                                                             : LWT_BPF_XMIT;
    const uint16_t type = LWTUNNEL_ENCAP_BPF;
    message.attribute(RTA_ENCAP_TYPE, bytes_of(type));
    const size_t encap = message.begin(RTA_ENCAP | kNested);
    const size_t inner = message.begin(place | kNested);
    const auto fd = static_cast<uint32_t>(prog.fd());
    message.attribute(LWT_BPF_PROG_FD, bytes_of(fd));
    message.attribute(LWT_BPF_PROG_NAME, prog.name());
    message.end(inner);
    message.end(encap);
}

class RouteLink final : public Link {
  public:
    RouteLink(UniqueFd netns, Destination to, uint32_t ifindex, Prog prog)
        : netns_(std::move(netns)), to_(std::move(to)), ifindex_(ifindex), prog_(std::move(prog)) {}
    ~RouteLink() override { (void)detach(); }

    Result<void> update(const Prog& next, const Prog* expected) override {
        if (expected && expected->fd() != prog_.fd())
            return std::unexpected(sys_error("replace the program of a route", EPERM));
        const NetnsScope inside = SKEP_TRY(NetnsScope::enter(netns_.get()));
        NetlinkMessage message =
            route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, to_, ifindex_);
        add_program(message, next);
        SKEP_TRY(netlink_request(message));
        prog_ = next;
        return {};
    }
    Result<void> detach() override {
        if (std::exchange(detached_, true)) return {};
        const NetnsScope inside = SKEP_TRY(NetnsScope::enter(netns_.get()));
        auto done = netlink_request(route_message(RTM_DELROUTE, 0, to_, ifindex_));
        // The interface went, and its routes with it.
        if (!done && (done.error().sys_errno == ESRCH || done.error().sys_errno == ENODEV))
            return {};
        return done;
    }
    Result<LinkState> state() const override {
        return LinkState{
            .kind = "lwt", .prog_id = prog_.id(), .ifindex = ifindex_, .gone = detached_};
    }

  private:
    UniqueFd netns_;
    Destination to_;
    uint32_t ifindex_;
    Prog prog_;
    bool detached_ = false;
};

}  // namespace

Result<LinkPtr> attach_lwt(const Prog& prog, const AttachTo& to) {
    const NetnsScope inside = SKEP_TRY(NetnsScope::enter(to.netns));
    const Interface device = SKEP_TRY(find_interface(prog, to));
    const Destination destination = SKEP_TRY(parse_route(prog, to.route));
    NetlinkMessage message =
        route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, destination, device.index);
    add_program(message, prog);
    if (auto done = netlink_request(message); !done)
        return std::unexpected(
            attach_error(attaching(prog, fmt::format("the route to {}", to.route.destination)), "",
                         done.error().sys_errno));
    return std::make_unique<RouteLink>(SKEP_TRY(current_netns()), destination, device.index, prog);
}

}  // namespace skep::kernel
