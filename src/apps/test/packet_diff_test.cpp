// SPDX-License-Identifier: Apache-2.0
#include "apps/test/packet_diff.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packet/build.hpp"
#include "packet/packet_text.hpp"

namespace skep::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Bytes frame(std::string_view text) {
    return packet::build_packet(*packet::parse_packet_text(text));
}

TEST(PacketDiff, NamesTheFieldsThatDiffer) {
    const Bytes a = frame("eth/ipv4(ttl=64)/udp"), b = frame("eth/ipv4(ttl=63)/udp");
    EXPECT_THAT(packet_diff(a, a), IsEmpty());
    const auto lines = packet_diff(a, b);
    EXPECT_THAT(lines, Contains("ipv4.ttl: expected 64, actual 63"));
    EXPECT_THAT(lines, Contains("0010  expected 00 1c 00 00 00 00 40 11 66 cf 0a 00 00 01 0a 00"));
    EXPECT_THAT(lines, Contains("      actual   00 1c 00 00 00 00 3f 11 67 cf 0a 00 00 01 0a 00"));
    EXPECT_THAT(packet_diff(frame("eth/ipv4(dst=10.0.0.7)/tcp"), frame("eth/ipv4/tcp")),
                Contains("ipv4.dst: expected 10.0.0.7, actual 10.0.0.2"));
    EXPECT_THAT(packet_diff(frame("eth/vlan(id=7)/ipv6/tcp(flags=SA)"),
                            frame("eth/vlan(id=7)/ipv6/tcp(flags=S)")),
                Contains("tcp.flags: expected 0x12, actual 0x02"));
}

TEST(PacketDiff, SizesCount) {
    const auto lines = packet_diff(Bytes{1, 2}, Bytes{1});
    EXPECT_THAT(lines, Contains("size: expected 2, actual 1"));
    EXPECT_THAT(lines, Contains("0000  expected 01 02"));
}

TEST(PacketDiff, AnyBytesAreSafe) {
    const Bytes full = frame("eth/ipv4(options=01010101)/tcp(options=01010101)/payload(3)");
    for (size_t size = 0; size <= full.size(); size++) {
        const Bytes cut(full.begin(), full.begin() + ptrdiff_t(size));
        EXPECT_EQ(packet_diff(full, cut).empty(), size == full.size());
        packet_diff(cut, full);
    }
}

TEST(PacketDiff, FieldsFollowTheHeaders) {
    std::vector<std::string> names;
    for (const PacketField& field : packet_fields(frame("eth/ipv4/icmp")))
        names.push_back(field.name);
    EXPECT_THAT(names, Contains("ipv4.src"));
    EXPECT_EQ(names.back(), "icmp.rest");
}

}  // namespace
}  // namespace skep::test
