// SPDX-License-Identifier: Apache-2.0
// Our reader against libpcap, on the same bytes: whatever libpcap reads, we read the same.
#include <pcap/pcap.h>

#include <cstdio>
#include <limits>
#include <random>

#include "base/testing.hpp"
#include "packet/capture_testing.hpp"

namespace skep::packet {
namespace {

using testing::ByteOrder;
using testing::Fields;
using testing::Kept;
using testing::ng_block;
using testing::ng_interface;
using testing::ng_packet;
using testing::ng_section;
using testing::pcap_file;
using testing::read_all;
using testing::ReadAll;

// libpcap's seconds are signed 32 bits in pcap, and 64 in pcapng, of which ours keep what fits.
uint64_t nanoseconds(const timeval& time, bool pcap) {
    __extension__ using Wide = __int128;
    const auto seconds = static_cast<uint64_t>(time.tv_sec) & (pcap ? 0xffffffff : ~uint64_t{0});
    const Wide all = static_cast<Wide>(seconds) * 1'000'000'000 + time.tv_usec;
    return static_cast<uint64_t>(std::min<Wide>(all, std::numeric_limits<uint64_t>::max()));
}

ReadAll read_by_libpcap(const Bytes& file, bool pcap) {
    ReadAll all;
    char error[PCAP_ERRBUF_SIZE] = {};
    // The FILE belongs to libpcap once the capture is open.
    FILE* stream = fmemopen(const_cast<uint8_t*>(file.data()), file.size(), "rb");
    pcap_t* capture =
        pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, error);
    if (!capture) {
        all.error = error;
        (void)std::fclose(stream);
        return all;
    }
    const LinkType link_type = link_type_from_dlt(pcap_datalink(capture));
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    int status = 0;
    while ((status = pcap_next_ex(capture, &header, &data)) == 1) {
        all.packets.push_back({nanoseconds(header->ts, pcap), Bytes(data, data + header->caplen),
                               header->len, 0, link_type});
    }
    if (status == PCAP_ERROR) all.error = pcap_geterr(capture);
    pcap_close(capture);
    return all;
}

struct Random {
    std::mt19937 engine{5};

