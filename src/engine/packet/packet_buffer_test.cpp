// SPDX-License-Identifier: Apache-2.0
#include "engine/packet/packet_buffer.hpp"

#include <gmock/gmock.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>

#include <cerrno>

#include "engine/event.hpp"
#include "engine/packet/legacy_load.hpp"
#include "engine/packet/skb_ops.hpp"
#include "engine/packet/xdp_ops.hpp"
#include "packet/build.hpp"

namespace skep::engine {
namespace {

using namespace packet;  // the layers

Bytes to_bytes(ByteView view) {
    return Bytes(view.begin(), view.end());
}

Bytes udp_frame() {
    return build_packet({Ethernet{}, Ipv4{}, Udp{}, payload("hello")});
}

Bytes tagged_frame() {
    return build_packet(
        {Ethernet{}, Vlan{.id = 7, .priority = 3}, Ipv4{}, Udp{}, payload("hello")});
}

TEST(PacketBuffer, GivesProgramsThePacketAndItsContext) {
    PacketBuffer packet;
    Event event;
    const Bytes frame = udp_frame();
    ASSERT_TRUE(packet.start_xdp(frame, {.ifindex = 3, .rx_queue = 1}));
    packet.attach(event);
    EXPECT_EQ(event.packet, &packet);
    EXPECT_EQ(event.ctx_size, sizeof(xdp_md));
    EXPECT_EQ(Bytes(event.data, event.data_end), frame);
    EXPECT_EQ(event.data_meta, event.data);
    const auto* ctx = reinterpret_cast<const xdp_md*>(event.ctx);
    EXPECT_EQ(ctx->ingress_ifindex, 3u);
    EXPECT_EQ(ctx->rx_queue_index, 1u);
}

TEST(PacketBuffer, RefusesWhatHasNoEthernetHeader) {
    PacketBuffer packet;
    EXPECT_FALSE(packet.start_xdp(Bytes(13), {}));
    EXPECT_FALSE(packet.start_skb(Bytes(13), {}));
    Bytes cut = tagged_frame();
    cut.resize(17);
    EXPECT_FALSE(packet.start_skb(cut, {}));
    EXPECT_TRUE(packet.start_skb(cut, {.untag = false}));
    EXPECT_TRUE(packet.start_xdp(cut, {}));
}

TEST(PacketBuffer, KeepsAnOuterTagBesideAnSkb) {
    PacketBuffer packet;
    ASSERT_TRUE(packet.start_skb(tagged_frame(), {}));
    const __sk_buff& ctx = packet.skb_ctx();
    EXPECT_EQ(ctx.vlan_present, 1u);
    EXPECT_EQ(ctx.vlan_tci, 0x6007u);
    EXPECT_EQ(ctx.vlan_proto, 0x0081u);
    EXPECT_EQ(ctx.protocol, 0x0008u);
    EXPECT_EQ(to_bytes(packet.bytes()), udp_frame());
    EXPECT_EQ(packet.frame(), tagged_frame());
}

TEST(PacketBuffer, TellsTypesApartByDestination) {
    const auto type_to = [](const char* destination) {
        PacketBuffer packet;
        const Bytes frame = build_packet({Ethernet{.dst = mac(destination)}, Ipv4{}});
        EXPECT_TRUE(packet.start_skb(frame, {.device = mac("02:00:00:00:00:02")}));
        return packet.skb_ctx().pkt_type;
    };
    EXPECT_EQ(type_to("02:00:00:00:00:02"), uint32_t{PACKET_HOST});
    EXPECT_EQ(type_to("02:00:00:00:00:03"), uint32_t{PACKET_OTHERHOST});
    EXPECT_EQ(type_to("01:00:5e:00:00:01"), uint32_t{PACKET_MULTICAST});
    EXPECT_EQ(type_to("ff:ff:ff:ff:ff:ff"), uint32_t{PACKET_BROADCAST});
}

TEST(PacketBuffer, ShowsNothingOfEarlierPackets) {
    PacketBuffer packet;
    Event event;
    ASSERT_TRUE(packet.start_xdp(udp_frame(), {}));
    packet.attach(event);
    ASSERT_EQ(xdp_adjust_head(packet, -100), 0);
    std::fill(event.data, event.data_end, uint8_t{0xaa});
    ASSERT_TRUE(packet.start_xdp(udp_frame(), {}));
    packet.attach(event);
    ASSERT_EQ(xdp_adjust_head(packet, -200), 0);
    ASSERT_EQ(xdp_adjust_tail(packet, 100), 0);
    EXPECT_EQ(Bytes(event.data, event.data + 200), Bytes(200));
    EXPECT_EQ(Bytes(event.data_end - 100, event.data_end), Bytes(100));
}

TEST(PacketBuffer, MovesXdpPacketsWithinTheirPage) {
    PacketBuffer packet;
    ASSERT_TRUE(packet.start_xdp(Bytes(100), {}));
    EXPECT_EQ(xdp_adjust_head(packet, -217), -EINVAL);  // 40 bytes of the headroom are taken
    EXPECT_EQ(xdp_adjust_head(packet, -216), 0);
    EXPECT_EQ(xdp_adjust_head(packet, 216), 0);
    EXPECT_EQ(xdp_adjust_head(packet, 87), -EINVAL);  // an Ethernet header stays
    EXPECT_EQ(xdp_adjust_tail(packet, 4096 - 256 - 320 - 100 + 1), -EINVAL);
    EXPECT_EQ(xdp_adjust_tail(packet, 4096 - 256 - 320 - 100), 0);
    EXPECT_EQ(xdp_adjust_meta(packet, -3), -EACCES);
    EXPECT_EQ(xdp_adjust_meta(packet, -256), -EINVAL);
    EXPECT_EQ(xdp_adjust_meta(packet, -8), 0);
    EXPECT_EQ(packet.metadata().size(), 8u);
}

TEST(PacketBuffer, GrowsAsFarAsHelpersMay) {
    PacketBuffer packet;
    ASSERT_TRUE(packet.start_skb(udp_frame(), {}));
    EXPECT_EQ(skb_change_head(packet, 1000, 0), 0);
    EXPECT_EQ(skb_change_tail(packet, 16064, 0), 0);
    EXPECT_EQ(skb_change_tail(packet, 16065, 0), -EINVAL);
    EXPECT_EQ(packet.size(), 16064u);
    EXPECT_EQ(to_bytes(packet.bytes().subspan(1000, udp_frame().size())), udp_frame());
}

TEST(PacketBuffer, KeepsTheLinkHeaderOfWhatSeesLess) {
    PacketBuffer packet;
    ASSERT_TRUE(packet.start_skb(tagged_frame(), {.from_network = true}));
    EXPECT_EQ(packet.bytes()[0], 0x45);
    EXPECT_EQ(packet.frame(), tagged_frame());
}

TEST(PacketBuffer, NarrowsWhatTheKernelHasNarrower) {
    PacketBuffer packet;
    ASSERT_TRUE(packet.start_skb(udp_frame(), {.queue_mapping = 5}));
    packet.skb_ctx().tc_index = 0x12345;
    packet.skb_ctx().queue_mapping = 0xffff;
    packet.narrow_ctx();
    EXPECT_EQ(packet.skb_ctx().tc_index, 0x2345u);
    EXPECT_EQ(packet.skb_ctx().queue_mapping, 5u);
}

TEST(LegacyLoad, ReadsFromDataNetworkAndLinkHeader) {
    PacketBuffer packet;
    Event event;
    ASSERT_TRUE(packet.start_skb(udp_frame(), {.from_network = true}));
    packet.attach(event);
    uint64_t value = 0;
    ASSERT_TRUE(load_legacy(event, 0, 1, &value));
    EXPECT_EQ(value, 0x45u);
    ASSERT_TRUE(load_legacy(event, -0x100000 + 9, 1, &value));
    EXPECT_EQ(value, 17u);
    ASSERT_TRUE(load_legacy(event, -0x200000 + 12, 2, &value));
    EXPECT_EQ(value, 0x0800u);
    ASSERT_TRUE(load_legacy(event, -0x200000, 4, &value));
    EXPECT_EQ(value, 0x02000000u);
    const auto size = static_cast<int32_t>(packet.size());
    EXPECT_TRUE(load_legacy(event, size - 4, 4, &value));
    EXPECT_FALSE(load_legacy(event, size - 3, 4, &value));
    EXPECT_FALSE(load_legacy(event, -1 - 0x200000, 1, &value));
    EXPECT_FALSE(load_legacy(event, INT32_MIN, 4, &value));
    EXPECT_FALSE(load_legacy(event, INT32_MAX, 4, &value));
}

TEST(FlowHash, IsOfTheConnection) {
    const auto hash = [](const std::vector<Layer>& layers) {
        return flow_hash(build_packet(layers), 14,
                         load<uint16_t>(build_packet(layers), 12).value());
    };
    const Ipv4 there{.src = ip4("10.0.0.1"), .dst = ip4("10.0.0.2")};
    const Ipv4 back{.src = ip4("10.0.0.2"), .dst = ip4("10.0.0.1")};
    const uint32_t base = hash({Ethernet{}, there, Udp{.src = 5, .dst = 6}});
    EXPECT_EQ(hash({Ethernet{}, back, Udp{.src = 6, .dst = 5}}), base);
    EXPECT_EQ(hash({Ethernet{}, Vlan{}, there, Udp{.src = 5, .dst = 6}}), base);
    EXPECT_NE(hash({Ethernet{}, there, Udp{.src = 5, .dst = 7}}), base);
    EXPECT_NE(hash({Ethernet{}, there, Tcp{.src = 5, .dst = 6}}), base);
    EXPECT_NE(hash({Ethernet{}, Ipv6{}, Udp{.src = 5, .dst = 6}}), base);
    EXPECT_NE(flow_hash({}, 0, 0), 0u);
}

TEST(FlowHash, TakesAnyBytes) {
    const Bytes frame =
        build_packet({Ethernet{}, Vlan{}, Ipv6{}, Ipv6Extension{}, Udp{}, payload(9)});
    for (size_t size = 0; size <= frame.size(); ++size) {
        for (const uint16_t protocol : {0x0081, 0x0008, 0xdd86, 0}) {
            EXPECT_NE(flow_hash(ByteView(frame).first(size), std::min<size_t>(size, 14), protocol),
                      0u);
        }
    }
}

}  // namespace
}  // namespace skep::engine
