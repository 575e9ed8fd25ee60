// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "packet/wire.hpp"

// The numbers of the pcapng format (draft-ietf-opsawg-pcapng). A file is a row of blocks: type and
// total length (32 bits each), a body, and the total length again. A section header block starts a
// section and fixes its byte order; interface description blocks number its interfaces from 0;
// packet blocks refer to them. A body's fixed part may be followed by options.

namespace skep::packet::pcapng {

enum BlockType : uint32_t {
    kSectionHeader = 0x0a0d0d0a,  // the same in both byte orders
    kInterface = 1,
    kObsoletePacket = 2,
    kSimplePacket = 3,
    kStatistics = 5,
    kEnhancedPacket = 6,
};

constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint32_t kHeaderSize = 8;   // type, total length
constexpr uint32_t kTrailerSize = 4;  // total length
constexpr uint32_t kMinBlock = kHeaderSize + kTrailerSize;

enum OptionCode : uint16_t {
    kEndOfOptions = 0,
    kComment = 1,
    // interface description
    kIfName = 2,
    kIfDescription = 3,
    kIfTsresol = 9,
    kIfFilter = 11,
    kIfTsoffset = 14,
    // enhanced and obsolete packet
    kPacketFlags = 2,
    kPacketDropCount = 4,
    // interface statistics
    kStatsReceived = 4,
    kStatsDroppedInterface = 5,
    kStatsAccepted = 6,
    kStatsDroppedKernel = 7,
    kStatsDelivered = 8,
};

// kPacketFlags, bits 0 and 1.
constexpr uint32_t kFlagDirection = 3, kFlagIn = 1, kFlagOut = 2;

/// Loads in the byte order of a section.
class Order {
  public:
    explicit constexpr Order(bool swapped) : swapped_(swapped) {}

    constexpr bool swapped() const { return swapped_; }

    template <std::unsigned_integral T>
    std::optional<T> load(ByteView bytes, uint64_t offset) const {
        return swapped_ ? load_be<T>(bytes, offset) : skep::load<T>(bytes, offset);
    }

  private:
    bool swapped_;
};

struct Option {
    uint16_t code;
    ByteView value;
};

/// Walks options; nothing at their end, be it marked, the last byte, or a length that lies.
class OptionCursor {
  public:
    OptionCursor(ByteView bytes, Order order) : bytes_(bytes), order_(order) {}

    std::optional<Option> next() {
        const auto code = order_.load<uint16_t>(bytes_, at_);
        if (!code || *code == kEndOfOptions) return std::nullopt;
        const auto length = order_.load<uint16_t>(bytes_, at_ + 2);
        const auto value = length ? slice(bytes_, at_ + 4, *length) : std::nullopt;
        if (!value) {
            broken_ = true;
            return std::nullopt;
        }
        at_ += 4 + align_up(*length, 4);
        return Option{*code, *value};
    }

    bool broken() const { return broken_; }

  private:
    ByteView bytes_;
    Order order_;
    uint64_t at_ = 0;
    bool broken_ = false;
};

}  // namespace skep::packet::pcapng
