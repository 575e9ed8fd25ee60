// SPDX-License-Identifier: Apache-2.0
#include "packet/capture_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packet/format_reader.hpp"
#include "packet/pcapng_format.hpp"

namespace skep::packet {
namespace {

std::unexpected<Error> unknown_format(const std::string& name, ByteView start) {
    constexpr uint16_t kGzip = 0x8b1f;
    constexpr uint32_t kZstd = 0xfd2fb528;
    const bool gzip = load<uint16_t>(start, 0) == kGzip;
    if (gzip || load<uint32_t>(start, 0) == kZstd) {
        Error error{ErrorCode::Unsupported, name + ": compressed", {}, 0};
        return std::unexpected(std::move(error).with_hint(fmt::format(
            "decompress it on the way in: {} FILE | skep ... -", gzip ? "zcat" : "zstdcat")));
    }
    if (start.empty()) return malformed("{}: empty, not even a capture file's header", name);
    std::string bytes;
    for (const uint8_t byte : start) bytes += fmt::format(" {:02x}", byte);
    return malformed("{}: neither pcap nor pcapng: it begins with{}", name, bytes);
}

Result<std::unique_ptr<FormatReader>> make_reader(ByteSource source, const std::string& name) {
    source.ensure(4);
    if (source.read_errno() != 0) return std::unexpected(sys_error(name, source.read_errno()));
    const ByteView start = source.peek(std::min<size_t>(4, source.available()));
    const auto magic = load<uint32_t>(start, 0);
    std::unique_ptr<FormatReader> reader;
    if (magic && is_pcap_magic(*magic)) {
        reader = make_pcap_reader(std::move(source), name);
    } else if (magic == pcapng::kSectionHeader) {
        reader = make_pcapng_reader(std::move(source), name);
    } else {
        return unknown_format(name, start);
    }
    SKEP_TRY(reader->start());
    return reader;
}

}  // namespace

CaptureReader::CaptureReader(std::unique_ptr<FormatReader> reader) : reader_(std::move(reader)) {}
CaptureReader::CaptureReader(CaptureReader&&) noexcept = default;
CaptureReader& CaptureReader::operator=(CaptureReader&&) noexcept = default;
CaptureReader::~CaptureReader() = default;

Result<CaptureReader> CaptureReader::open(const std::string& path) {
    if (path == "-") {
        UniqueFd fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
        if (!fd) return std::unexpected(sys_error("standard input"));
        return from_fd(std::move(fd), "standard input");
    }
    struct stat status;
    if (::stat(path.c_str(), &status) < 0) return std::unexpected(sys_error(path));
    if (S_ISREG(status.st_mode) && status.st_size > 0) {
        auto source = ByteSource::mapped(SKEP_TRY(MappedFile::open(path)));
        return CaptureReader(SKEP_TRY(make_reader(std::move(source), path)));
    }
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::unexpected(sys_error(path));
    return from_fd(std::move(fd), path);
}

Result<CaptureReader> CaptureReader::from_fd(UniqueFd fd, std::string name) {
    return CaptureReader(SKEP_TRY(make_reader(ByteSource::stream(std::move(fd)), name)));
}

Result<CaptureReader> CaptureReader::from_bytes(ByteView bytes, std::string name) {
    return CaptureReader(SKEP_TRY(make_reader(ByteSource::of(bytes), name)));
}

// The packet is built where the caller gets it (every return names it, so that it is not moved):
// moving it costs as much as reading it.
Result<std::optional<Packet>> CaptureReader::next() {
    Result<std::optional<Packet>> packet(std::in_place, std::in_place);
    if (!failed_) [[likely]] {
        Result<bool> got = reader_->next(**packet);
        if (!got) [[unlikely]] {
            failed_ = std::move(got).error();
        } else if (!*got) {
            packet->reset();
        }
    }
    if (failed_) [[unlikely]]
        packet = std::unexpected(*failed_);
    return packet;
}

CaptureFormat CaptureReader::format() const {
    return reader_->format();
}

const std::vector<Interface>& CaptureReader::interfaces() const {
    return reader_->interfaces();
}

const std::vector<std::string>& CaptureReader::comments() const {
    return reader_->comments();
}

uint64_t CaptureReader::packet_count() const {
    return reader_->packet_count();
}

}  // namespace skep::packet
