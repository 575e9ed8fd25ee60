// SPDX-License-Identifier: Apache-2.0
#include "packet/summary.hpp"

#include <cstdio>
#include <cstdlib>

#include "base/testing.hpp"
#include "packet/capture_writer.hpp"
#include "packet/packet_text.hpp"

namespace skep::packet {
namespace {

Bytes build(std::string_view text) {
    const auto layers = parse_packet_text(text);
    EXPECT_TRUE(layers) << layers.error().message;
    return build_packet(*layers);
}

TEST(Summary, Lines) {
    const struct {
        const char* packet;
        const char* line;
    } cases[] = {
        {"eth/arp", "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28"},
        {"eth/arp(operation=2,src=10.0.0.2,src_mac=02:00:00:00:00:0a)",
         "ARP, Reply 10.0.0.2 is-at 02:00:00:00:00:0a, length 28"},
        {"eth/ipv4/icmp/payload(56)",
         "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 1, length 64"},
        {"eth/ipv4/icmp(type=3,code=3)/payload(28)",
         "IP 10.0.0.1 > 10.0.0.2: ICMP destination unreachable, code 3, length 36"},
        {"eth/ipv4/icmp(type=200)", "IP 10.0.0.1 > 10.0.0.2: ICMP type 200, length 8"},
        {"eth/vlan(id=7)/ipv6/icmp6(type=129,id=9,seq=3)",
         "vlan 7, IP6 fd00::1 > fd00::2: ICMP6, echo reply, id 9, seq 3, length 8"},
        {"eth/ipv6/icmp6(type=135)/payload(bytes=fd000000000000000000000000000009)",
         "IP6 fd00::1 > fd00::2: ICMP6, neighbor solicitation, who has fd00::9, length 24"},
        {"eth/ipv4/udp(dst=53)/payload(5)", "IP 10.0.0.1.1024 > 10.0.0.2.53: UDP, length 5"},
        {"eth/ipv4/tcp(seq=7)",
         "IP 10.0.0.1.1024 > 10.0.0.2.80: Flags [S], seq 7, win 64240, length 0"},
        {"eth/ipv4/tcp(seq=7,ack=9,flags=PA)/payload(5)",
         "IP 10.0.0.1.1024 > 10.0.0.2.80: Flags [P.], seq 7:12, ack 9, win 64240, length 5"},
        {"eth/ipv4/tcp(flags=A,ack=9)",
         "IP 10.0.0.1.1024 > 10.0.0.2.80: Flags [.], ack 9, win 64240, length 0"},
        {"eth/ipv4/tcp(flags=U,urgent=2)",
         "IP 10.0.0.1.1024 > 10.0.0.2.80: Flags [U], win 64240, urg 2, length 0"},
        {"eth/ipv4/tcp(flags=)",
         "IP 10.0.0.1.1024 > 10.0.0.2.80: Flags [none], win 64240, length 0"},
        {"eth/ipv4(fragment_offset=1480,protocol=17)/payload(8)",
         "IP 10.0.0.1 > 10.0.0.2: fragment of UDP at 1480, length 8"},
        {"eth/ipv6/ext/ext(type=60,body=00112233445566778899)/udp(dst=53)/payload(1)",
         "IP6 fd00::1.1024 > fd00::2.53: UDP, length 1"},
        {"eth/ipv6/frag(offset=8,next=6)/payload(16)",
         "IP6 fd00::1 > fd00::2: fragment of TCP at 8, length 16"},
        {"eth/ipv6/frag(more=yes)/udp/payload(8)", "IP6 fd00::1.1024 > fd00::2.9: UDP, length 8"},
        {"eth/ipv4/ipv4", "IP 10.0.0.1 > 10.0.0.2: IP, length 20"},
        {"eth/ipv4(protocol=99)", "IP 10.0.0.1 > 10.0.0.2: protocol 99, length 0"},
        {"eth/payload(5)", "ethertype 0x88b5, length 5"},
        {"eth(type=3)/payload(bytes=424203)", "802.2, length 3"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(summary(LinkType::Ethernet, build(c.packet)), c.line) << c.packet;
    }
}

std::vector<std::string> tcpdump_lines(const std::string& capture) {
    const std::string command = fmt::format("tcpdump -nn -t -S -r {} 2>/dev/null", capture);
    FILE* pipe = popen(command.c_str(), "r");
    std::vector<std::string> lines;
    char* line = nullptr;
    size_t room = 0;
    for (ssize_t size; (size = getline(&line, &room, pipe)) > 0;)
        lines.emplace_back(line, size - 1);
    std::free(line);
    EXPECT_EQ(pclose(pipe), 0);
    return lines;
}

// What both print, tcpdump prints in the same words.
TEST(Summary, LinesAreTcpdumps) {
    if (std::system("tcpdump --version >/dev/null 2>&1") != 0) SKEP_SKIP("tcpdump is missing");
    const char* const packets[] = {
        "eth/arp",
        "eth/arp(operation=2,src=10.0.0.2)",
        "eth/ipv4/icmp/payload(56)",
        "eth/ipv4/icmp(type=0,id=65535,seq=65535)/payload(1)",
        "eth/ipv4(options=01010101)/udp(src=5000,dst=6000)/payload(5)",
        "eth/ipv4/udp(src=5000,dst=6000,checksum=no)",
        "eth/ipv4/tcp(seq=7)",
        "eth/ipv4/tcp(dst=5001,seq=4294967290,ack=9,flags=PA)/payload(5)",
        "eth/ipv4/tcp(dst=5001,seq=4294967295,ack=9,flags=PA)/payload(5)",
        "eth/ipv4/tcp(seq=5,flags=FSRPAUEC)",
        "eth/ipv4/tcp(flags=)",
        "eth/ipv4/tcp(seq=5,flags=R)",
        "eth/ipv6/icmp6/payload(8)",
        "eth/ipv6/icmp6(type=135)/payload(bytes=fd000000000000000000000000000009)",
        "eth/ipv6/tcp(flags=FA,seq=3,ack=4)",
        "eth/ipv6/udp(src=5000,dst=6000)/payload(2)",
    };
    const skep::testing::ScratchDir scratch;
    const std::string path = scratch.file("a.pcap");
    auto writer = CaptureWriter::create(path, CaptureFormat::Pcap);
    ASSERT_TRUE(writer->add_interface({}));
    for (const char* text : packets) {
        const Bytes packet = build(text);
        const auto size = static_cast<uint32_t>(packet.size());
        ASSERT_TRUE(writer->write({.data = packet, .length = size}));
    }
    ASSERT_TRUE(writer->close());
    const auto lines = tcpdump_lines(path);
    ASSERT_EQ(lines.size(), std::size(packets));
    for (size_t i = 0; i < lines.size(); ++i) {
        EXPECT_EQ(summary(LinkType::Ethernet, build(packets[i])), lines[i]) << packets[i];
    }
}

TEST(Summary, OtherLinkTypes) {
    EXPECT_EQ(summary(LinkType::Raw, build("ipv4/udp")),
              "IP 10.0.0.1.1024 > 10.0.0.2.9: UDP, length 0");
    EXPECT_EQ(summary(LinkType{105}, Bytes(24)), "link type IEEE802_11 (802.11), length 24");
    EXPECT_EQ(summary(LinkType::LinuxSll, Bytes(3)),
              "link type LINUX_SLL (Linux cooked v1), cut short, length 3");
}

TEST(Summary, CutShort) {
    const Bytes packet = build("eth/ipv4/tcp/payload(4)");
    const struct {
        size_t size;
        const char* line;
    } cases[] = {
        {13, "link type EN10MB (Ethernet), cut short, length 13"},
        {33, "IP, cut short"},
        {34, "IP 10.0.0.1 > 10.0.0.2: TCP, cut short"},
        {53, "IP 10.0.0.1 > 10.0.0.2: TCP, cut short"},
        {54, "IP 10.0.0.1.1024 > 10.0.0.2.80: Flags [S], seq 0:4, win 64240, length 4"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(summary(LinkType::Ethernet, ByteView(packet).first(c.size)), c.line);
    }
}

TEST(Summary, HeadersThatLie) {
    const auto patched = [](const char* text, size_t offset, uint8_t byte) {
        Bytes packet = build(text);
        packet.at(offset) = byte;
        return summary(LinkType::Ethernet, packet);
    };
    EXPECT_EQ(patched("eth/ipv4/udp", 14, 0x44), "IP, bad header (version 4, 16 bytes)");
    EXPECT_EQ(patched("eth/ipv4/udp", 14, 0x65), "IP, bad header (version 6, 20 bytes)");
    EXPECT_EQ(patched("eth/ipv4/udp", 17, 19), "IP, bad length 19");
    EXPECT_EQ(patched("eth/ipv4/udp", 39, 7), "IP 10.0.0.1.1024 > 10.0.0.2.9: UDP, bad length 7");
    EXPECT_EQ(patched("eth/ipv4/tcp", 46, 0x40),
              "IP 10.0.0.1.1024 > 10.0.0.2.80: Flags [S], a header of 16 bytes");
    EXPECT_EQ(patched("eth/ipv6/udp", 14, 0x40), "IP6, bad header (version 4)");
    EXPECT_EQ(patched("eth/ipv6/ext/udp", 14 + 40 + 1, 0xff),
              "IP6 fd00::1 > fd00::2: protocol 0, length 16");
    EXPECT_EQ(patched("eth/arp", 18, 8), "ARP of another kind, length 28");
    // A zero length stands for all that is there.
    EXPECT_EQ(patched("eth/ipv4/udp", 17, 0), "IP 10.0.0.1.1024 > 10.0.0.2.9: UDP, length 0");
}

}  // namespace
}  // namespace skep::packet
