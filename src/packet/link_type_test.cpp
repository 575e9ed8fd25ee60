// SPDX-License-Identifier: Apache-2.0
#include "packet/link_type.hpp"

#include <pcap/pcap.h>

#include "base/testing.hpp"

namespace skep::packet {
namespace {

// libpcap's own tables, number by number: every name it knows is in ours, and the reverse.
TEST(LinkType, NamesAreLibpcaps) {
    int known = 0;
    for (int dlt = 0; dlt < 1000; ++dlt) {
        const char* name = pcap_datalink_val_to_name(dlt);
        if (!name) continue;
        ++known;
        const LinkType type = link_type_from_dlt(dlt);
        EXPECT_EQ(to_dlt(type), dlt);
        EXPECT_EQ(link_type_name(type), name) << dlt;
        EXPECT_EQ(link_type_description(type), pcap_datalink_val_to_description(dlt)) << dlt;
        EXPECT_EQ(link_type_from_name(name), type) << name;
    }
    EXPECT_GT(known, 100);
    for (uint32_t number = 0; number < 1000; ++number) {
        if (!link_type_name(LinkType{number})) continue;
        --known;
        EXPECT_NE(pcap_datalink_val_to_name(to_dlt(LinkType{number})), nullptr) << number;
    }
    EXPECT_EQ(known, 0);
}

TEST(LinkType, NumbersOfFiles) {
    EXPECT_EQ(link_type_from_file(101), LinkType::Raw);
    EXPECT_EQ(link_type_from_file(12), LinkType::Raw);  // a DLT_ in a file
    EXPECT_EQ(link_type_from_file(1), LinkType::Ethernet);
    EXPECT_EQ(link_type_from_file(999), LinkType{999});
    EXPECT_EQ(to_dlt(LinkType::Raw), DLT_RAW);
    EXPECT_EQ(to_dlt(LinkType::LinuxSll2), DLT_LINUX_SLL2);
}

TEST(LinkType, Text) {
    EXPECT_EQ(to_string(LinkType::LinuxSll), "LINUX_SLL (Linux cooked v1)");
    EXPECT_EQ(to_string(LinkType{999}), "999");
    EXPECT_EQ(link_type_from_name("en10mb"), LinkType::Ethernet);
    EXPECT_EQ(link_type_from_name("ethernet"), std::nullopt);
}

TEST(LinkType, PacketLimits) {
    EXPECT_EQ(max_packet_size(LinkType::Ethernet), 262144u);
    EXPECT_EQ(max_packet_size(*link_type_from_name("DBUS")), 128u << 20);
    EXPECT_EQ(max_packet_size(*link_type_from_name("USBPCAP")), 1u << 20);
    EXPECT_EQ(max_packet_size(*link_type_from_name("EBHSCR")), 8u << 20);
}

}  // namespace
}  // namespace skep::packet
