// SPDX-License-Identifier: Apache-2.0
#include "packet/capture_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "packet/pcap_format.hpp"
#include "packet/pcapng_format.hpp"

namespace skep::packet {
namespace {

constexpr size_t kBufferSize = 256 << 10;
constexpr uint64_t kSecond = 1'000'000'000;

// Writes the block's type and, when it goes out of scope, its length at both ends.
class Block {
  public:
    Block(Bytes& out, uint32_t type) : out_(out), begin_(out.size()) {
        append(out_, type);
        append(out_, uint32_t{0});
    }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() {
        const auto size = static_cast<uint32_t>(out_.size() - begin_ + pcapng::kTrailerSize);
        append(out_, size);
        std::memcpy(out_.data() + begin_ + 4, &size, sizeof(size));
    }

    void padded(ByteView bytes) {
        append(out_, bytes);
        out_.resize(begin_ + align_up(out_.size() - begin_, 4));
    }

    /// What does not fit into an option is cut: its length has 16 bits.
    void option(uint16_t code, ByteView value) {
        value = value.first(std::min<size_t>(value.size(), std::numeric_limits<uint16_t>::max()));
        append(out_, code);
        append(out_, static_cast<uint16_t>(value.size()));
        padded(value);
        has_options_ = true;
    }
    void text_option(uint16_t code, std::string_view text) {
        if (!text.empty()) option(code, bytes_of(text));
    }
    void count_option(uint16_t code, const std::optional<uint64_t>& count) {
        if (count) option(code, bytes_of(*count));
    }
    void end_options() {
        if (has_options_) append(out_, uint32_t{pcapng::kEndOfOptions});
    }

