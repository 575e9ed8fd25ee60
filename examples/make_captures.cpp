// SPDX-License-Identifier: Apache-2.0
// Writes the captures that the examples and their tests run on:
//
//     make_captures DIRECTORY
//
//     ping.pcap      a host of 192.0.2.0/24 looks up a name, pings, and fetches a page: ARP, DNS,
//                    ICMP echo over IPv4 and IPv6, TCP with HTTP
//     mixed.pcapng   two interfaces, Ethernet with VLANs and raw IP, with comments and drop counts
//
// The build runs it. The same bytes come out every time: the clock starts at a fixed date, and
// nothing is random. Addresses are of the ranges reserved for documentation.
#include <fmt/core.h>

#include <string>

#include "packet/build.hpp"
#include "packet/capture_writer.hpp"
#include "packet/wire.hpp"

namespace skep::packet {
namespace {

const MacAddress kHostMac = mac("02:00:00:00:00:10"), kGatewayMac = mac("02:00:00:00:00:01");
const Ipv4Address kHost = ip4("192.0.2.10"), kGateway = ip4("192.0.2.1"),
                  kWeb = ip4("198.51.100.80");
const Ipv6Address kHost6 = ip6("2001:db8::10"), kGateway6 = ip6("2001:db8::1");

const Ethernet kOut = {.src = kHostMac, .dst = kGatewayMac};
const Ethernet kIn = {.src = kGatewayMac, .dst = kHostMac};

/// A writer with a clock: packets are so many microseconds apart.
class Recorder {
  public:
    explicit Recorder(CaptureWriter& writer) : writer_(writer) {}

    Result<void> record(uint64_t after_us, const std::vector<Layer>& layers, uint32_t interface = 0,
                        Direction direction = Direction::Unknown, std::string_view comment = {}) {
        time_ns_ += after_us * 1000;
        const Bytes packet = build_packet(layers);
        return writer_.write({.time_ns = time_ns_,
                              .data = packet,
                              .length = static_cast<uint32_t>(packet.size()),
                              .interface = interface,
                              .direction = direction},
                             comment);
    }

    uint64_t time_ns() const { return time_ns_; }

