// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "packet/format_reader.hpp"
#include "packet/pcapng_format.hpp"

namespace skep::packet {
namespace {

using pcapng::Option;
using pcapng::OptionCursor;
using pcapng::Order;

// A block of a type that is read has to fit into memory: the largest packet that any link type may
// have, and room for options. Others are skipped, however long.
constexpr uint32_t kMaxBlock = 129 << 20;
constexpr size_t kMaxInterfaces = 65'536;
constexpr size_t kMaxComments = 1000;  // of the capture and its interfaces together

// What an interface's timestamps count.
struct Clock {
    __extension__ using Wide = __int128;

    uint64_t multiplier = 1000;  // microseconds, unless the interface says otherwise
    uint64_t divisor = 1;
    uint32_t shift = 0;
    Wide offset_ns = 0;

    // Nanoseconds since 1970; times that do not fit are the nearest that do.
    uint64_t nanoseconds(uint64_t ticks) const {
        uint64_t product;
        const bool whole = divisor == 1 && shift == 0 && offset_ns == 0;
        if (whole && !__builtin_mul_overflow(ticks, multiplier, &product)) [[likely]] {
            return product;
        }
        Wide ns = static_cast<Wide>(ticks) * multiplier >> shift;
        ns = ns / divisor + offset_ns;
        if (ns < 0) return 0;
        if (ns > std::numeric_limits<uint64_t>::max()) return std::numeric_limits<uint64_t>::max();
        return static_cast<uint64_t>(ns);
    }
};

// What reading an interface's packets takes; the rest of it is in FormatReader::interfaces_.
struct PacketSource {
    LinkType link_type;
    uint32_t snaplen;
    Clock clock;
};

class PcapngReader final : public FormatReader {
  public:
    using FormatReader::FormatReader;

    Result<void> start() override;
    Result<bool> next(Packet& packet) override;
    CaptureFormat format() const override { return CaptureFormat::Pcapng; }

  private:
    struct PacketFields {
        uint32_t interface;
        uint64_t ticks;
        uint32_t captured;
        uint32_t length;
        uint32_t data_offset;
    };

    Result<bool> find_block();
    Result<ByteView> body();
    Result<void> check_trailer(ByteView trailer) const;
    Result<void> read_other();
    Result<void> skip();

    Result<void> section_header(ByteView body);
    Result<void> interface_description(ByteView body);
    Result<void> interface_option(const Option& option, Interface& interface, Clock& clock);
    void add_comment(std::vector<std::string>& comments, ByteView comment);
    Result<void> statistics(ByteView body);

    Result<void> read_packet(ByteView body, Packet& packet);
    PacketFields enhanced_packet(ByteView body) const;
    PacketFields obsolete_packet(ByteView body) const;
    PacketFields simple_packet(ByteView body) const;
    Result<void> fill(const PacketFields& fields, ByteView body, Packet& packet);
    void packet_options(Packet& packet, Interface& interface) const;

    // The block at the cursor, once find_block() has seen it.
    uint32_t block_type_ = 0;
    uint32_t block_size_ = 0;