  private:
    Bytes& out_;
    size_t begin_;
    bool has_options_ = false;
};

void append_time(Bytes& out, uint64_t time_ns) {
    append(out, static_cast<uint32_t>(time_ns >> 32));
    append(out, static_cast<uint32_t>(time_ns));
}

}  // namespace

CaptureWriter::CaptureWriter(UniqueFd fd, std::string name, CaptureFormat format, PcapTime time)
    : fd_(std::move(fd)), name_(std::move(name)), format_(format), time_(time) {
    buffer_.reserve(kBufferSize + (64 << 10));
}

Result<CaptureWriter> CaptureWriter::create(const std::string& path, CaptureFormat format,
                                            PcapTime time, std::string_view comment) {
    const bool out = path == "-";
    UniqueFd fd(out ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                    : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    std::string name = out ? "standard output" : path;
    if (!fd) return std::unexpected(sys_error(std::move(name)));
    return to_fd(std::move(fd), std::move(name), format, time, comment);
}

CaptureWriter CaptureWriter::to_fd(UniqueFd fd, std::string name, CaptureFormat format,
                                   PcapTime time, std::string_view comment) {
    CaptureWriter writer(std::move(fd), std::move(name), format, time);
    if (format == CaptureFormat::Pcapng) writer.append_section_header(comment);
    return writer;
}

CaptureWriter::~CaptureWriter() {
    if (fd_ && !failed_) (void)flush();
}

Result<uint32_t> CaptureWriter::add_interface(const Interface& interface) {
    if (failed_) return std::unexpected(*failed_);
    if (format_ == CaptureFormat::Pcapng) {
        if (static_cast<uint32_t>(interface.link_type) > std::numeric_limits<uint16_t>::max()) {
            return unsupported("{}: pcapng has 16 bits for a link type, too few for {}", name_,
                               to_string(interface.link_type));
        }
        append_interface(interface);
    } else if (link_types_.empty()) {
        append_pcap_header(interface);
    } else if (link_types_[0] != interface.link_type) {
        return std::unexpected(
            Error{ErrorCode::Unsupported,
                  fmt::format("{}: a pcap file holds one link type, so not both {} and {}", name_,
                              to_string(link_types_[0]), to_string(interface.link_type)),
                  "write a .pcapng file", 0});
    }
    link_types_.push_back(interface.link_type);
    SKEP_TRY(whole());
    return static_cast<uint32_t>(link_types_.size() - 1);
}

Result<void> CaptureWriter::write(const Packet& packet, std::string_view comment) {
    if (failed_) return std::unexpected(*failed_);
    SKEP_CHECK(packet.interface < link_types_.size());
    const LinkType link_type = link_types_[packet.interface];
    if (packet.data.size() > max_packet_size(link_type)) {
        return unsupported("{}: a packet of {} bytes, more than readers take for {} ({})", name_,
                           packet.data.size(), to_string(link_type), max_packet_size(link_type));
    }
    if (format_ == CaptureFormat::Pcapng) {
        append_enhanced_packet(packet, comment);
    } else if (packet.time_ns / kSecond <= std::numeric_limits<uint32_t>::max()) {
        append_pcap_record(packet);
    } else {
        return std::unexpected(Error{ErrorCode::Unsupported,
                                     name_ + ": a packet's time is past 2106, where pcap ends",
                                     "write a .pcapng file", 0});
    }
    return whole();
}

void CaptureWriter::append_pcap_header(const Interface& interface) {
    const bool nanoseconds = time_ == PcapTime::Nanoseconds;
    append(buffer_, pcap::FileHeader{
                        .magic = nanoseconds ? pcap::kMagicNanos : pcap::kMagicMicros,
                        .version_major = 2,
                        .version_minor = 4,
                        .zone = 0,
                        .sigfigs = 0,
                        .snaplen = interface.snaplen ? interface.snaplen
                                                     : max_packet_size(interface.link_type),
                        .link_type = static_cast<uint32_t>(interface.link_type),
                    });
}

void CaptureWriter::append_pcap_record(const Packet& packet) {
    const auto fraction = static_cast<uint32_t>(packet.time_ns % kSecond);
    append(buffer_, pcap::RecordHeader{
                        .seconds = static_cast<uint32_t>(packet.time_ns / kSecond),
                        .fraction = time_ == PcapTime::Nanoseconds ? fraction : fraction / 1000,
                        .captured = static_cast<uint32_t>(packet.data.size()),
                        .length = packet.length,
                    });
    append(buffer_, packet.data);
}

void CaptureWriter::append_section_header(std::string_view comment) {
    Block block(buffer_, pcapng::kSectionHeader);
    append(buffer_, pcapng::kByteOrderMagic);
    append(buffer_, uint16_t{1});  // version 1.0
    append(buffer_, uint16_t{0});
    append(buffer_, ~uint64_t{0});  // length of the section: not known
    block.text_option(pcapng::kComment, comment);
    block.end_options();
}

void CaptureWriter::append_interface(const Interface& interface) {
    Block block(buffer_, pcapng::kInterface);
    append(buffer_, static_cast<uint16_t>(interface.link_type));
    append(buffer_, uint16_t{0});
    append(buffer_, interface.snaplen);
    for (const std::string& comment : interface.comments) {
        block.text_option(pcapng::kComment, comment);
    }
    block.text_option(pcapng::kIfName, interface.name);
    block.text_option(pcapng::kIfDescription, interface.description);
    if (!interface.filter.empty()) {
        block.text_option(pcapng::kIfFilter, std::string(1, '\0') + interface.filter);
    }
    block.option(pcapng::kIfTsresol, bytes_of(uint8_t{9}));
    block.end_options();
}

void CaptureWriter::append_enhanced_packet(const Packet& packet, std::string_view comment) {
    Block block(buffer_, pcapng::kEnhancedPacket);
    append(buffer_, packet.interface);
    append_time(buffer_, packet.time_ns);
    append(buffer_, static_cast<uint32_t>(packet.data.size()));
    append(buffer_, packet.length);
    block.padded(packet.data);
    for (const std::string_view kept : packet_comments(packet)) {
        block.text_option(pcapng::kComment, kept);
    }
    block.text_option(pcapng::kComment, comment);
    if (packet.direction != Direction::Unknown) {
        const bool in = packet.direction == Direction::In;
        block.option(pcapng::kPacketFlags, bytes_of(in ? pcapng::kFlagIn : pcapng::kFlagOut));
    }
    block.end_options();
}

Result<void> CaptureWriter::write_stats(uint32_t interface, const InterfaceStats& stats,
                                        uint64_t time_ns) {
    if (failed_) return std::unexpected(*failed_);
    SKEP_CHECK(interface < link_types_.size());
    if (format_ != CaptureFormat::Pcapng) return {};
    {
        Block block(buffer_, pcapng::kStatistics);
        append(buffer_, interface);
        append_time(buffer_, time_ns);
        block.count_option(pcapng::kStatsReceived, stats.received);
        block.count_option(pcapng::kStatsDroppedInterface, stats.dropped_interface);
        block.count_option(pcapng::kStatsAccepted, stats.accepted);
        block.count_option(pcapng::kStatsDroppedKernel, stats.dropped_kernel);
        block.count_option(pcapng::kStatsDelivered, stats.delivered);
        block.end_options();
    }
    return whole();
}

// A record is complete: the buffer may be written up to here.
Result<void> CaptureWriter::whole() {
    ends_.push_back(buffer_.size());
    return buffer_.size() >= kBufferSize ? flush() : Result<void>();
}

Result<void> CaptureWriter::flush() {
    if (failed_) return std::unexpected(*failed_);
    size_t written = 0;
    while (written < buffer_.size()) {
        const ssize_t n = ::write(fd_.get(), buffer_.data() + written, buffer_.size() - written);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            failed_ = sys_error(name_);
            cut_back(written);
            return std::unexpected(*failed_);
        }
        written += static_cast<size_t>(n);
    }
    flushed_ += written;
    buffer_.clear();
    ends_.clear();
    return {};
}

// After `written` bytes of the buffer the file took no more: ends it with the last whole record. A
// pipe has no way back, and its reader is gone anyway.
void CaptureWriter::cut_back(size_t written) {
    size_t whole_records = 0;
    for (const size_t end : ends_) {
        if (end <= written) whole_records = end;
    }
    const off_t position = ::lseek(fd_.get(), 0, SEEK_CUR);
    if (position < 0) return;
    const auto partial = static_cast<off_t>(written - whole_records);
    if (::ftruncate(fd_.get(), position - partial) < 0) return;
    flushed_ += whole_records;
    buffer_.clear();
}

Result<void> CaptureWriter::close() {
    SKEP_TRY(flush());
    if (::close(fd_.release()) < 0) {
        failed_ = sys_error(name_);
        return std::unexpected(*failed_);
    }
    return {};
}

}  // namespace skep::packet
