// SPDX-License-Identifier: Apache-2.0
#include "packet/packet_text.hpp"

#include "base/hex.hpp"
#include "base/testing.hpp"

namespace skep::packet {
namespace {

TEST(PacketText, BuildsWhatTheStructsBuild) {
    const struct {
        const char* text;
        std::vector<Layer> layers;
    } cases[] = {
        {"eth/arp(operation=2)", {Ethernet{}, Arp{.operation = 2}}},
        {"eth/ipv4(src=10.0.0.1,dst=10.0.0.9)/icmp(type=8)/payload(32)",
         {Ethernet{}, Ipv4{.src = ip4("10.0.0.1"), .dst = ip4("10.0.0.9")}, Icmp{},
          payload(size_t{32})}},
        {" eth ( dst = ff:ff:ff:ff:ff:ff , type = 0x1234 ) / payload ( \"a, b) / \" ) ",
         {Ethernet{.dst = mac("ff:ff:ff:ff:ff:ff"), .type = 0x1234}, payload("a, b) / ")}},
        {"vlan(id=7,priority=3,service=yes)/vlan/ipv6(src=fd00::9,flow_label=5)",
         {Vlan{.id = 7, .priority = 3, .service = true}, Vlan{},
          Ipv6{.src = ip6("fd00::9"), .flow_label = 5}}},
        {"ipv6/ext(type=60,body=01020304)/frag(offset=8,more=yes,id=7)/udp(checksum=no)",
         {Ipv6{}, Ipv6Extension{.type = 60, .body = {1, 2, 3, 4}},
          Ipv6Fragment{.offset = 8, .more = true, .id = 7}, Udp{.checksum = false}}},
        {"ipv4(ttl=1,dont_fragment=yes,options=\"abcd\")/tcp(dst=443,flags=SA,seq=4294967295)",
         {Ipv4{.ttl = 1, .dont_fragment = true, .options = {'a', 'b', 'c', 'd'}},
          Tcp{.dst = 443, .seq = 0xffffffff, .flags = kTcpSyn | kTcpAck}}},
        {"icmp6(type=135)/payload(bytes=00ff)", {Icmpv6{.type = 135}, Payload{{0, 0xff}}}},
        {"tcp(flags=)/payload(size=2)", {Tcp{.flags = 0}, payload(size_t{2})}},
    };
    for (const auto& c : cases) {
        const auto layers = parse_packet_text(c.text);
        ASSERT_TRUE(layers) << layers.error().message;
        EXPECT_EQ(to_hex(build_packet(*layers)), to_hex(build_packet(c.layers))) << c.text;
    }
}

TEST(PacketText, ErrorsNameTheColumn) {
    const struct {
        const char* text;
        const char* error;
        const char* hint;
    } cases[] = {
        {"", "column 1: no layer is called ''",
         "there are: eth vlan arp ipv4 ipv6 ext frag udp tcp icmp icmp6 payload"},
        {"eth/ipv5/udp", "column 5: no layer is called 'ipv5'", "did you mean 'ipv4'?"},
        {"eth/ipv4(srcc=10.0.0.1)", "column 10: no field of ipv4 is called 'srcc'",
         "did you mean 'src'?"},
        {"eth/ipv4(src=10.0.0)", "column 14: '10.0.0' is no value for src of ipv4", ""},
        {"udp(dst=65536)", "column 9: '65536' is no value for dst of udp", ""},
        {"tcp(flags=SX)", "column 11: 'SX' is no value for flags of tcp", ""},
        {"vlan(service=1)", "column 14: '1' is no value for service of vlan", ""},
        {"payload(bytes=123)", "column 15: '123' is no value for bytes of payload", ""},
        {"payload(70000)", "column 9: '70000' is no value for size of payload", ""},
        {"payload(\"abc)", "column 9: '\"abc)' is no value for bytes of payload", ""},
        {"udp()", "column 5: expected NAME=VALUE", ""},
        {"udp(53)", "column 5: expected NAME=VALUE", ""},
        {"udp(dst=53", "column 11: expected ',' or ')'", ""},
        {"udp(dst=53)x", "column 12: expected '/' or the end", ""},
    };
    for (const auto& c : cases) {
        const auto layers = parse_packet_text(c.text);
        ASSERT_FALSE(layers) << c.text;
        EXPECT_EQ(layers.error().message, std::string("packet text, ") + c.error);
        EXPECT_EQ(layers.error().hint, c.hint) << c.text;
        EXPECT_EQ(layers.error().code, ErrorCode::Malformed);
    }
    std::string deep = "vlan";
    for (int i = 1; i < 64; ++i) deep += "/vlan";
    EXPECT_TRUE(parse_packet_text(deep));
    EXPECT_EQ(parse_packet_text(deep + "/vlan").error().message,
              "packet text, column 321: too many layers");
}

}  // namespace
}  // namespace skep::packet