    Order order_{false};
    std::vector<PacketSource> sources_;  // of this section
    size_t first_interface_ = 0;         // of this section, in interfaces_
    size_t comment_count_ = 0;
};

bool is_packet(uint32_t type) {
    return type == pcapng::kEnhancedPacket || type == pcapng::kSimplePacket ||
           type == pcapng::kObsoletePacket;
}

std::string text(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}

// Up to the first interface or packet, so that callers know what they are about to get.
Result<void> PcapngReader::start() {
    while (interfaces_.empty()) {
        if (!SKEP_TRY(find_block()) || is_packet(block_type_)) return {};
        SKEP_TRY(read_other());
    }
    return {};
}

Result<bool> PcapngReader::next(Packet& packet) {
    for (;;) {
        if (!SKEP_TRY(find_block())) return false;
        if (is_packet(block_type_)) [[likely]] {
            SKEP_TRY(read_packet(SKEP_TRY(body()), packet));
            source_.consume(block_size_);
            ++packet_count_;
            return true;
        }
        SKEP_TRY(read_other());
    }
}

// Looks at the block at the cursor; false at the end of the file. A section header tells its byte
// order itself, before its length can be read.
Result<bool> PcapngReader::find_block() {
    item_offset_ = source_.offset();
    if (!source_.ensure(pcapng::kHeaderSize)) {
        if (source_.available() == 0 && source_.read_errno() == 0) return false;
        return cut_short("{} of a block header's 8 bytes", source_.available());
    }
    block_type_ = *order_.load<uint32_t>(source_.peek(4), 0);
    if (block_type_ == pcapng::kSectionHeader) [[unlikely]] {
        if (!source_.ensure(12)) return cut_short("a section header without byte order");
        const uint32_t magic = *load<uint32_t>(source_.peek(12), 8);
        if (magic != pcapng::kByteOrderMagic && swap_bytes(magic) != pcapng::kByteOrderMagic) {
            return bad_packet("a section header with byte-order magic {:#010x}", magic);
        }
        order_ = Order(magic != pcapng::kByteOrderMagic);
    }
    block_size_ = *order_.load<uint32_t>(source_.peek(8), 4);
    if (block_size_ < pcapng::kMinBlock || block_size_ % 4 != 0) [[unlikely]] {
        return bad_packet("a block of type {:#x} with a length of {}", block_type_, block_size_);
    }
    return true;
}

Result<ByteView> PcapngReader::body() {
    if (block_size_ > kMaxBlock) [[unlikely]] {
        return bad_packet("a block of type {:#x} with a length of {}, more than any can have",
                          block_type_, block_size_);
    }
    if (!source_.ensure(block_size_)) {
        return cut_short("{} of a block's {} bytes", source_.available(), block_size_);
    }
    const ByteView bytes = source_.peek(block_size_);
    SKEP_TRY(check_trailer(bytes.last(pcapng::kTrailerSize)));
    return bytes.subspan(pcapng::kHeaderSize, block_size_ - pcapng::kMinBlock);
}

Result<void> PcapngReader::read_other() {
    switch (block_type_) {
        case pcapng::kSectionHeader: SKEP_TRY(section_header(SKEP_TRY(body()))); break;
        case pcapng::kInterface: SKEP_TRY(interface_description(SKEP_TRY(body()))); break;
        case pcapng::kStatistics: SKEP_TRY(statistics(SKEP_TRY(body()))); break;
        default: return skip();
    }
    source_.consume(block_size_);
    return {};
}

Result<void> PcapngReader::skip() {
    const bool there = source_.skip(block_size_ - pcapng::kTrailerSize);
    if (!there || !source_.ensure(pcapng::kTrailerSize)) {
        return cut_short("a block of {} bytes", block_size_);
    }
    SKEP_TRY(check_trailer(source_.peek(pcapng::kTrailerSize)));
    source_.consume(pcapng::kTrailerSize);
    return {};
}

Result<void> PcapngReader::check_trailer(ByteView trailer) const {
    const uint32_t again = *order_.load<uint32_t>(trailer, 0);
    if (again == block_size_) [[likely]]
        return {};
    return bad_packet("a block of type {:#x} with a length of {} at its begin and {} at its end",
                      block_type_, block_size_, again);
}

Result<void> PcapngReader::section_header(ByteView body) {
    constexpr uint64_t kFixedSize = 16;
    if (body.size() < kFixedSize) return bad_packet("a section header of {} bytes", body.size());
    const uint16_t major = *order_.load<uint16_t>(body, 4);
    if (major != 1) {
        return bad_packet("pcapng version {}.{} is unknown (1 is known)", major,
                          *order_.load<uint16_t>(body, 6));
    }
    sources_.clear();
    first_interface_ = interfaces_.size();
    OptionCursor cursor(body.subspan(kFixedSize), order_);
    while (const auto option = cursor.next()) {
        if (option->code == pcapng::kComment) add_comment(comments_, option->value);
    }
    if (cursor.broken()) return bad_packet("a section header whose options overrun it");
    return {};
}

Result<void> PcapngReader::interface_description(ByteView body) {
    const auto link_type = order_.load<uint16_t>(body, 0);
    const auto snaplen = order_.load<uint32_t>(body, 4);
    if (!snaplen) return bad_packet("an interface description of {} bytes", body.size());
    if (interfaces_.size() == kMaxInterfaces) {
        return bad_packet("more than {} interfaces", kMaxInterfaces);
    }
    Interface interface = {.link_type = link_type_from_file(*link_type), .snaplen = *snaplen};
    Clock clock;
    OptionCursor cursor(body.subspan(8), order_);
    while (const auto option = cursor.next()) {
        SKEP_TRY(interface_option(*option, interface, clock));
    }
    if (cursor.broken()) return bad_packet("an interface description whose options overrun it");
    constexpr uint32_t kMaxInt = std::numeric_limits<int32_t>::max();
    const bool limited = *snaplen != 0 && *snaplen <= kMaxInt;
    sources_.push_back(
        {interface.link_type, limited ? *snaplen : max_packet_size(interface.link_type), clock});
    interfaces_.push_back(std::move(interface));
    return {};
}

void PcapngReader::add_comment(std::vector<std::string>& comments, ByteView comment) {
    if (comment_count_ == kMaxComments) return;
    ++comment_count_;
    comments.push_back(text(comment));
}

uint64_t power_of_ten(int exponent) {
    uint64_t power = 1;
    while (exponent-- > 0) power *= 10;
    return power;
}

Result<void> PcapngReader::interface_option(const Option& option, Interface& interface,
                                            Clock& clock) {
    const ByteView value = option.value;
    switch (option.code) {
        case pcapng::kComment: add_comment(interface.comments, value); break;
        case pcapng::kIfName: interface.name = text(value); break;
        case pcapng::kIfDescription: interface.description = text(value); break;
        case pcapng::kIfFilter:
            // One byte says what kind of filter; 0 is libpcap's expression.
            if (!value.empty() && value[0] == 0) interface.filter = text(value.subspan(1));
            break;
        case pcapng::kIfTsresol: {
            if (value.size() != 1) {
                return bad_packet("an interface whose time resolution is {} bytes", value.size());
            }
            const int exponent = value[0] & 0x7f;
            const bool binary = value[0] & 0x80;
            if (exponent > (binary ? 63 : 19)) {
                return bad_packet("an interface whose time resolution is {}^-{}", binary ? 2 : 10,
                                  exponent);
            }
            clock.multiplier = binary ? 1'000'000'000 : power_of_ten(9 - exponent);
            clock.divisor = binary ? 1 : power_of_ten(exponent - 9);
            clock.shift = binary ? static_cast<uint32_t>(exponent) : 0;
            break;
        }
        case pcapng::kIfTsoffset: {
            const auto seconds = order_.load<uint64_t>(value, 0);
            if (!seconds || value.size() != 8) {
                return bad_packet("an interface whose time offset is {} bytes", value.size());
            }
            clock.offset_ns =
                static_cast<Clock::Wide>(static_cast<int64_t>(*seconds)) * 1'000'000'000;
            break;
        }
        default: break;
    }
    return {};
}

Result<void> PcapngReader::statistics(ByteView body) {
    const auto index = order_.load<uint32_t>(body, 0);
    constexpr uint64_t kFixedSize = 12;
    if (!index || body.size() < kFixedSize) {
        return bad_packet("interface statistics of {} bytes", body.size());
    }
    if (*index >= sources_.size()) {
        return bad_packet("statistics of interface {}, which its section does not have", *index);
    }
    InterfaceStats stats;
    OptionCursor cursor(body.subspan(kFixedSize), order_);
    while (const auto option = cursor.next()) {
        const auto count = order_.load<uint64_t>(option->value, 0);
        switch (option->code) {
            case pcapng::kStatsReceived: stats.received = count; break;
            case pcapng::kStatsDroppedInterface: stats.dropped_interface = count; break;
            case pcapng::kStatsAccepted: stats.accepted = count; break;
            case pcapng::kStatsDroppedKernel: stats.dropped_kernel = count; break;
            case pcapng::kStatsDelivered: stats.delivered = count; break;
            default: break;
        }
    }
    interfaces_[first_interface_ + *index].stats = stats;
    return {};
}

Result<void> PcapngReader::read_packet(ByteView body, Packet& packet) {
    const uint32_t fixed_size = block_type_ == pcapng::kSimplePacket ? 4 : 20;
    if (body.size() < fixed_size) return bad_packet("a packet block of {} bytes", body.size());
    switch (block_type_) {
        case pcapng::kEnhancedPacket: return fill(enhanced_packet(body), body, packet);
        case pcapng::kObsoletePacket: return fill(obsolete_packet(body), body, packet);
        default: return fill(simple_packet(body), body, packet);
    }
}

PcapngReader::PacketFields PcapngReader::enhanced_packet(ByteView body) const {
    return {
        .interface = *order_.load<uint32_t>(body, 0),
        .ticks = uint64_t{*order_.load<uint32_t>(body, 4)} << 32 | *order_.load<uint32_t>(body, 8),
        .captured = *order_.load<uint32_t>(body, 12),
        .length = *order_.load<uint32_t>(body, 16),
        .data_offset = 20};
}

// The same but for its first word, which is the interface and how many packets were lost before.
PcapngReader::PacketFields PcapngReader::obsolete_packet(ByteView body) const {
    PacketFields fields = enhanced_packet(body);
    fields.interface = *order_.load<uint16_t>(body, 0);
    return fields;
}

// The first interface's, as long as its snap length allows, at no particular time.
PcapngReader::PacketFields PcapngReader::simple_packet(ByteView body) const {
    const uint32_t length = *order_.load<uint32_t>(body, 0);
    const uint32_t snaplen = sources_.empty() ? 0 : sources_[0].snaplen;
    return {.interface = 0,
            .ticks = 0,
            .captured = std::min(length, snaplen),
            .length = length,
            .data_offset = 4};
}

Result<void> PcapngReader::fill(const PacketFields& fields, ByteView body, Packet& packet) {
    if (fields.interface >= sources_.size()) [[unlikely]] {
        return bad_packet("it is of interface {}, which its section does not have",
                          fields.interface);
    }
    const size_t room = body.size() - fields.data_offset;
    if (fields.captured > room) [[unlikely]] {
        return bad_packet("a captured length of {} bytes in a block with room for {}",
                          fields.captured, room);
    }
    const PacketSource& source = sources_[fields.interface];
    packet.time_ns = source.clock.nanoseconds(fields.ticks);
    packet.data = body.subspan(fields.data_offset, std::min(fields.captured, source.snaplen));
    packet.length = fields.length;
    packet.interface = static_cast<uint32_t>(first_interface_) + fields.interface;
    packet.link_type = source.link_type;
    if (block_type_ == pcapng::kObsoletePacket) {
        const uint16_t drops = *order_.load<uint16_t>(body, 2);
        if (drops != 0xffff) interfaces_[packet.interface].drops += drops;  // 0xffff: unknown
    }
    const size_t end = fields.data_offset + align_up(fields.captured, 4);
    if (end < body.size() && block_type_ != pcapng::kSimplePacket) {
        packet.options = body.subspan(end);
        packet.big_endian = order_.swapped();
        packet_options(packet, interfaces_[packet.interface]);
    }
    return {};
}

void PcapngReader::packet_options(Packet& packet, Interface& interface) const {
    OptionCursor cursor(packet.options, order_);
    while (const auto option = cursor.next()) {
        if (option->code == pcapng::kPacketFlags) {
            const uint32_t flags = order_.load<uint32_t>(option->value, 0).value_or(0);
            const uint32_t direction = flags & pcapng::kFlagDirection;
            packet.direction = direction == pcapng::kFlagIn    ? Direction::In
                               : direction == pcapng::kFlagOut ? Direction::Out
                                                               : Direction::Unknown;
        } else if (option->code == pcapng::kPacketDropCount) {
            interface.drops += order_.load<uint64_t>(option->value, 0).value_or(0);
        }
    }
}

}  // namespace

std::vector<std::string_view> packet_comments(const Packet& packet) {
    std::vector<std::string_view> comments;
    OptionCursor cursor(packet.options, Order(packet.big_endian));
    while (const auto option = cursor.next()) {
        if (option->code != pcapng::kComment) continue;
        comments.emplace_back(reinterpret_cast<const char*>(option->value.data()),
                              option->value.size());
    }
    return comments;
}

std::unique_ptr<FormatReader> make_pcapng_reader(ByteSource source, std::string name) {
    return std::make_unique<PcapngReader>(std::move(source), std::move(name));
}

}  // namespace skep::packet