    uint32_t below(uint32_t n) { return engine() % n; }
    Bytes bytes(size_t size) {
        Bytes result(size);
        for (uint8_t& byte : result) byte = static_cast<uint8_t>(engine());
        return result;
    }
};

Bytes random_pcap(Random& random) {
    const ByteOrder order = random.below(2) ? ByteOrder::Big : ByteOrder::Little;
    constexpr uint32_t kMagics[] = {0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34};
    constexpr uint32_t kLinkTypes[] = {1, 12, 101, 113, 228, 276, 105};
    constexpr uint32_t kSnaplens[] = {65535, 262144, 100, 0, 0x80000000};
    const uint32_t magic = kMagics[random.below(3)];
    const auto minor = static_cast<uint16_t>(random.below(5));
    Fields file = pcap_file(order, {.magic = magic,
                                    .minor = minor,
                                    .snaplen = kSnaplens[random.below(5)],
                                    .link_type = kLinkTypes[random.below(7)]});
    for (uint32_t i = random.below(20); i > 0; --i) {
        const Bytes data = random.bytes(random.below(300));
        const auto size = static_cast<uint32_t>(data.size());
        const uint32_t wire = size + i % 2 * 100;
        file.u32(random.engine()).u32(random.below(1'000'000));
        file.u32(minor < 3 ? wire : size).u32(minor < 3 ? size : wire);
        if (magic == 0xa1b2cd34) file.u32(1).u16(0x800).u16(static_cast<uint16_t>(i));
        file.raw(data);
    }
    return file.bytes();
}

// One section, one link type and one snap length: more is an error to libpcap.
Bytes random_pcapng(Random& random) {
    const ByteOrder order = random.below(2) ? ByteOrder::Big : ByteOrder::Little;
    Bytes file = ng_section(order);
    constexpr uint16_t kLinkTypes[] = {1, 113, 228, 276};
    const uint16_t link_type = kLinkTypes[random.below(4)];
    const uint32_t snaplen = random.below(2) ? 0 : 400;
    const uint32_t interfaces = 1 + random.below(3);
    for (uint32_t i = 0; i < interfaces; ++i) {
        Fields options(order);
        constexpr uint8_t kResolutions[] = {6, 9, 3, 0, 12, 0x80 | 10, 0x80 | 30};
        if (random.below(2)) options.option(9, Bytes{kResolutions[random.below(7)]});
        if (random.below(2)) options.option(14, Fields(order).u64(random.below(1000)).bytes());
        if (random.below(2)) options.option(2, bytes_of(std::string_view("veth0"))).u32(0);
        append(file, ng_interface(order, link_type, snaplen, options.bytes()));
    }
    for (uint32_t i = random.below(20); i > 0; --i) {
        const Bytes data = random.bytes(random.below(300));
        const auto size = static_cast<uint32_t>(data.size());
        const uint32_t interface = random.below(interfaces);
        const uint64_t ticks = uint64_t{random.below(1 << 30)} << random.below(24);
        const Bytes options = Fields(order).option(2, Fields(order).u32(1).bytes()).bytes();
        Fields obsolete(order);
        obsolete.u16(static_cast<uint16_t>(interface)).u16(3).u64(0).u32(size).u32(size).raw(data);
        switch (random.below(6)) {
            case 0:
                append(file, ng_block(order, 3, Fields(order).u32(size).raw(data).bytes()));
                break;
            case 1: append(file, ng_block(order, 2, obsolete.bytes())); break;
            case 2: append(file, ng_block(order, random.below(2) ? 4 : 0x40000bad, data)); break;
            case 3: append(file, ng_packet(order, interface, ticks, data, options)); break;
            default: append(file, ng_packet(order, interface, ticks, data)); break;
        }
    }
    return file;
}

TEST(CaptureOracle, FilesReadAsByLibpcap) {
    Random random;
    size_t packets = 0;
    for (int round = 0; round < 1000; ++round) {
        const bool pcap = round % 2;
        const Bytes file = pcap ? random_pcap(random) : random_pcapng(random);
        const ReadAll theirs = read_by_libpcap(file, pcap);
        ReadAll ours = read_all(file);
        for (Kept& packet : ours.packets) packet.interface = 0;  // libpcap does not number them
        ASSERT_EQ(ours.packets.size(), theirs.packets.size())
            << "round " << round << ": " << ours.error << "; " << theirs.error;
        for (size_t i = 0; i < theirs.packets.size(); ++i) {
            ASSERT_EQ(ours.packets[i].time_ns, theirs.packets[i].time_ns) << "round " << round;
            ASSERT_EQ(ours.packets[i], theirs.packets[i]) << "round " << round << ", packet " << i;
        }
        ASSERT_EQ(ours.error.empty(), theirs.error.empty())
            << "round " << round << ": " << ours.error << "; " << theirs.error;
        packets += ours.packets.size();
    }
    EXPECT_GT(packets, 5000u);
}

// Damaged files: what libpcap could read before it gave up, we read too; and what it did not notice
// is no error to us either. (We may read on where it refuses.) The file's own header stays whole:
// libpcap does not check the end of a first section header.
TEST(CaptureOracle, DamagedFilesReadAtLeastAsFarAsByLibpcap) {
    Random random;
    int refused = 0, accepted = 0;
    for (int round = 0; round < 6000; ++round) {
        const bool pcap = round % 2;
        Bytes file = pcap ? random_pcap(random) : random_pcapng(random);
        const uint32_t header = pcap ? 24 : 28;
        if (file.size() <= header) continue;
        const auto body = static_cast<uint32_t>(file.size()) - header;
        for (uint32_t flips = 1 + random.below(3); flips > 0; --flips) {
            file[header + random.below(body)] ^= static_cast<uint8_t>(1 << random.below(8));
        }
        if (random.below(4) == 0) file.resize(header + random.below(body));

        const ReadAll theirs = read_by_libpcap(file, pcap);
        const ReadAll ours = read_all(file);
        ASSERT_GE(ours.packets.size(), theirs.packets.size())
            << "round " << round << ": " << ours.error << "; " << theirs.error;
        for (size_t i = 0; i < theirs.packets.size(); ++i) {
            ASSERT_EQ(ours.packets[i].data, theirs.packets[i].data) << "round " << round;
            ASSERT_EQ(ours.packets[i].length, theirs.packets[i].length) << "round " << round;
        }
        if (theirs.error.empty()) {
            ASSERT_EQ(ours.error, "") << "round " << round;
            ASSERT_EQ(ours.packets.size(), theirs.packets.size()) << "round " << round;
        }
        ++(theirs.error.empty() ? accepted : refused);
    }
    EXPECT_GT(refused, 1000);
    EXPECT_GT(accepted, 500);
}

}  // namespace
}  // namespace skep::packet
