// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// The numbers of the pcap format (draft-ietf-opsawg-pcap). A file is a FileHeader and then, for
// each packet, a RecordHeader and the captured bytes; all integers in the writer's byte order,
// which the magic shows.

namespace skep::packet::pcap {

constexpr uint32_t kMagicMicros = 0xa1b2c3d4;
constexpr uint32_t kMagicNanos = 0xa1b23c4d;
constexpr uint32_t kMagicKuznetzov = 0xa1b2cd34;  // microseconds, longer records

struct FileHeader {
    uint32_t magic;
    uint16_t version_major;
    uint16_t version_minor;
    int32_t zone;      // always 0
    uint32_t sigfigs;  // always 0
    uint32_t snaplen;
    uint32_t link_type;  // upper six bits: length of the frame check sequence
};
static_assert(sizeof(FileHeader) == 24);

constexpr uint32_t kLinkTypeMask = 0x03ffffff;

struct RecordHeader {
    uint32_t seconds;
    uint32_t fraction;
    uint32_t captured;
    uint32_t length;
};
static_assert(sizeof(RecordHeader) == 16);

// Kuznetzov's records go on: interface index (32 bits), protocol (16), packet type (8), padding.
constexpr uint32_t kKuznetzovRecordSize = 24;
constexpr uint32_t kKuznetzovPacketType = 22;

}  // namespace skep::packet::pcap
