// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "packet/byte_source.hpp"
#include "packet/capture.hpp"

// Behind CaptureReader: what the readers of the two formats share. Private to this folder.

namespace skep::packet {

class FormatReader {
  public:
    FormatReader(ByteSource source, std::string name)
        : source_(std::move(source)), name_(std::move(name)) {}
    virtual ~FormatReader() = default;

    /// Reads what precedes the first packet.
    virtual Result<void> start() = 0;

    /// Fills `packet`, which is as constructed; false at the end.
    virtual Result<bool> next(Packet& packet) = 0;
    virtual CaptureFormat format() const = 0;

    const std::vector<Interface>& interfaces() const { return interfaces_; }
    const std::vector<std::string>& comments() const { return comments_; }
    uint64_t packet_count() const { return packet_count_; }

  protected:
    /// "FILE: packet 17 at byte 1432: ...", about the record or block that is being read.
    template <typename... Args>
    std::unexpected<Error> bad_packet(fmt::format_string<Args...> format, Args&&... args) const {
        return malformed("{}: packet {} at byte {}: {}", name_, packet_count_ + 1, item_offset_,
                         fmt::format(format, std::forward<Args>(args)...));
    }

    /// Why ensure() said no: the read failed, or the input ends too early.
    template <typename... Args>
    std::unexpected<Error> cut_short(fmt::format_string<Args...> format, Args&&... args) const {
        if (source_.read_errno() != 0) {
            return std::unexpected(sys_error(name_, source_.read_errno()));
        }
        return bad_packet("cut short: {}", fmt::format(format, std::forward<Args>(args)...));
    }

    ByteSource source_;
    std::string name_;
    std::vector<Interface> interfaces_;
    std::vector<std::string> comments_;
    uint64_t packet_count_ = 0;
    uint64_t item_offset_ = 0;  ///< where the record or block begins that is being read
};

std::unique_ptr<FormatReader> make_pcap_reader(ByteSource source, std::string name);
std::unique_ptr<FormatReader> make_pcapng_reader(ByteSource source, std::string name);

/// Whether a file that begins with these four bytes is pcap, in any variant.
bool is_pcap_magic(uint32_t magic);

}  // namespace skep::packet
