// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "packet/capture_reader.hpp"
#include "packet/wire.hpp"

// For tests only: capture files written by hand, field by field and in either byte order, so that
// what is wrong in one is wrong on purpose.

namespace skep::packet::testing {

enum class ByteOrder { Little, Big };

/// Appends integers in one byte order.
class Fields {
  public:
    explicit Fields(ByteOrder order) : order_(order) {}

    Fields& u8(uint8_t value) { return put(value); }
    Fields& u16(uint16_t value) { return put(value); }
    Fields& u32(uint32_t value) { return put(value); }
    Fields& u64(uint64_t value) { return put(value); }
    Fields& raw(ByteView value) {
        append(bytes_, value);
        return *this;
    }
    Fields& text(std::string_view value) { return raw(bytes_of(value)); }
    Fields& pad() {
        bytes_.resize(align_up(bytes_.size(), 4));
        return *this;
    }
    /// A pcapng option.
    Fields& option(uint16_t code, ByteView value) {
        return u16(code).u16(static_cast<uint16_t>(value.size())).raw(value).pad();
    }

    const Bytes& bytes() const { return bytes_; }

  private:
    template <typename T>
    Fields& put(T value) {
        append(bytes_, order_ == ByteOrder::Little ? value : swap_bytes(value));
        return *this;
    }

    ByteOrder order_;
    Bytes bytes_;
};

struct PcapHeader {
    uint32_t magic = 0xa1b2c3d4;
    uint16_t major = 2, minor = 4;
    uint32_t snaplen = 65535;
    uint32_t link_type = 1;
};

inline Fields pcap_file(ByteOrder order, const PcapHeader& header = {}) {
    Fields file(order);
    file.u32(header.magic).u16(header.major).u16(header.minor).u32(0).u32(0);
    file.u32(header.snaplen).u32(header.link_type);
    return file;
}

/// A pcapng block with its lengths.
inline Bytes ng_block(ByteOrder order, uint32_t type, const Bytes& body) {
    const auto size = static_cast<uint32_t>(12 + align_up(body.size(), 4));
    return Fields(order).u32(type).u32(size).raw(body).pad().u32(size).bytes();
}

inline Bytes ng_section(ByteOrder order) {
    return ng_block(order, 0x0a0d0d0a,
                    Fields(order).u32(0x1a2b3c4d).u16(1).u16(0).u64(~uint64_t{0}).bytes());
}

inline Bytes ng_interface(ByteOrder order, uint16_t link_type = 1, uint32_t snaplen = 0,
                          const Bytes& options = {}) {
    return ng_block(order, 1,
                    Fields(order).u16(link_type).u16(0).u32(snaplen).raw(options).bytes());
}

inline Bytes ng_packet(ByteOrder order, uint32_t interface, uint64_t ticks, ByteView data,
                       const Bytes& options = {}) {
    const auto size = static_cast<uint32_t>(data.size());
    Fields body(order);
    body.u32(interface).u32(static_cast<uint32_t>(ticks >> 32)).u32(static_cast<uint32_t>(ticks));
    body.u32(size).u32(size).raw(data).pad().raw(options);
    return ng_block(order, 6, body.bytes());
}

/// A packet that outlives its reader.
struct Kept {
    uint64_t time_ns;
    Bytes data;
    uint32_t length;
    uint32_t interface;
    LinkType link_type;

    bool operator==(const Kept&) const = default;
};

struct ReadAll {
    std::vector<Kept> packets;
    std::string error;  ///< empty where the end was reached

    bool operator==(const ReadAll&) const = default;
};

inline ReadAll read_all(Result<CaptureReader> reader) {
    ReadAll all;
    if (!reader) {
        all.error = reader.error().message;
        return all;
    }
    for (;;) {
        const auto packet = reader->next();
        if (!packet) all.error = packet.error().message;
        if (!packet || !*packet) return all;
        const Packet& p = **packet;
        all.packets.push_back(
            {p.time_ns, {p.data.begin(), p.data.end()}, p.length, p.interface, p.link_type});
    }
}

inline ReadAll read_all(const Bytes& file) {
    return read_all(CaptureReader::from_bytes(file, "test.pcap"));
}

}  // namespace skep::packet::testing
