// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "packet/format_reader.hpp"
#include "packet/pcap_format.hpp"
#include "packet/wire.hpp"

namespace skep::packet {
namespace {

using pcap::FileHeader;
using pcap::RecordHeader;

// Until 2.3 the length on the wire preceded the captured one; some writers of 2.3 had not heard.
enum class LengthOrder : uint8_t { CapturedFirst, WireFirst, Guess };

class PcapReader final : public FormatReader {
  public:
    using FormatReader::FormatReader;

    Result<void> start() override;
    Result<bool> next(Packet& packet) override;
    CaptureFormat format() const override { return CaptureFormat::Pcap; }

  private:
    RecordHeader record_header() const;

    bool swapped_ = false;
    bool kuznetzov_ = false;
    LengthOrder order_ = LengthOrder::CapturedFirst;
    uint32_t header_size_ = sizeof(RecordHeader);
    uint32_t ns_per_fraction_ = 1000;
    uint32_t snaplen_ = 0;
    uint32_t max_size_ = 0;
    LinkType link_type_ = LinkType::Ethernet;
};

void swap_header(FileHeader& header) {
    header.magic = swap_bytes(header.magic);
    header.version_major = swap_bytes(header.version_major);
    header.version_minor = swap_bytes(header.version_minor);
    header.snaplen = swap_bytes(header.snaplen);
    header.link_type = swap_bytes(header.link_type);
}

Result<void> PcapReader::start() {
    if (!source_.ensure(sizeof(FileHeader))) {
        return malformed("{}: cut short: {} of the header's {} bytes", name_, source_.available(),
                         sizeof(FileHeader));
    }
    auto header = *load<FileHeader>(source_.peek(sizeof(FileHeader)), 0);
    swapped_ = header.magic >> 16 != 0xa1b2;  // as all magics begin
    if (swapped_) swap_header(header);
    const bool known = (header.version_major == 2 && header.version_minor <= 4) ||
                       (header.version_major == 543 && header.version_minor == 0);  // DG/UX
    if (!known) {
        return malformed("{}: pcap version {}.{} is unknown (2.0 to 2.4 are known)", name_,
                         header.version_major, header.version_minor);
    }
    if (header.version_major == 543 || header.version_minor < 3) order_ = LengthOrder::WireFirst;
    if (header.version_major == 2 && header.version_minor == 3) order_ = LengthOrder::Guess;
    if (header.magic == pcap::kMagicNanos) ns_per_fraction_ = 1;
    kuznetzov_ = header.magic == pcap::kMagicKuznetzov;
    if (kuznetzov_) header_size_ = pcap::kKuznetzovRecordSize;

    link_type_ = link_type_from_file(header.link_type & pcap::kLinkTypeMask);
    max_size_ = max_packet_size(link_type_);
    constexpr uint32_t kMaxInt = std::numeric_limits<int32_t>::max();
    snaplen_ = header.snaplen == 0 || header.snaplen > kMaxInt ? max_size_ : header.snaplen;
    // Cooked captures of that writer have an Ethernet header more than the snap length says.
    if (kuznetzov_ && link_type_ == LinkType::Ethernet) snaplen_ += 14;
    interfaces_.push_back({.link_type = link_type_, .snaplen = header.snaplen});
    source_.consume(sizeof(FileHeader));
    return {};
}

RecordHeader PcapReader::record_header() const {
    auto header = *load<RecordHeader>(source_.peek(sizeof(RecordHeader)), 0);
    if (swapped_) {
        header = {swap_bytes(header.seconds), swap_bytes(header.fraction),
                  swap_bytes(header.captured), swap_bytes(header.length)};
    }
    if (order_ == LengthOrder::WireFirst ||
        (order_ == LengthOrder::Guess && header.captured > header.length)) {
        std::swap(header.captured, header.length);
    }
    return header;
}

Direction kuznetzov_direction(uint8_t packet_type) {
    return packet_type == 4 ? Direction::Out : Direction::In;  // PACKET_OUTGOING
}

Result<bool> PcapReader::next(Packet& packet) {
    item_offset_ = source_.offset();
    if (!source_.ensure(header_size_)) {
        if (source_.available() == 0 && source_.read_errno() == 0) return false;
        return cut_short("{} of its header's {} bytes", source_.available(), header_size_);
    }
    const RecordHeader header = record_header();
    if (header.captured > max_size_) {
        return bad_packet("a captured length of {} bytes, more than {} packets can have ({})",
                          header.captured, to_string(link_type_), max_size_);
    }
    if (!source_.ensure(size_t{header_size_} + header.captured)) {
        return cut_short("{} of its {} bytes", source_.available() - header_size_, header.captured);
    }
    const ByteView record = source_.peek(size_t{header_size_} + header.captured);
    source_.consume(record.size());
    ++packet_count_;
    packet.time_ns =
        header.seconds * uint64_t{1'000'000'000} + header.fraction * uint64_t{ns_per_fraction_};
    packet.data = record.subspan(header_size_, std::min(header.captured, snaplen_));
    packet.length = header.length;
    packet.link_type = link_type_;
    if (kuznetzov_) packet.direction = kuznetzov_direction(record[pcap::kKuznetzovPacketType]);
    return true;
}

}  // namespace

bool is_pcap_magic(uint32_t magic) {
    for (const uint32_t known : {pcap::kMagicMicros, pcap::kMagicNanos, pcap::kMagicKuznetzov}) {
        if (magic == known || magic == swap_bytes(known)) return true;
    }
    return false;
}

std::unique_ptr<FormatReader> make_pcap_reader(ByteSource source, std::string name) {
    return std::make_unique<PcapReader>(std::move(source), std::move(name));
}

}  // namespace skep::packet
