// SPDX-License-Identifier: Apache-2.0
#include "packet/capture_writer.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <pcap/pcap.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "base/testing.hpp"
#include "packet/capture_testing.hpp"

namespace skep::packet {
namespace {

using skep::testing::ScratchDir;
using testing::Kept;
using testing::read_all;

constexpr uint64_t kNow = 1'700'000'000'123'456'789;

Packet packet_of(const Bytes& data, uint64_t time_ns = kNow, uint32_t interface = 0) {
    return {.time_ns = time_ns,
            .data = data,
            .length = static_cast<uint32_t>(data.size()) + 40,
            .interface = interface};
}

TEST(CaptureWriter, PcapRoundTrip) {
    const ScratchDir scratch;
    const Bytes data = {1, 2, 3};
    const struct {
        CaptureWriter::PcapTime time;
        uint64_t time_ns;
    } cases[] = {{CaptureWriter::PcapTime::Nanoseconds, kNow},
                 {CaptureWriter::PcapTime::Microseconds, kNow - 789}};
    for (const auto& c : cases) {
        const std::string path = scratch.file("a.pcap");
        auto writer = CaptureWriter::create(path, CaptureFormat::Pcap, c.time);
        ASSERT_TRUE(writer->add_interface({.link_type = LinkType::Raw, .snaplen = 96}));
        ASSERT_TRUE(writer->write(packet_of(data)));
        ASSERT_TRUE(writer->write(packet_of({}, 5)));
        EXPECT_EQ(writer->size(), 24u + 16 + 3 + 16);
        ASSERT_TRUE(writer->close());

        const auto all = read_all(CaptureReader::open(path));
        EXPECT_EQ(all.error, "");
        ASSERT_EQ(all.packets.size(), 2u);
        EXPECT_EQ(all.packets[0], (Kept{c.time_ns, data, 43, 0, LinkType::Raw}));

        char error[PCAP_ERRBUF_SIZE];
        pcap_t* capture = pcap_open_offline(path.c_str(), error);
        ASSERT_NE(capture, nullptr) << error;
        EXPECT_EQ(pcap_datalink(capture), DLT_RAW);
        EXPECT_EQ(pcap_snapshot(capture), 96);
        pcap_close(capture);
    }
}

TEST(CaptureWriter, PcapngRoundTrip) {
    const ScratchDir scratch;
    const std::string path = scratch.file("a.pcapng");
    const Bytes data = {1, 2, 3, 4, 5};
    const InterfaceStats stats = {.received = 10, .accepted = 2, .dropped_kernel = 1};
    {
        auto writer = CaptureWriter::create(path, CaptureFormat::Pcapng,
                                            CaptureWriter::PcapTime::Nanoseconds, "both sides");
        const Interface eth0 = {.snaplen = 1500,
                                .name = "eth0",
                                .description = "left",
                                .filter = "icmp",
                                .comments = {"one", "two"}};
        ASSERT_EQ(writer->add_interface(eth0).value(), 0u);
        ASSERT_EQ(writer->add_interface({.link_type = LinkType::LinuxSll2}).value(), 1u);
        Packet out = packet_of(data);
        out.direction = Direction::Out;
        ASSERT_TRUE(writer->write(out, "why?"));
        ASSERT_TRUE(writer->write(packet_of(data, 7, 1)));
        ASSERT_TRUE(writer->write_stats(1, stats, kNow));
    }  // the destructor writes what is left

    auto reader = CaptureReader::open(path);
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(reader->format(), CaptureFormat::Pcapng);
    EXPECT_EQ(reader->comments(), std::vector<std::string>{"both sides"});
    const Packet first = reader->next().value().value();
    EXPECT_EQ(first.time_ns, kNow);
    EXPECT_EQ(first.direction, Direction::Out);
    EXPECT_EQ(first.length, 45u);
    EXPECT_EQ(Bytes(first.data.begin(), first.data.end()), data);
    EXPECT_EQ(packet_comments(first), std::vector<std::string_view>{"why?"});
    const Packet second = reader->next().value().value();
    EXPECT_EQ(second.interface, 1u);
    EXPECT_EQ(second.link_type, LinkType::LinuxSll2);
    EXPECT_FALSE(reader->next().value());
    const Interface& eth0 = reader->interfaces().at(0);
    EXPECT_EQ(eth0.name, "eth0");
    EXPECT_EQ(eth0.description, "left");
    EXPECT_EQ(eth0.filter, "icmp");
    EXPECT_EQ(eth0.comments, (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(eth0.stats, std::nullopt);
    EXPECT_EQ(reader->interfaces().at(1).stats, stats);
}

// What was said of a packet outlives a change of format and of byte order.
TEST(CaptureWriter, CommentsOfABigEndianFileAreKept) {
    const ScratchDir scratch;
    const auto order = testing::ByteOrder::Big;
    Bytes file = testing::ng_section(order);
    append(file, testing::ng_interface(order));
    const Bytes options =
        testing::Fields(order).option(1, bytes_of(std::string_view("first"))).bytes();
    append(file, testing::ng_packet(order, 0, 1, Bytes{9}, options));
    auto reader = CaptureReader::from_bytes(file, "big");
    auto writer = CaptureWriter::create(scratch.file("a.pcapng"), CaptureFormat::Pcapng);
    ASSERT_TRUE(writer->add_interface(reader->interfaces().at(0)));
    ASSERT_TRUE(writer->write(reader->next().value().value(), "second"));
    ASSERT_TRUE(writer->close());
    auto again = CaptureReader::open(scratch.file("a.pcapng"));
    EXPECT_EQ(packet_comments(again->next().value().value()),
              (std::vector<std::string_view>{"first", "second"}));
}

TEST(CaptureWriter, WhatAFormatCannotHold) {
    const ScratchDir scratch;
    auto pcap = CaptureWriter::create(scratch.file("a.pcap"), CaptureFormat::Pcap);
    ASSERT_TRUE(pcap->add_interface({}));
    ASSERT_TRUE(pcap->add_interface({}));
    const auto mixed = pcap->add_interface({.link_type = LinkType::Raw});
    EXPECT_THAT(mixed.error().message,
                ::testing::HasSubstr("a pcap file holds one link type, so not both EN10MB "
                                     "(Ethernet) and RAW (Raw IP)"));
    EXPECT_EQ(mixed.error().hint, "write a .pcapng file");
    const Bytes data = {1};
    EXPECT_TRUE(pcap->write(packet_of(data, 4'294'967'295'999'999'999)));
    const auto late = pcap->write(packet_of(data, 4'294'967'296'000'000'000));
    EXPECT_EQ(late.error().code, ErrorCode::Unsupported);
    EXPECT_FALSE(pcap->write(packet_of(Bytes(262'145))));
    EXPECT_TRUE(pcap->write(packet_of(Bytes(262'144))));

    auto ng = CaptureWriter::create(scratch.file("a.pcapng"), CaptureFormat::Pcapng);
    EXPECT_FALSE(ng->add_interface({.link_type = LinkType{70'000}}));
    EXPECT_EQ(ng->add_interface({}).value(), 0u);
    EXPECT_TRUE(ng->write(packet_of(data, uint64_t{1} << 63)));
}

TEST(CaptureWriter, ErrorsAreReportedAndStay) {
    EXPECT_EQ(CaptureWriter::create("/nonexistent/a", CaptureFormat::Pcap).error().sys_errno,
              ENOENT);
    auto writer = CaptureWriter::create("/dev/full", CaptureFormat::Pcap);
    ASSERT_TRUE(writer->add_interface({}));
    ASSERT_TRUE(writer->write(packet_of(Bytes(10))));
    EXPECT_EQ(writer->flush().error().sys_errno, ENOSPC);
    EXPECT_EQ(writer->write(packet_of(Bytes(10))).error().message,
              "/dev/full: No space left on device");
    EXPECT_EQ(writer->close().error().sys_errno, ENOSPC);
}

// A limit on the file's size stands for a full disk: write(2) stops within a packet, and the file
// must end before it.
TEST(CaptureWriter, AFullDiskLeavesWholePackets) {
    const ScratchDir scratch;
    const std::string path = scratch.file("full.pcap");
    rlimit before;
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {400'000, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    auto writer = CaptureWriter::create(path, CaptureFormat::Pcap);
    EXPECT_TRUE(writer->add_interface({}));
    const Bytes data(984);
    Result<void> result;
    for (int i = 0; i < 1000 && result; ++i) result = writer->write(packet_of(data));
    setrlimit(RLIMIT_FSIZE, &before);
    (void)std::signal(SIGXFSZ, handler);

    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().sys_errno, EFBIG);
    EXPECT_FALSE(writer->close());
    const auto all = read_all(CaptureReader::open(path));
    EXPECT_EQ(all.error, "");
    EXPECT_EQ(all.packets.size(), (400'000u - 24) / 1000);
    EXPECT_EQ(writer->size(), 24u + all.packets.size() * 1000);
}

TEST(CaptureWriter, AClosedPipe) {
    const auto handler = std::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    auto writer = CaptureWriter::to_fd(UniqueFd(ends[1]), "pipe", CaptureFormat::Pcapng);
    EXPECT_EQ(writer.flush().error().sys_errno, EPIPE);
    (void)std::signal(SIGPIPE, handler);
}

}  // namespace
}  // namespace skep::packet
