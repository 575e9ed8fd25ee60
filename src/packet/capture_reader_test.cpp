// SPDX-License-Identifier: Apache-2.0
#include "packet/capture_reader.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/testing.hpp"
#include "packet/capture_testing.hpp"

namespace skep::packet {
namespace {

using testing::ByteOrder;
using testing::Fields;
using testing::ng_block;
using testing::ng_interface;
using testing::ng_packet;
using testing::ng_section;
using testing::pcap_file;
using testing::PcapHeader;
using testing::read_all;

const Bytes kData = {1, 2, 3, 4, 5};
constexpr ByteOrder kOrders[] = {ByteOrder::Little, ByteOrder::Big};

Bytes operator+(Bytes left, const Bytes& right) {
    append(left, right);
    return left;
}

Bytes one_byte(uint8_t value) {
    return {value};
}

TEST(PcapReader, EveryMagicInBothOrders) {
    const struct {
        uint32_t magic;
        uint64_t time_ns;
    } cases[] = {{0xa1b2c3d4, 7'000'008'000}, {0xa1b23c4d, 7'000'000'008}};
    for (const ByteOrder order : kOrders) {
        for (const auto& c : cases) {
            Fields file = pcap_file(order, {.magic = c.magic});
            file.u32(7).u32(8).u32(5).u32(60).raw(kData).u32(9).u32(0).u32(0).u32(0);
            const auto all = read_all(file.bytes());
            EXPECT_EQ(all.error, "");
            ASSERT_EQ(all.packets.size(), 2u);
            EXPECT_EQ(all.packets[0], (testing::Kept{c.time_ns, kData, 60, 0, LinkType::Ethernet}));
            EXPECT_EQ(all.packets[1].data, Bytes());
        }
    }
}

TEST(PcapReader, KuznetzovRecords) {
    for (const ByteOrder order : kOrders) {
        Fields file = pcap_file(order, {.magic = 0xa1b2cd34});
        const uint8_t outgoing = 4, host = 0;
        file.u32(1).u32(2).u32(5).u32(5).u32(3).u16(0x800).u8(outgoing).u8(0).raw(kData);
        file.u32(1).u32(2).u32(5).u32(5).u32(3).u16(0x800).u8(host).u8(0).raw(kData);
        auto reader = CaptureReader::from_bytes(file.bytes(), "k");
        ASSERT_TRUE(reader);
        const Packet first = reader->next().value().value();
        EXPECT_EQ(first.direction, Direction::Out);
        EXPECT_EQ(Bytes(first.data.begin(), first.data.end()), kData);
        EXPECT_EQ(reader->next().value().value().direction, Direction::In);
        EXPECT_FALSE(reader->next().value());
    }
}

TEST(PcapReader, VersionsAndTheOrderOfLengths) {
    const struct {
        uint16_t major, minor;
        uint32_t first, second;  // the two lengths as they lie in the file
    } cases[] = {{2, 4, 5, 60}, {2, 3, 5, 60}, {2, 3, 60, 5}, {2, 2, 60, 5}, {543, 0, 60, 5}};
    for (const auto& c : cases) {
        Fields file = pcap_file(ByteOrder::Little, {.major = c.major, .minor = c.minor});
        file.u32(0).u32(0).u32(c.first).u32(c.second).raw(kData);
        const auto all = read_all(file.bytes());
        ASSERT_EQ(all.packets.size(), 1u) << c.major << "." << c.minor;
        EXPECT_EQ(all.packets[0].data, kData);
        EXPECT_EQ(all.packets[0].length, 60u);
    }
    for (const auto& [major, minor] : {std::pair{2, 5}, {1, 4}, {543, 1}, {0, 0}}) {
        const PcapHeader header = {.major = static_cast<uint16_t>(major),
                                   .minor = static_cast<uint16_t>(minor)};
        EXPECT_EQ(read_all(pcap_file(ByteOrder::Big, header).bytes()).error,
                  fmt::format("test.pcap: pcap version {}.{} is unknown (2.0 to 2.4 are known)",
                              major, minor));
    }
}

TEST(PcapReader, LinkTypeIsCanonicalAndWithoutFrameCheckBits) {
    for (const uint32_t number : {101u, 12u, 0x54000000u | 101}) {
        Fields file = pcap_file(ByteOrder::Little, {.link_type = number});
        const auto reader = CaptureReader::from_bytes(file.bytes(), "t");
        EXPECT_EQ(reader->interfaces().at(0).link_type, LinkType::Raw);
    }
}

TEST(PcapReader, PacketsLongerThanTheSnapLengthAreCut) {
    const struct {
        uint32_t snaplen;
        size_t expected;
    } cases[] = {{3, 3}, {5, 5}, {0, 5}, {0xffffffff, 5}};
    for (const auto& c : cases) {
        Fields file = pcap_file(ByteOrder::Little, {.snaplen = c.snaplen});
        file.u32(0).u32(0).u32(5).u32(5).raw(kData).u32(1).u32(0).u32(0).u32(0);
        const auto all = read_all(file.bytes());
        ASSERT_EQ(all.packets.size(), 2u);
        EXPECT_EQ(all.packets[0].data.size(), c.expected);
        EXPECT_EQ(all.packets[1].time_ns, 1'000'000'000u);  // the rest of the first was passed over
    }
}

// However short the file is cut: whole packets come, then one error that names the place.
TEST(PcapReader, CutAnywhere) {
    Fields file = pcap_file(ByteOrder::Little);
    for (int i = 0; i < 3; ++i) file.u32(i).u32(0).u32(5).u32(5).raw(kData);
    const Bytes& whole = file.bytes();
    for (size_t size = 0; size < whole.size(); ++size) {
        const auto all = read_all(Bytes(whole.begin(), whole.begin() + size));
        const size_t packets = size < 24 ? 0 : (size - 24) / 21;
        EXPECT_EQ(all.packets.size(), packets) << size;
        const bool clean = size >= 24 && (size - 24) % 21 == 0;
        EXPECT_EQ(all.error.empty(), clean) << size;
        if (size > 24 && !clean) {
            const auto place =
                fmt::format("packet {} at byte {}: cut short", packets + 1, 24 + packets * 21);
            EXPECT_THAT(all.error, ::testing::HasSubstr(place));
        }
    }
    EXPECT_EQ(read_all(Bytes(whole.begin(), whole.end() - 1)).error,
              "test.pcap: packet 3 at byte 66: cut short: 4 of its 5 bytes");
    EXPECT_EQ(read_all(Bytes(whole.begin(), whole.begin() + 23)).error,
              "test.pcap: cut short: 23 of the header's 24 bytes");
}

TEST(PcapReader, LengthsThatLie) {
    Fields file = pcap_file(ByteOrder::Big);
    file.u32(0).u32(0).u32(5).u32(5).raw(kData).u32(0).u32(0).u32(0xfffffff0).u32(64).raw(kData);
    auto reader = CaptureReader::from_bytes(file.bytes(), "a.pcap");
    ASSERT_TRUE(reader->next().value());
    const std::string expected =
        "a.pcap: packet 2 at byte 45: a captured length of 4294967280 bytes, more than EN10MB "
        "(Ethernet) packets can have (262144)";
    const auto error = reader->next();
    EXPECT_EQ(error.error().message, expected);
    EXPECT_EQ(error.error().code, ErrorCode::Malformed);
    EXPECT_EQ(reader->next().error().message, expected);  // it stays
    EXPECT_EQ(reader->packet_count(), 1u);
}

TEST(CaptureReader, WhatIsNoCapture) {
    EXPECT_EQ(read_all(Bytes()).error, "test.pcap: empty, not even a capture file's header");
    EXPECT_EQ(read_all(Bytes{'h', 'e', 'l', 'l', 'o'}).error,
              "test.pcap: neither pcap nor pcapng: it begins with 68 65 6c 6c");
    EXPECT_EQ(read_all(Bytes{0xd4}).error, "test.pcap: neither pcap nor pcapng: it begins with d4");
    const Bytes gzip = {0x1f, 0x8b, 8, 0};
    const auto compressed = CaptureReader::from_bytes(gzip, "a.gz");
    EXPECT_EQ(compressed.error().message, "a.gz: compressed");
    EXPECT_EQ(compressed.error().hint, "decompress it on the way in: zcat FILE | skep ... -");
    EXPECT_EQ(CaptureReader::open("/nonexistent/a.pcap").error().sys_errno, ENOENT);
    EXPECT_EQ(CaptureReader::open("/").error().sys_errno, EISDIR);
}

TEST(PcapngReader, SectionsOfBothOrdersWithTheirOwnInterfaces) {
    const Bytes micros = {}, nanos = Fields(ByteOrder::Big).option(9, one_byte(9)).bytes();
    const Bytes file =
        ng_section(ByteOrder::Little) + ng_interface(ByteOrder::Little, 1, 0, micros) +
        ng_packet(ByteOrder::Little, 0, 1'000'001, kData) + ng_section(ByteOrder::Big) +
        ng_interface(ByteOrder::Big, 101, 0, nanos) + ng_interface(ByteOrder::Big, 113) +
        ng_packet(ByteOrder::Big, 0, 1'000'001, kData) + ng_packet(ByteOrder::Big, 1, 2, kData);
    const auto all = read_all(file);
    EXPECT_EQ(all.error, "");
    ASSERT_EQ(all.packets.size(), 3u);
    EXPECT_EQ(all.packets[0], (testing::Kept{1'000'001'000, kData, 5, 0, LinkType::Ethernet}));
    EXPECT_EQ(all.packets[1], (testing::Kept{1'000'001, kData, 5, 1, LinkType::Raw}));
    EXPECT_EQ(all.packets[2], (testing::Kept{2'000, kData, 5, 2, LinkType::LinuxSll}));
}

TEST(PcapngReader, Clocks) {
    const uint64_t kMax = std::numeric_limits<uint64_t>::max();
    const struct {
        int resolution;  // -1: not given
        int64_t offset;
        uint64_t ticks;
        uint64_t time_ns;
    } cases[] = {
        {-1, 0, 1'500'000, 1'500'000'000},
        {0, 0, 2, 2'000'000'000},
        {3, 10, 1, 10'001'000'000},
        {9, -1, 1'000'000'005, 5},
        {12, 0, 1'999, 1},
        {19, 0, 10'000'000'000, 1},
        {0x80 | 1, 0, 3, 1'500'000'000},
        {0x80 | 32, 1, uint64_t{1} << 31, 1'500'000'000},
        {0x80 | 63, 0, uint64_t{1} << 62, 500'000'000},
        {9, -10, 5, 0},      // before 1970
        {0, 0, kMax, kMax},  // past 2554
    };
    for (const auto& c : cases) {
        Fields options(ByteOrder::Big);
        if (c.resolution >= 0) options.option(9, one_byte(static_cast<uint8_t>(c.resolution)));
        if (c.offset != 0) {
            options.option(14, Fields(ByteOrder::Big).u64(static_cast<uint64_t>(c.offset)).bytes());
        }
        const auto all = read_all(ng_section(ByteOrder::Big) +
                                  ng_interface(ByteOrder::Big, 1, 0, options.bytes()) +
                                  ng_packet(ByteOrder::Big, 0, c.ticks, kData));
        ASSERT_EQ(all.packets.size(), 1u) << all.error;
        EXPECT_EQ(all.packets[0].time_ns, c.time_ns) << c.resolution << " " << c.ticks;
    }
}

TEST(PcapngReader, WhatIsSaidOfInterfaces) {
    constexpr ByteOrder kOrder = ByteOrder::Little;
    Fields options(kOrder);
    options.option(2, bytes_of(std::string_view("eth0")))
        .option(1, bytes_of(std::string_view("a")));
    options.option(3, bytes_of(std::string_view("the cable")));
    options.option(11, bytes_of(std::string_view("\0tcp port 80", 12))).u32(0).u32(0xdeadbeef);
    const Bytes counts = Fields(kOrder)
                             .u32(0)
                             .u64(0)
                             .option(4, Fields(kOrder).u64(100).bytes())
                             .option(5, Fields(kOrder).u64(3).bytes())
                             .option(7, Fields(kOrder).u64(2).bytes())
                             .bytes();
    const Bytes flags = Fields(kOrder)
                            .option(2, Fields(kOrder).u32(2).bytes())
                            .option(4, Fields(kOrder).u64(9).bytes())
                            .option(1, bytes_of(std::string_view("odd one")))
                            .bytes();
    const Bytes file = ng_section(kOrder) + ng_interface(kOrder, 1, 96, options.bytes()) +
                       ng_block(kOrder, 4, kData) +           // name resolution
                       ng_block(kOrder, 0x80000bad, kData) +  // somebody's own
                       ng_packet(kOrder, 0, 1, kData, flags) + ng_block(kOrder, 5, counts);
    auto reader = CaptureReader::from_bytes(file, "t");
    ASSERT_TRUE(reader) << reader.error().message;
    const Interface& eth0 = reader->interfaces().at(0);
    EXPECT_EQ(eth0.name, "eth0");
    EXPECT_EQ(eth0.description, "the cable");
    EXPECT_EQ(eth0.filter, "tcp port 80");
    EXPECT_EQ(eth0.comments, std::vector<std::string>{"a"});
    EXPECT_EQ(eth0.snaplen, 96u);
    const Packet packet = reader->next().value().value();
    EXPECT_EQ(packet.direction, Direction::Out);
    EXPECT_EQ(packet_comments(packet), std::vector<std::string_view>{"odd one"});
    EXPECT_EQ(reader->interfaces()[0].drops, 9u);
    EXPECT_EQ(reader->interfaces()[0].stats, std::nullopt);
    EXPECT_FALSE(reader->next().value());
    EXPECT_EQ(reader->interfaces()[0].stats,
              (InterfaceStats{.received = 100, .dropped_interface = 3, .dropped_kernel = 2}));
}

TEST(PcapngReader, SimpleAndObsoletePackets) {
    for (const ByteOrder order : kOrders) {
        const Bytes simple = Fields(order).u32(5).raw(kData).bytes();
        const Bytes cut = Fields(order).u32(1500).raw(Bytes(8, 9)).bytes();
        const Bytes obsolete =
            Fields(order).u16(0).u16(4).u32(0).u32(1000).u32(5).u32(77).raw(kData).pad().bytes();
        const Bytes unknown = Fields(order).u16(0).u16(0xffff).u32(0).u32(0).u32(0).u32(0).bytes();
        const Bytes file = ng_section(order) + ng_interface(order, 1, 8) +
                           ng_block(order, 3, simple) + ng_block(order, 3, cut) +
                           ng_block(order, 2, obsolete) + ng_block(order, 2, unknown);
        auto reader = CaptureReader::from_bytes(file, "t");
        const Packet first = reader->next().value().value();
        EXPECT_EQ(first.data.size(), 5u);
        EXPECT_EQ(first.time_ns, 0u);
        const Packet second = reader->next().value().value();
        EXPECT_EQ(second.data.size(), 8u);
        EXPECT_EQ(second.length, 1500u);
        const Packet third = reader->next().value().value();
        EXPECT_EQ(third.time_ns, 1'000'000u);
        EXPECT_EQ(third.length, 77u);
        ASSERT_TRUE(reader->next().value());
        EXPECT_EQ(reader->interfaces()[0].drops, 4u);
    }
}

// Each case is a file that is broken after one good packet; what precedes is delivered.
TEST(PcapngReader, BrokenBlocks) {
    constexpr ByteOrder kOrder = ByteOrder::Big;
    const Bytes good = ng_section(kOrder) + ng_interface(kOrder) + ng_packet(kOrder, 0, 0, kData);
    const auto option = [](uint16_t code, uint16_t length) {
        return Fields(kOrder).u16(code).u16(length).u32(0).bytes();
    };
    const struct {
        Bytes block;
        const char* error;
    } cases[] = {
        {{1, 2, 3}, "cut short: 3 of a block header's 8 bytes"},
        {Fields(kOrder).u32(6).u32(8).bytes(), "a block of type 0x6 with a length of 8"},
        {Fields(kOrder).u32(6).u32(33).bytes(), "a block of type 0x6 with a length of 33"},
        {Fields(kOrder).u32(6).u32(0xfffffff0).bytes(),
         "a block of type 0x6 with a length of 4294967280, more than any can have"},
        {Fields(kOrder).u32(6).u32(64).bytes(), "cut short: 8 of a block's 64 bytes"},
        {Fields(kOrder).u32(99).u32(0xfffffff0).bytes(), "cut short: a block of 4294967280 bytes"},
        {Fields(kOrder).u32(99).u32(12).u32(16).bytes(),
         "a block of type 0x63 with a length of 12 at its begin and 16 at its end"},
        {Fields(kOrder).u32(6).u32(12).u32(16).bytes(),
         "a block of type 0x6 with a length of 12 at its begin and 16 at its end"},
        {ng_block(kOrder, 6, Bytes(16)), "a packet block of 16 bytes"},
        {ng_block(kOrder, 3, {}), "a packet block of 0 bytes"},
        {ng_packet(kOrder, 1, 0, kData), "it is of interface 1, which its section does not have"},
        {ng_block(kOrder, 6, Fields(kOrder).u32(0).u64(0).u32(9).u32(9).raw(Bytes(8)).bytes()),
         "a captured length of 9 bytes in a block with room for 8"},
        {ng_block(kOrder, 3, Fields(kOrder).u32(9).raw(Bytes(8)).bytes()),
         "a captured length of 9 bytes in a block with room for 8"},
        {ng_block(kOrder, 1, Bytes(4)), "an interface description of 4 bytes"},
        {ng_interface(kOrder, 1, 0, option(2, 200)),
         "an interface description whose options overrun it"},
        {ng_interface(kOrder, 1, 0, option(9, 2)), "an interface whose time resolution is 2 bytes"},
        {ng_interface(kOrder, 1, 0, Fields(kOrder).option(9, one_byte(20)).bytes()),
         "an interface whose time resolution is 10^-20"},
        {ng_interface(kOrder, 1, 0, Fields(kOrder).option(9, one_byte(0xc0)).bytes()),
         "an interface whose time resolution is 2^-64"},
        {ng_interface(kOrder, 1, 0, option(14, 4)), "an interface whose time offset is 4 bytes"},
        {ng_block(kOrder, 5, Bytes(8)), "interface statistics of 8 bytes"},
        {ng_block(kOrder, 5, Fields(kOrder).u32(7).u64(0).bytes()),
         "statistics of interface 7, which its section does not have"},
        {Fields(kOrder).u32(0x0a0d0d0a).u32(28).bytes(),
         "cut short: a section header without "
         "byte order"},
        {Fields(kOrder).u32(0x0a0d0d0a).u32(28).u32(0x11223344).bytes(),
         "a section header with byte-order magic 0x44332211"},
        {ng_block(kOrder, 0x0a0d0d0a, Fields(kOrder).u32(0x1a2b3c4d).u32(0).bytes()),
         "a section header of 8 bytes"},
        {ng_block(kOrder, 0x0a0d0d0a, Fields(kOrder).u32(0x1a2b3c4d).u16(2).u16(1).u64(0).bytes()),
         "pcapng version 2.1 is unknown (1 is known)"},
        {ng_section(kOrder) + ng_packet(kOrder, 0, 0, kData),
         "it is of interface 0, which its section does not have"},
    };
    for (const auto& c : cases) {
        const auto all = read_all(good + c.block);
        EXPECT_EQ(all.packets.size(), 1u) << c.error;
        EXPECT_THAT(all.error, ::testing::MatchesRegex("test.pcap: packet 2 at byte [0-9]+: .*"));
        EXPECT_THAT(all.error, ::testing::EndsWith(std::string(": ") + c.error));
    }
    EXPECT_EQ(read_all(good + Fields(kOrder).u32(99).u32(64).u32(0).bytes()).error,
              "test.pcap: packet 2 at byte 88: cut short: a block of 64 bytes");
    EXPECT_EQ(read_all(good + Bytes(3)).error,
              "test.pcap: packet 2 at byte 88: cut short: 3 of a block header's 8 bytes");
}

TEST(PcapngReader, PacketOptionsThatOverrunAreIgnored) {
    constexpr ByteOrder kOrder = ByteOrder::Little;
    const Bytes options =
        Fields(kOrder).option(1, bytes_of(std::string_view("kept"))).u16(1).u16(500).bytes();
    const Bytes file =
        ng_section(kOrder) + ng_interface(kOrder) + ng_packet(kOrder, 0, 0, kData, options);
    auto reader = CaptureReader::from_bytes(file, "t");
    const Packet packet = reader->next().value().value();
    EXPECT_EQ(packet_comments(packet), std::vector<std::string_view>{"kept"});
    EXPECT_FALSE(reader->next().value());
}

TEST(PcapngReader, NoInterfaceIsNoErrorUntilAPacketNeedsOne) {
    const Bytes section = ng_section(ByteOrder::Little);
    EXPECT_EQ(read_all(section), testing::ReadAll());
    EXPECT_EQ(read_all(section + ng_packet(ByteOrder::Little, 0, 0, kData)).error,
              "test.pcap: packet 1 at byte 28: it is of interface 0, which its section does not "
              "have");
    EXPECT_EQ(read_all(section + ng_block(ByteOrder::Little, 3, Bytes{0, 0, 0, 0})).packets.size(),
              0u);
}

// The same packets through a pipe, whatever pieces they arrive in, as from memory.
class StreamTest : public ::testing::TestWithParam<size_t> {};

TEST_P(StreamTest, GivesWhatTheFileGives) {
    Bytes pcap = pcap_file(ByteOrder::Little, {.snaplen = 262144}).bytes();
    Bytes ng = ng_section(ByteOrder::Big) + ng_interface(ByteOrder::Big);
    for (uint32_t i = 0; i < 40; ++i) {
        Bytes data(i % 5 == 4 ? 100'000 : i * 7, static_cast<uint8_t>(i));
        const auto size = static_cast<uint32_t>(data.size());
        append(pcap, Fields(ByteOrder::Little).u32(i).u32(0).u32(size).u32(size).raw(data).bytes());
        append(ng, ng_packet(ByteOrder::Big, 0, i, data));
        append(ng, ng_block(ByteOrder::Big, 0xbad, Bytes(i * 1000)));
    }
    for (const Bytes& file : {pcap, ng, Bytes(ng.begin(), ng.end() - 50)}) {
        int ends[2];
        ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
        std::thread writer([&, to = UniqueFd(ends[1])] {
            for (size_t at = 0; at < file.size(); at += GetParam()) {
                const auto piece = ByteView(file).subspan(at);
                (void)write_fd(to.get(), piece.first(std::min(GetParam(), piece.size())), "pipe");
            }
        });
        const auto streamed = read_all(CaptureReader::from_fd(UniqueFd(ends[0]), "test.pcap"));
        writer.join();
        const auto mapped = read_all(file);
        EXPECT_EQ(streamed.packets, mapped.packets);
        EXPECT_EQ(streamed.error.empty(), mapped.error.empty());
        EXPECT_EQ(mapped.packets.size(), 40u);
    }
}

INSTANTIATE_TEST_SUITE_P(Pieces, StreamTest, ::testing::Values(17, 4096, 1 << 20));

// A packet that has arrived is delivered before the next one is there.
TEST(CaptureReader, AStreamIsNotHeldBack) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    UniqueFd to(ends[1]);
    Fields file = pcap_file(ByteOrder::Little);
    file.u32(1).u32(0).u32(5).u32(5).raw(kData);
    ASSERT_TRUE(write_fd(to.get(), file.bytes(), "pipe"));
    auto reader = CaptureReader::from_fd(UniqueFd(ends[0]), "pipe");
    EXPECT_TRUE(reader->next().value());
}

TEST(CaptureReader, AReadErrorIsNotTheEnd) {
    int sockets[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
    const UniqueFd to(sockets[1]);
    ASSERT_TRUE(write_fd(to.get(), pcap_file(ByteOrder::Little).bytes(), "socket"));
    auto reader = CaptureReader::from_fd(UniqueFd(sockets[0]), "socket");
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->next().error().sys_errno, EAGAIN);
    EXPECT_EQ(reader->next().error().sys_errno, EAGAIN);
}

TEST(CaptureReader, AMappedFilesPacketsStayValid) {
    const skep::testing::ScratchDir scratch;
    Fields file = pcap_file(ByteOrder::Little);
    file.u32(1).u32(0).u32(5).u32(5).raw(kData).u32(1).u32(0).u32(1).u32(1).u8(9);
    ASSERT_TRUE(write_file(scratch.file("a.pcap"), file.bytes()));
    auto reader = CaptureReader::open(scratch.file("a.pcap"));
    const Packet first = reader->next().value().value();
    ASSERT_TRUE(reader->next().value());
    EXPECT_FALSE(reader->next().value());
    EXPECT_EQ(Bytes(first.data.begin(), first.data.end()), kData);
    EXPECT_EQ(reader->format(), CaptureFormat::Pcap);
}

}  // namespace
}  // namespace skep::packet
