// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/result.hpp"
#include "packet/capture.hpp"

namespace skep::packet {

// Writes pcap or pcapng.
//
//     CaptureWriter writer = SKEP_TRY(CaptureWriter::create("out.pcapng", CaptureFormat::Pcapng));
//     const uint32_t eth0 = SKEP_TRY(writer.add_interface({.name = "eth0"}));
//     SKEP_TRY(writer.write({.time_ns = now, .data = frame, .length = size, .interface = eth0}));
//     SKEP_TRY(writer.close());
//
// Packets are buffered (256 KiB) and handed to the kernel whole: a reader of the pipe or of the
// growing file never sees part of one for long, and where the disk is full the file is cut back to
// the last packet that fitted. The first error stays: every later call returns it. The destructor
// flushes too, but cannot say whether that worked; call close(). One thread at a time.
//
// pcapng is written little-endian with one section and times in nanoseconds; pcap in microseconds
// only where asked. What pcap cannot hold (names, comments, statistics, direction) is left out.
class CaptureWriter {
  public:
    enum class PcapTime : uint8_t { Nanoseconds, Microseconds };

    /// Creates or empties the file; "-" is standard output. `comment` is on the whole capture.
    static Result<CaptureWriter> create(const std::string& path, CaptureFormat format,
                                        PcapTime time = PcapTime::Nanoseconds,
                                        std::string_view comment = {});
    /// Writes from where `fd` stands; errors call it `name`.
    static CaptureWriter to_fd(UniqueFd fd, std::string name, CaptureFormat format,
                               PcapTime time = PcapTime::Nanoseconds,
                               std::string_view comment = {});

    CaptureWriter(CaptureWriter&&) noexcept = default;
    CaptureWriter& operator=(CaptureWriter&&) = delete;
    ~CaptureWriter();

    /// Must precede the packets captured on it; the answer is what Packet::interface then says.
    /// pcap takes further interfaces only of the same link type. Readers cut packets to `snaplen`
    /// (0: no limit). Counters of `interface` are not written; see write_stats().
    Result<uint32_t> add_interface(const Interface& interface);

    /// The comments that `packet` came with are kept, and `comment` is added.
    Result<void> write(const Packet& packet, std::string_view comment = {});

    /// What was received and dropped on the interface until `time_ns`.
    Result<void> write_stats(uint32_t interface, const InterfaceStats& stats, uint64_t time_ns);

    /// Hands everything to the kernel now.
    Result<void> flush();

    /// Flushes and closes. Nothing may be written after it.
    Result<void> close();

    /// All so far, buffered or not.
    uint64_t size() const { return flushed_ + buffer_.size(); }

  private:
    CaptureWriter(UniqueFd fd, std::string name, CaptureFormat format, PcapTime time);

    void append_pcap_header(const Interface& interface);
    void append_pcap_record(const Packet& packet);
    void append_section_header(std::string_view comment);
    void append_interface(const Interface& interface);
    void append_enhanced_packet(const Packet& packet, std::string_view comment);
    Result<void> whole();
    void cut_back(size_t written);

    UniqueFd fd_;
    std::string name_;
    CaptureFormat format_;
    PcapTime time_;
    std::vector<LinkType> link_types_;  ///< of the interfaces
    Bytes buffer_;
    std::vector<size_t> ends_;  ///< in buffer_: where records end
    uint64_t flushed_ = 0;
    std::optional<Error> failed_;
};

}  // namespace skep::packet
