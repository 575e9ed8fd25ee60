// SPDX-License-Identifier: Apache-2.0
#include "packet/build.hpp"

#include <gmock/gmock.h>
#include <linux/if_ether.h>

#include "base/hex.hpp"
#include "base/testing.hpp"
#include "packet/csum.hpp"
#include "packet/wire.hpp"

namespace skep::packet {
namespace {

TEST(Address, Text) {
    EXPECT_EQ(to_string(mac("02:00:5e:00:00:ff")), "02:00:5e:00:00:ff");
    EXPECT_EQ(to_string(ip4("192.0.2.1")), "192.0.2.1");
    EXPECT_EQ(to_string(ip6("FD00:0::1")), "fd00::1");
    for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "::g", "02:00:5e:00:00", "0200:5e:00:00:01",
                            "02:00:5e:00:00:1", "02:00:5e:00:00:001"}) {
        EXPECT_FALSE(parse_mac(bad)) << bad;
        EXPECT_FALSE(parse_ipv4(bad)) << bad;
        EXPECT_FALSE(parse_ipv6(bad)) << bad;
    }
}

// Whole packets, byte for byte; checked once with tcpdump -vv, which verifies the checksums.
TEST(Build, PacketsByteForByte) {
    const struct {
        const char* name;
        std::vector<Layer> layers;
        const char* hex;
    } cases[] = {
        {"ARP request",
         {Ethernet{.dst = mac("ff:ff:ff:ff:ff:ff")}, Arp{}},
         "ffffffffffff 020000000001 0806"
         "0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002"},
        {"ICMP echo",
         {Ethernet{}, Ipv4{.id = 7}, Icmp{}, payload("ping")},
         "020000000002 020000000001 0800"
         "45000020 0007 0000 40 01 66d4 0a000001 0a000002"
         "0800 192d 0001 0001 70696e67"},
        {"UDP in a VLAN",
         {Ethernet{}, Vlan{.id = 100, .priority = 5}, Ipv4{}, Udp{}, payload("x")},
         "020000000002 020000000001 8100 a064 0800"
         "4500001d 0000 0000 40 11 66ce 0a000001 0a000002"
         "0400 0009 0009 6fd0 78"},
        {"TCP SYN over IPv6",
         {Ipv6{}, Tcp{.seq = 1, .options = {2, 4, 5, 0xa0}}},
         "60000000 0018 06 40 fd000000000000000000000000000001 fd000000000000000000000000000002"
         "0400 0050 00000001 00000000 6002 faf0 9ef4 0000 020405a0"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(to_hex(build_packet(c.layers)), to_hex(*from_hex(c.hex))) << c.name;
    }
}

uint16_t be16(const Bytes& bytes, size_t offset) {
    return load_be<uint16_t>(bytes, offset).value();
}

TEST(Build, EachHeaderNamesTheNext) {
    const struct {
        std::vector<Layer> layers;
        size_t offset;
        uint16_t expected;
    } cases[] = {
        {{Ethernet{}, Ipv6{}}, 12, ETH_P_IPV6},
        {{Ethernet{}, Vlan{.service = true}, Vlan{}, Arp{}}, 12, ETH_P_8021AD},
        {{Ethernet{}, Vlan{.service = true}, Vlan{}, Arp{}}, 16, ETH_P_8021Q},
        {{Ethernet{}, Vlan{.service = true}, Vlan{}, Arp{}}, 20, ETH_P_ARP},
        {{Ethernet{.type = 0x1234}, Ipv4{}}, 12, 0x1234},
        {{Ipv4{}, Ipv4{}, Udp{}}, 8, 64 << 8 | 4},
        {{Ipv4{}, Ipv6{}}, 8, 64 << 8 | 41},
        {{Ipv4{.protocol = 99}, Udp{}}, 8, 64 << 8 | 99},
        {{Ipv6{}, Ipv6Extension{}, Ipv6Fragment{}, Icmpv6{}}, 6, 0 << 8 | 64},
        {{Ipv6{}, Ipv6Extension{}, Ipv6Fragment{}, Icmpv6{}}, 40, 44 << 8 | 0},
        {{Ipv6{}, Ipv6Extension{}, Ipv6Fragment{}, Icmpv6{}}, 48, 58 << 8 | 0},
        {{Ipv6{}}, 6, 59 << 8 | 64},
    };
    for (const auto& c : cases) EXPECT_EQ(be16(build_packet(c.layers), c.offset), c.expected);
}

TEST(Build, LengthsAndFields) {
    const Bytes fragment = build_packet(
        {Ipv4{.more_fragments = true, .fragment_offset = 1480, .options = {1}}, payload(16)});
    EXPECT_EQ(fragment[0], 0x46);
    EXPECT_EQ(be16(fragment, 2), 40);
    EXPECT_EQ(be16(fragment, 6), 0x2000 | 185);
    const Bytes dont = build_packet({Ipv4{.dont_fragment = true}});
    EXPECT_EQ(be16(dont, 6), 0x4000);
    const Bytes extended = build_packet(
        {Ipv6{.traffic_class = 0x12, .flow_label = 0x34567}, Ipv6Extension{.body = Bytes(7)},
         Ipv6Fragment{.offset = 16, .more = true, .id = 9}, payload(4)});
    EXPECT_EQ(load_be<uint32_t>(extended, 0), 0x61234567u);
    EXPECT_EQ(be16(extended, 4), 16 + 8 + 4);
    EXPECT_EQ(extended[41], 1);  // 16 bytes: one word of eight beyond the first
    EXPECT_EQ(be16(extended, 40 + 16 + 2), 17);
    EXPECT_EQ(payload(size_t{300}).bytes[299], 299 % 256);
    EXPECT_TRUE(build_packet({}).empty());
}

// Checksums cover the addresses of the IP header around them, not of one inside.
TEST(Build, ChecksumsOfTunnelsVerify) {
    const Bytes packet = build_packet({Ipv6{}, Udp{.dst = 4789}, payload(8), Ethernet{},
                                       Ipv4{.dst = ip4("198.51.100.1")}, Tcp{}, payload("abc")});
    const ByteView view = packet;
    const size_t udp = 40, ip = udp + 8 + 8 + 14, tcp = ip + 20;
    const auto outer = static_cast<uint32_t>(packet.size() - udp);
    EXPECT_EQ(csum_fold(csum_partial(
                  view.subspan(udp),
                  pseudo_header_sum(view.subspan(8, 16), view.subspan(24, 16), 17, outer))),
              0);
    EXPECT_EQ(csum_fold(csum_partial(view.subspan(ip, 20))), 0);
    const auto inner = static_cast<uint32_t>(packet.size() - tcp);
    EXPECT_EQ(csum_fold(csum_partial(
                  view.subspan(tcp),
                  pseudo_header_sum(view.subspan(ip + 12, 4), view.subspan(ip + 16, 4), 6, inner))),
              0);
}

TEST(Build, AUdpChecksumIsNeverZeroUnlessAsked) {
    EXPECT_EQ(be16(build_packet({Ipv4{}, Udp{.checksum = false}}), 26), 0);
    // The payload makes the sum come out as zero.
    Bytes packet = build_packet({Ipv4{}, Udp{}, Payload{.bytes = {0, 0}}});
    const uint16_t csum = be16(packet, 26);
    packet = build_packet(
        {Ipv4{}, Udp{},
         Payload{.bytes = {static_cast<uint8_t>(csum >> 8), static_cast<uint8_t>(csum)}}});
    EXPECT_EQ(be16(packet, 26), 0xffff);
}

}  // namespace
}  // namespace skep::packet
