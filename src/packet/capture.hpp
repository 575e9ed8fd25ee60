// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "packet/link.hpp"
#include "packet/link_type.hpp"

// What capture files hold: packets, and the interfaces that they were captured on. Read by
// capture_reader.hpp, written by capture_writer.hpp. Times are nanoseconds since 1970-01-01 UTC.

namespace skep::packet {

enum class CaptureFormat : uint8_t { Pcap, Pcapng };

/// One packet. The views end with the reader's next packet or, where the file is mapped, with the
/// reader.
struct Packet {
    uint64_t time_ns = 0;    ///< 0 also where the file has none (pcapng's simple packets)
    ByteView data = {};      ///< what was captured, from the link-layer header on
    uint32_t length = 0;     ///< on the wire, as the file claims; in odd files less than captured
    uint32_t interface = 0;  ///< index into the capture's interfaces
    LinkType link_type = LinkType::Ethernet;
    Direction direction = Direction::Unknown;
    bool big_endian = false;  ///< the byte order of `options`
    ByteView options = {};    ///< pcapng's, undecoded; see packet_comments()
};

/// Counters at one moment; each is there only where the file has it (pcapng's statistics block).
struct InterfaceStats {
    std::optional<uint64_t> received = {};           ///< by the interface, since the capture began
    std::optional<uint64_t> dropped_interface = {};  ///< by the interface: its ring was full
    std::optional<uint64_t> accepted = {};           ///< by the filter
    std::optional<uint64_t> dropped_kernel = {};  ///< by the kernel: the capture's buffer was full
    std::optional<uint64_t> delivered = {};       ///< to the program that captured

    bool operator==(const InterfaceStats&) const = default;
};

struct Interface {
    LinkType link_type = LinkType::Ethernet;
    uint32_t snaplen = 0;   ///< no packet is longer than this; 0 says the writer set no limit
    std::string name = {};  ///< "eth0"; empty in pcap, and where the writer did not say
    std::string description = {};
    std::string filter = {};  ///< the expression that packets were captured by
    std::vector<std::string> comments = {};
    std::optional<InterfaceStats> stats = {};  ///< the last ones in the file so far
    uint64_t drops = 0;  ///< lost between packets, added up from the packets that say so
};

/// The comments on a packet. Options that are broken end the list, silently: the packet itself is
/// not in doubt.
std::vector<std::string_view> packet_comments(const Packet& packet);

}  // namespace skep::packet