  private:
    CaptureWriter& writer_;
    uint64_t time_ns_ = 1'705'312'800'000'000'000;  // 2024-01-15 10:00:00 UTC
};

/// RFC 1035: a question for the address of www.example.org, or the same with its answer.
Payload dns(bool response) {
    const std::string question("\3www\7example\3org\0\0\1\0\1", 21);
    Bytes bytes;
    append_be<uint16_t>(bytes, 0x1a2b);
    append_be<uint16_t>(bytes, response ? 0x8180 : 0x0100);
    append_be<uint16_t>(bytes, 1);
    append_be<uint16_t>(bytes, response ? 1 : 0);
    append_be<uint32_t>(bytes, 0);
    append(bytes, bytes_of(question));
    if (response) {
        append_be<uint16_t>(bytes, 0xc00c);  // the name in the question
        append_be<uint32_t>(bytes, 0x0001'0001);
        append_be<uint32_t>(bytes, 300);  // seconds to live
        append_be<uint16_t>(bytes, sizeof(kWeb));
        append(bytes, kWeb.bytes);
    }
    return {.bytes = bytes};
}

Result<void> look_up(Recorder& to) {
    SKEP_TRY(to.record(0, {Ethernet{.src = kHostMac, .dst = mac("ff:ff:ff:ff:ff:ff")},
                           Arp{.src_mac = kHostMac, .src = kHost, .dst = kGateway}}));
    SKEP_TRY(to.record(310, {kIn, Arp{.operation = 2,
                                      .src_mac = kGatewayMac,
                                      .src = kGateway,
                                      .dst_mac = kHostMac,
                                      .dst = kHost}}));
    SKEP_TRY(to.record(12, {kOut, Ipv4{.src = kHost, .dst = kGateway, .id = 1},
                            Udp{.src = 40'001, .dst = 53}, dns(false)}));
    return to.record(8'450, {kIn, Ipv4{.src = kGateway, .dst = kHost, .id = 900},
                             Udp{.src = 53, .dst = 40'001}, dns(true)});
}

Result<void> ping(Recorder& to) {
    for (uint16_t seq = 1; seq <= 3; ++seq) {
        SKEP_TRY(to.record(990'000, {kOut, Ipv4{.src = kHost, .dst = kWeb, .dont_fragment = true},
                                     Icmp{.id = 77, .seq = seq}, payload(size_t{56})}));
        SKEP_TRY(to.record(11'200 + 90u * seq,
                           {kIn, Ipv4{.src = kWeb, .dst = kHost, .ttl = 57},
                            Icmp{.type = 0, .id = 77, .seq = seq}, payload(size_t{56})}));
    }
    return {};
}

Result<void> ping6(Recorder& to) {
    Bytes target = {kGateway6.bytes.begin(), kGateway6.bytes.end()};
    SKEP_TRY(
        to.record(250'000, {Ethernet{.src = kHostMac, .dst = mac("33:33:ff:00:00:01")},
                            Ipv6{.src = kHost6, .dst = ip6("ff02::1:ff00:1"), .hop_limit = 255},
                            Icmpv6{.type = 135, .id = 0, .seq = 0}, Payload{target}}));
    SKEP_TRY(to.record(280, {kIn, Ipv6{.src = kGateway6, .dst = kHost6, .hop_limit = 255},
                             Icmpv6{.type = 136, .id = 0x6000, .seq = 0}, Payload{target}}));
    for (uint16_t seq = 1; seq <= 2; ++seq) {
        SKEP_TRY(to.record(seq == 1 ? 15 : 998'000,
                           {kOut, Ipv6{.src = kHost6, .dst = kGateway6},
                            Icmpv6{.id = 78, .seq = seq}, payload(size_t{56})}));
        SKEP_TRY(to.record(420, {kIn, Ipv6{.src = kGateway6, .dst = kHost6},
                                 Icmpv6{.type = 129, .id = 78, .seq = seq}, payload(size_t{56})}));
    }
    return {};
}

/// One TCP connection, which counts the sequence numbers of both sides.
class Connection {
  public:
    explicit Connection(Recorder& to) : to_(to) {}

    Result<void> send(bool out, uint64_t after_us, uint8_t flags, std::string_view text = {}) {
        Side& from = out ? client_ : server_;
        const Side& peer = out ? server_ : client_;
        Tcp tcp = {.src = from.port, .dst = peer.port, .seq = from.seq, .flags = flags};
        if (flags & kTcpAck) tcp.ack = peer.seq;
        if (flags & kTcpSyn) tcp.options = {2, 4, 0x05, 0xb4};  // maximum segment size 1460
        from.seq += static_cast<uint32_t>(text.size()) + ((flags & (kTcpSyn | kTcpFin)) != 0);
        const Ipv4 ip = {.src = from.address, .dst = peer.address, .id = from.id++};
        return to_.record(after_us, {out ? kOut : kIn, ip, tcp, payload(text)});
    }

  private:
    struct Side {
        Ipv4Address address;
        uint16_t port;
        uint32_t seq;
        uint16_t id;
    };

    Recorder& to_;
    Side client_ = {kHost, 51'000, 1'000'000, 100};
    Side server_ = {kWeb, 80, 2'000'000, 5'000};
};

Result<void> fetch(Recorder& to) {
    Connection connection(to);
    SKEP_TRY(connection.send(true, 120'000, kTcpSyn));
    SKEP_TRY(connection.send(false, 11'050, kTcpSyn | kTcpAck));
    SKEP_TRY(connection.send(true, 35, kTcpAck));
    SKEP_TRY(connection.send(true, 110, kTcpPsh | kTcpAck,
                             "GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"));
    SKEP_TRY(connection.send(false, 11'400, kTcpAck));
    SKEP_TRY(connection.send(false, 2'900, kTcpPsh | kTcpAck,
                             "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"));
    SKEP_TRY(connection.send(true, 40, kTcpAck));
    SKEP_TRY(connection.send(true, 150, kTcpFin | kTcpAck));
    SKEP_TRY(connection.send(false, 11'300, kTcpFin | kTcpAck));
    return connection.send(true, 30, kTcpAck);
}

Result<void> write_ping(const std::string& path) {
    auto writer = SKEP_TRY(CaptureWriter::create(path, CaptureFormat::Pcap));
    SKEP_TRY(writer.add_interface({}));
    Recorder recorder(writer);
    SKEP_TRY(look_up(recorder));
    SKEP_TRY(ping(recorder));
    SKEP_TRY(ping6(recorder));
    SKEP_TRY(fetch(recorder));
    return writer.close();
}

Result<void> write_mixed(const std::string& path) {
    auto writer = SKEP_TRY(CaptureWriter::create(path, CaptureFormat::Pcapng,
                                                 CaptureWriter::PcapTime::Nanoseconds,
                                                 "both ends of a tunnel"));
    const uint32_t eth0 = SKEP_TRY(writer.add_interface({.name = "eth0", .description = "trunk"}));
    const uint32_t tun0 =
        SKEP_TRY(writer.add_interface({.link_type = LinkType::Raw, .name = "tun0"}));
    Recorder to(writer);
    const Ipv4 left = {.src = ip4("10.0.0.1"), .dst = ip4("10.0.0.2")};
    const Ipv4 right = {.src = ip4("10.0.0.2"), .dst = ip4("10.0.0.1")};
    SKEP_TRY(to.record(0, {left, Icmp{.id = 9}, payload(size_t{56})}, tun0, Direction::Out));
    SKEP_TRY(to.record(20,
                       {kOut, Vlan{.id = 100}, Ipv4{.src = kHost, .dst = kGateway}, left,
                        Icmp{.id = 9}, payload(size_t{56})},
                       eth0, Direction::Out, "the same packet in the tunnel"));
    SKEP_TRY(to.record(900,
                       {kIn, Vlan{.id = 100}, Ipv4{.src = kGateway, .dst = kHost}, right,
                        Icmp{.type = 0, .id = 9}, payload(size_t{56})},
                       eth0, Direction::In));
    SKEP_TRY(
        to.record(25, {right, Icmp{.type = 0, .id = 9}, payload(size_t{56})}, tun0, Direction::In));
    SKEP_TRY(to.record(5'000,
                       {kOut, Vlan{.id = 100, .service = true}, Vlan{.id = 7},
                        Ipv6{.src = kHost6, .dst = kGateway6}, Ipv6Extension{.type = 60},
                        Udp{.dst = 4'789}, payload("odd, but legal")},
                       eth0, Direction::Out));
    SKEP_TRY(writer.write_stats(
        eth0, {.received = 5, .dropped_interface = 0, .accepted = 3, .dropped_kernel = 2},
        to.time_ns()));
    SKEP_TRY(writer.write_stats(tun0, {.received = 2, .accepted = 2}, to.time_ns()));
    return writer.close();
}

Result<void> write_all(const std::string& directory) {
    SKEP_TRY(write_ping(directory + "/ping.pcap"));
    return write_mixed(directory + "/mixed.pcapng");
}

}  // namespace
}  // namespace skep::packet

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: make_captures DIRECTORY\n");
        return 2;
    }
    const auto result = skep::packet::write_all(argv[1]);
    if (result) return 0;
    fmt::print(stderr, "{}\n", result.error().to_string());
    return result.error().exit_code();
}
