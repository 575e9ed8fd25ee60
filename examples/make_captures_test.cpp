// SPDX-License-Identifier: Apache-2.0
// The example captures are what their names and comments say, and come out the same every time.
#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>

#include "base/file.hpp"
#include "base/testing.hpp"
#include "packet/capture_reader.hpp"
#include "packet/summary.hpp"

namespace skep::packet {
namespace {

using skep::testing::binary_dir;

std::string example(const std::string& name) {
    return binary_dir() / "examples" / name;
}

std::vector<std::string> summaries(const std::string& path) {
    auto reader = CaptureReader::open(path);
    EXPECT_TRUE(reader) << reader.error().message;
    std::vector<std::string> lines;
    for (;;) {
        const auto packet = reader->next();
        EXPECT_TRUE(packet) << packet.error().message;
        if (!packet || !*packet) return lines;
        lines.push_back(summary((*packet)->link_type, (*packet)->data));
    }
}

TEST(ExampleCaptures, Ping) {
    const std::vector<std::string> expected = {
        "ARP, Request who-has 192.0.2.1 tell 192.0.2.10, length 28",
        "ARP, Reply 192.0.2.1 is-at 02:00:00:00:00:01, length 28",
        "IP 192.0.2.10.40001 > 192.0.2.1.53: UDP, length 33",
        "IP 192.0.2.1.53 > 192.0.2.10.40001: UDP, length 49",
        "IP 192.0.2.10 > 198.51.100.80: ICMP echo request, id 77, seq 1, length 64",
        "IP 198.51.100.80 > 192.0.2.10: ICMP echo reply, id 77, seq 1, length 64",
        "IP 192.0.2.10 > 198.51.100.80: ICMP echo request, id 77, seq 2, length 64",
        "IP 198.51.100.80 > 192.0.2.10: ICMP echo reply, id 77, seq 2, length 64",
        "IP 192.0.2.10 > 198.51.100.80: ICMP echo request, id 77, seq 3, length 64",
        "IP 198.51.100.80 > 192.0.2.10: ICMP echo reply, id 77, seq 3, length 64",
        "IP6 2001:db8::10 > ff02::1:ff00:1: ICMP6, neighbor solicitation, who has 2001:db8::1, "
        "length 24",
        "IP6 2001:db8::1 > 2001:db8::10: ICMP6, neighbor advertisement, tgt is 2001:db8::1, "
        "length 24",
        "IP6 2001:db8::10 > 2001:db8::1: ICMP6, echo request, id 78, seq 1, length 64",
        "IP6 2001:db8::1 > 2001:db8::10: ICMP6, echo reply, id 78, seq 1, length 64",
        "IP6 2001:db8::10 > 2001:db8::1: ICMP6, echo request, id 78, seq 2, length 64",
        "IP6 2001:db8::1 > 2001:db8::10: ICMP6, echo reply, id 78, seq 2, length 64",
        "IP 192.0.2.10.51000 > 198.51.100.80.80: Flags [S], seq 1000000, win 64240, length 0",
        "IP 198.51.100.80.80 > 192.0.2.10.51000: Flags [S.], seq 2000000, ack 1000001, win 64240, "
        "length 0",
        "IP 192.0.2.10.51000 > 198.51.100.80.80: Flags [.], ack 2000001, win 64240, length 0",
        "IP 192.0.2.10.51000 > 198.51.100.80.80: Flags [P.], seq 1000001:1000042, ack 2000001, "
        "win 64240, length 41",
        "IP 198.51.100.80.80 > 192.0.2.10.51000: Flags [.], ack 1000042, win 64240, length 0",
        "IP 198.51.100.80.80 > 192.0.2.10.51000: Flags [P.], seq 2000001:2000045, ack 1000042, "
        "win 64240, length 44",
        "IP 192.0.2.10.51000 > 198.51.100.80.80: Flags [.], ack 2000045, win 64240, length 0",
        "IP 192.0.2.10.51000 > 198.51.100.80.80: Flags [F.], seq 1000042, ack 2000045, win 64240, "
        "length 0",
        "IP 198.51.100.80.80 > 192.0.2.10.51000: Flags [F.], seq 2000045, ack 1000043, win 64240, "
        "length 0",
        "IP 192.0.2.10.51000 > 198.51.100.80.80: Flags [.], ack 2000046, win 64240, length 0",
    };
    EXPECT_EQ(summaries(example("ping.pcap")), expected);
}

TEST(ExampleCaptures, Mixed) {
    const std::vector<std::string> expected = {
        "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 9, seq 1, length 64",
        "vlan 100, IP 192.0.2.10 > 192.0.2.1: IP, length 84",
        "vlan 100, IP 192.0.2.1 > 192.0.2.10: IP, length 84",
        "IP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id 9, seq 1, length 64",
        "vlan 100, vlan 7, IP6 2001:db8::10.1024 > 2001:db8::1.4789: UDP, length 14",
    };
    EXPECT_EQ(summaries(example("mixed.pcapng")), expected);
}

// tcpdump counts as many packets, and finds every checksum right.
TEST(ExampleCaptures, TcpdumpAgrees) {
    if (std::system("tcpdump --version >/dev/null 2>&1") != 0) SKEP_SKIP("tcpdump is missing");
    const skep::testing::ScratchDir scratch;
    const std::string dump = scratch.file("dump");
    const auto run = [&](const char* options) {
        const auto command =
            fmt::format("tcpdump -nn {} -r {} >{} 2>&1", options, example("ping.pcap"), dump);
        EXPECT_EQ(std::system(command.c_str()), 0);
        const Bytes output = read_file(dump).value();
        return std::string(output.begin(), output.end());
    };
    EXPECT_THAT(run("--count"), ::testing::HasSubstr("26 packets"));
    const std::string verbose = run("-vv");
    EXPECT_THAT(verbose, ::testing::HasSubstr("(correct)"));
    EXPECT_THAT(verbose, ::testing::HasSubstr("[udp sum ok]"));
    EXPECT_THAT(verbose, ::testing::Not(::testing::HasSubstr("incorrect")));
    EXPECT_THAT(verbose, ::testing::Not(::testing::HasSubstr("bad")));
}

TEST(ExampleCaptures, AreTheSameEveryTime) {
    const skep::testing::ScratchDir scratch;
    const auto command = fmt::format("{} {}", example("make_captures"), scratch.path().string());
    ASSERT_EQ(std::system(command.c_str()), 0);
    for (const char* name : {"ping.pcap", "mixed.pcapng"}) {
        EXPECT_EQ(read_file(scratch.file(name)).value(), read_file(example(name)).value()) << name;
    }
}

}  // namespace
}  // namespace skep::packet
