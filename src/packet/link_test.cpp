// SPDX-License-Identifier: Apache-2.0
#include "packet/link.hpp"

#include <linux/if_ether.h>

#include "base/hex.hpp"
#include "base/testing.hpp"

namespace skep::packet {
namespace {

constexpr const char* kMacs = "020000000001 020000000002 ";

TEST(ParseLink, FindsTheNetworkHeader) {
    const struct {
        const char* name;
        LinkType type;
        std::string hex;
        uint32_t network;
        uint16_t ethertype;
    } cases[] = {
        {"Ethernet II", LinkType::Ethernet, std::string(kMacs) + "0800 45", 14, ETH_P_IP},
        {"one tag", LinkType::Ethernet, std::string(kMacs) + "8100 2064 86dd 60", 18, ETH_P_IPV6},
        {"QinQ", LinkType::Ethernet, std::string(kMacs) + "88a8 0001 8100 0002 0806", 22,
         ETH_P_ARP},
        {"tag cut off", LinkType::Ethernet, std::string(kMacs) + "8100 2064 08", 14, ETH_P_8021Q},
        {"802.2", LinkType::Ethernet, std::string(kMacs) + "0003 424203", 14, ETH_P_802_2},
        {"SNAP", LinkType::Ethernet, std::string(kMacs) + "0009 aaaa03 000000 0800 45", 22,
         ETH_P_IP},
        {"SNAP of a vendor", LinkType::Ethernet, std::string(kMacs) + "0009 aaaa03 00000c 2000 01",
         14, ETH_P_802_2},
        {"Novell", LinkType::Ethernet, std::string(kMacs) + "0003 ffff00", 14, ETH_P_802_3},
        {"raw IPv4", LinkType::Raw, "45", 0, ETH_P_IP},
        {"raw IPv6", LinkType::Raw, "60", 0, ETH_P_IPV6},
        {"raw, neither", LinkType::Raw, "10", 0, 0},
        {"raw, empty", LinkType::Raw, "", 0, 0},
        {"IPv4 by type", LinkType::Ipv4, "", 0, ETH_P_IP},
        {"IPv6 by type", LinkType::Ipv6, "45", 0, ETH_P_IPV6},
        {"cooked", LinkType::LinuxSll, "0000 0001 0006 020000000001 0000 0800", 16, ETH_P_IP},
        {"cooked netlink", LinkType::LinuxSll, "0004 0338 0000 0000000000000000 0000", 16, 0},
        {"cooked v2, tagged", LinkType::LinuxSll2,
         "8100 0000 00000003 0001 04 06 020000000001 0000 0005 86dd", 24, ETH_P_IPV6},
        {"loopback, little-endian", LinkType::Null, "02000000 45", 4, ETH_P_IP},
        {"loopback, big-endian", LinkType::Null, "0000001e 60", 4, ETH_P_IPV6},
        {"OpenBSD loopback", LinkType::Loop, "00000018 60", 4, ETH_P_IPV6},
        {"PPP", LinkType::Ppp, "ff03 0021 45", 4, ETH_P_IP},
        {"PPP without framing", LinkType::Ppp, "0057 60", 2, ETH_P_IPV6},
        {"PPP, protocol compressed", LinkType::Ppp, "21 45", 1, ETH_P_IP},
        {"PPP, link control", LinkType::Ppp, "ff03 c021 01", 4, 0},
        {"Cisco HDLC", LinkType::PppHdlc, "0f00 0800 45", 4, ETH_P_IP},
        {"Cisco HDLC, no ethertype", LinkType::PppHdlc, "8f00 0001 45", 4, 0},
    };
    for (const auto& c : cases) {
        const auto info = parse_link(c.type, *from_hex(c.hex));
        ASSERT_TRUE(info) << c.name;
        EXPECT_EQ(info->network, c.network) << c.name;
        EXPECT_EQ(info->ethertype, c.ethertype) << c.name;
    }
}

TEST(ParseLink, TagsDirectionAndInterface) {
    const auto tagged =
        parse_link(LinkType::Ethernet, *from_hex(std::string(kMacs) + "88a8 6001 8100 0002 0806"));
    EXPECT_EQ(tagged->vlan_count, 2);
    EXPECT_EQ(tagged->vlan_tci[0], 0x6001);
    EXPECT_EQ(tagged->vlan_tci[1], 0x0002);
    EXPECT_EQ(tagged->direction, Direction::Unknown);

    const auto out = parse_link(LinkType::LinuxSll2,
                                *from_hex("0800 0000 00000007 0001 04 06 0200000000010000 45"));
    EXPECT_EQ(out->direction, Direction::Out);
    EXPECT_EQ(out->ifindex, 7u);
    const auto in =
        parse_link(LinkType::LinuxSll, *from_hex("0003 0001 0000 0000000000000000 0800"));
    EXPECT_EQ(in->direction, Direction::In);
}

TEST(ParseLink, ShortAndUnknown) {
    const struct {
        LinkType type;
        size_t needed;
    } cases[] = {{LinkType::Ethernet, 14}, {LinkType::LinuxSll, 16}, {LinkType::LinuxSll2, 20},
                 {LinkType::Null, 4},      {LinkType::Loop, 4},      {LinkType::Ppp, 2}};
    const Bytes zeros(32, 0);
    for (const auto& c : cases) {
        EXPECT_FALSE(parse_link(c.type, ByteView(zeros).first(c.needed - 1))) << to_string(c.type);
        EXPECT_TRUE(parse_link(c.type, ByteView(zeros).first(c.needed))) << to_string(c.type);
        EXPECT_TRUE(has_ethernet_view(c.type));
    }
    EXPECT_FALSE(parse_link(LinkType{105}, zeros));  // 802.11
    EXPECT_FALSE(has_ethernet_view(LinkType{105}));
}

TEST(EthernetView, ReplacesTheHeaderAndBack) {
    const struct {
        LinkType type;
        const char* packet;
        const char* frame;
    } cases[] = {
        {LinkType::Ethernet, "0102", "0102"},
        {LinkType::Raw, "4500ff", "000000000000 000000000000 0800 4500ff"},
        {LinkType::Ipv6, "6000", "000000000000 000000000000 86dd 6000"},
        {LinkType::LinuxSll, "0000 0001 0006 02000000000a 0000 0800 45",
         "000000000000 02000000000a 0800 45"},
        {LinkType::LinuxSll, "0000 0304 0000 0000000000000000 86dd 60",
         "000000000000 000000000000 86dd 60"},
        {LinkType::LinuxSll, "0001 0001 0006 02000000000a 0000 0004 424203",
         "000000000000 02000000000a 0003 424203"},
        {LinkType::LinuxSll, "0001 0001 0006 02000000000a 0000 0001 424203",
         "000000000000 02000000000a 0003 424203"},
        {LinkType::LinuxSll2, "8100 0000 00000003 0001 00 06 02000000000b 0000 0005 0800 45",
         "000000000000 02000000000b 8100 0005 0800 45"},
        {LinkType::Null, "1e000000 60", "000000000000 000000000000 86dd 60"},
        {LinkType::Loop, "00000002 45", "000000000000 000000000000 0800 45"},
        {LinkType::Ppp, "21 45", "000000000000 000000000000 0800 45"},
    };
    for (const auto& c : cases) {
        const Bytes packet = *from_hex(c.packet), frame = *from_hex(c.frame);
        const auto view = ethernet_view(c.type, packet);
        ASSERT_TRUE(view) << c.packet;
        EXPECT_EQ(view->size(), frame.size());
        EXPECT_EQ(to_hex(view->to_bytes()), to_hex(frame)) << c.packet;
        const auto back = original_view(c.type, frame, packet);
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_EQ(to_hex(back->to_bytes()), to_hex(packet));
    }
}

TEST(EthernetView, NothingWhereThereIsNoEthertype) {
    EXPECT_FALSE(ethernet_view(LinkType::Raw, *from_hex("00")));
    EXPECT_FALSE(ethernet_view(LinkType::Ppp, *from_hex("ff03c021")));
    EXPECT_FALSE(ethernet_view(LinkType::LinuxSll, *from_hex("0000")));
    EXPECT_FALSE(ethernet_view(LinkType{105}, *from_hex("0800")));
}

// What a program made of the frame decides the protocol that is written.
TEST(OriginalView, FollowsTheFramesProtocol) {
    const Bytes v6 = *from_hex("000000000000 000000000000 86dd 60");
    const struct {
        LinkType type;
        const char* original;
        const char* written;
    } cases[] = {
        {LinkType::Raw, "45", "60"},
        {LinkType::LinuxSll, "0000 0001 0006 02000000000a 0000 0800 45",
         "0000 0001 0006 02000000000a 0000 86dd 60"},
        {LinkType::LinuxSll2, "", "86dd 0000 00000000 0001 00 00 0000000000000000 60"},
        {LinkType::LinuxSll, "", "0000 0001 0000 0000000000000000 86dd 60"},
        {LinkType::Null, "02000000 45", "1e000000 60"},
        {LinkType::Null, "00000002 45", "0000001e 60"},
        {LinkType::Loop, "", "0000001e 60"},
        {LinkType::Ppp, "21 45", "ff03 0057 60"},
    };
    for (const auto& c : cases) {
        const auto view = original_view(c.type, v6, *from_hex(c.original));
        ASSERT_TRUE(view) << view.error().message;
        EXPECT_EQ(to_hex(view->to_bytes()), to_hex(*from_hex(c.written)));
    }
}

TEST(OriginalView, RefusesWhatTheTypeCannotSay) {
    const Bytes arp = *from_hex("ffffffffffff 020000000001 0806 0001");
    for (const LinkType type : {LinkType::Raw, LinkType::Ipv4, LinkType::Ipv6, LinkType::Null,
                                LinkType::Loop, LinkType::Ppp, LinkType{105}}) {
        const auto view = original_view(type, arp, {});
        ASSERT_FALSE(view) << to_string(type);
        EXPECT_EQ(view.error().code, ErrorCode::Unsupported);
    }
    EXPECT_TRUE(original_view(LinkType::LinuxSll, arp, {}));
    const auto cut = original_view(LinkType::Raw, ByteView(arp).first(13), {});
    EXPECT_EQ(cut.error().message,
              "a frame of 13 bytes, too short for an Ethernet header, cannot be written as link "
              "type RAW (Raw IP)");
}

}  // namespace
}  // namespace skep::packet
