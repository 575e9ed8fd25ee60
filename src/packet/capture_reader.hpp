// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/result.hpp"
#include "packet/capture.hpp"

namespace skep::packet {

class FormatReader;

// Reads pcap and pcapng, whichever the bytes are.
//
//     CaptureReader reader = SKEP_TRY(CaptureReader::open("ping.pcap"));
//     while (const std::optional<Packet> packet = SKEP_TRY(reader.next())) handle(*packet);
//
// Understood are pcap of versions 2.0 to 2.4 in both byte orders, with microseconds, nanoseconds
// and Kuznetzov's longer records, and pcapng with any number of sections, byte orders and
// interfaces (unlike libpcap, each interface has its own link type, snap length and clock).
//
// A regular file is mapped: packets are views into the page cache, nothing is copied, and they stay
// valid as long as the reader. "-", pipes and devices are read as a stream: a packet is valid until
// the next call. One thread at a time.
//
// A file that is cut short or damaged gives every packet before the damage, and then an error that
// says where: "a.pcap: packet 17 at byte 1432: ...". Further calls return the same error. What is
// only odd (a packet longer than the snap length) is handled as libpcap handles it.
//
// Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; libpcap 1.10.3 for what the drafts
// leave open, e.g. the order of the lengths in versions before 2.4. Decision: docs/decisions/0003.
class CaptureReader {
  public:
    /// "-" is standard input.
    static Result<CaptureReader> open(const std::string& path);
    /// Reads from where `fd` stands; errors call it `name`.
    static Result<CaptureReader> from_fd(UniqueFd fd, std::string name);
    /// `bytes` outlive the reader.
    static Result<CaptureReader> from_bytes(ByteView bytes, std::string name);
    static Result<CaptureReader> from_bytes(Bytes&&, std::string) = delete;  // they would not

    CaptureReader(CaptureReader&&) noexcept;
    CaptureReader& operator=(CaptureReader&&) noexcept;
    ~CaptureReader();

    /// The next packet; nothing at the end.
    Result<std::optional<Packet>> next();

    CaptureFormat format() const;

    /// Those seen so far. pcap has one; in pcapng the first is there before the first packet,
    /// others may come between packets, and a new section adds its own.
    const std::vector<Interface>& interfaces() const;

    /// On the capture as a whole (pcapng); 1,000 are kept, those of interfaces included.
    const std::vector<std::string>& comments() const;

    /// How many packets next() has returned.
    uint64_t packet_count() const;

  private:
    explicit CaptureReader(std::unique_ptr<FormatReader> reader);

    std::unique_ptr<FormatReader> reader_;
    std::optional<Error> failed_;
};

}  // namespace skep::packet
