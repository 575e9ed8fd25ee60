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
        Wide ns = static_cast<Wide>(ticks) * multiplier >> shift;
        if (divisor != 1) ns /= divisor;
        ns += offset_ns;
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
    Result<std::optional<Packet>> next() override;
    CaptureFormat format() const override { return CaptureFormat::Pcapng; }

  private:
    struct BlockHeader {
        uint32_t type;
        uint32_t size;
    };
    struct PacketFields {
        uint32_t interface;
        uint64_t ticks;
        uint32_t captured;
        uint32_t length;
        uint32_t data_offset;
        uint64_t drops;
    };

    Result<std::optional<BlockHeader>> block_header();
    Result<ByteView> body(const BlockHeader& block);
    Result<void> skip(const BlockHeader& block);
    Result<void> read_other(const BlockHeader& block);

    Result<void> section_header(ByteView body);
    Result<void> interface_description(ByteView body);
    Result<void> interface_option(const Option& option, Interface& interface, Clock& clock);
    void add_comment(std::vector<std::string>& comments, ByteView comment);
    Result<void> statistics(ByteView body);

    Result<Packet> packet(uint32_t type, ByteView body);
    std::optional<PacketFields> enhanced_packet(ByteView body) const;
    std::optional<PacketFields> obsolete_packet(ByteView body) const;
    std::optional<PacketFields> simple_packet(ByteView body) const;
    void packet_options(Packet& packet, Interface& interface) const;

    Order order_{false};
    std::vector<PacketSource> sources_;  // of this section
    size_t comment_count_ = 0;
    size_t first_interface_ = 0;  // of this section, in interfaces_
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
        const auto block = SKEP_TRY(block_header());
        if (!block || is_packet(block->type)) return {};
        SKEP_TRY(read_other(*block));
    }
    return {};
}

Result<std::optional<Packet>> PcapngReader::next() {
    for (;;) {
        const auto block = SKEP_TRY(block_header());
        if (!block) return std::nullopt;
        if (!is_packet(block->type)) [[unlikely]] {
            SKEP_TRY(read_other(*block));
            continue;
        }
        const ByteView bytes = SKEP_TRY(body(*block));
        Packet result = SKEP_TRY(packet(block->type, bytes));
        source_.consume(block->size);
        ++packet_count_;
        return result;
    }
}

// Looks at the block at the cursor; nothing at the end of the file. A section header tells its byte
// order itself, before its length can be read.
Result<std::optional<PcapngReader::BlockHeader>> PcapngReader::block_header() {
    if (!source_.ensure(pcapng::kHeaderSize)) {
        if (source_.available() == 0 && source_.read_errno() == 0) return std::nullopt;
        return cut_short("{} of a block header's 8 bytes", source_.available());
    }
    const uint32_t type = *order_.load<uint32_t>(source_.peek(4), 0);
    if (type == pcapng::kSectionHeader) [[unlikely]] {
        if (!source_.ensure(12)) return cut_short("a section header without byte order");
        const uint32_t magic = *load<uint32_t>(source_.peek(12), 8);
        if (magic != pcapng::kByteOrderMagic && swap_bytes(magic) != pcapng::kByteOrderMagic) {
            return bad_packet("a section header with byte-order magic {:#010x}", magic);
        }
        order_ = Order(magic != pcapng::kByteOrderMagic);
    }
    const uint32_t size = *order_.load<uint32_t>(source_.peek(8), 4);
    if (size < pcapng::kMinBlock || size % 4 != 0) [[unlikely]] {
        return bad_packet("a block of type {:#x} with a length of {}", type, size);
    }
    return BlockHeader{type, size};
}

Result<ByteView> PcapngReader::body(const BlockHeader& block) {
    if (block.size > kMaxBlock) [[unlikely]] {
        return bad_packet("a block of type {:#x} with a length of {}, more than any can have",
                          block.type, block.size);
    }
    if (!source_.ensure(block.size)) {
        return cut_short("{} of a block's {} bytes", source_.available(), block.size);
    }
    const ByteView bytes = source_.peek(block.size);
    const uint32_t again = *order_.load<uint32_t>(bytes, block.size - pcapng::kTrailerSize);
    if (again != block.size) [[unlikely]] {
        return bad_packet(
            "a block of type {:#x} with a length of {} at its begin and {} at its end", block.type,
            block.size, again);
    }
    return bytes.subspan(pcapng::kHeaderSize, block.size - pcapng::kMinBlock);
}

Result<void> PcapngReader::read_other(const BlockHeader& block) {
    switch (block.type) {
        case pcapng::kSectionHeader: SKEP_TRY(section_header(SKEP_TRY(body(block)))); break;
        case pcapng::kInterface: SKEP_TRY(interface_description(SKEP_TRY(body(block)))); break;
        case pcapng::kStatistics: SKEP_TRY(statistics(SKEP_TRY(body(block)))); break;
        default: return skip(block);
    }
    source_.consume(block.size);
    return {};
}

Result<void> PcapngReader::skip(const BlockHeader& block) {
    if (!source_.skip(block.size)) return cut_short("a block of {} bytes", block.size);
    return {};
}

Result<void> PcapngReader::section_header(ByteView body) {
    const auto major = order_.load<uint16_t>(body, 4);
    const auto minor = order_.load<uint16_t>(body, 6);
    constexpr uint64_t kFixedSize = 16;
    const auto options =
        body.size() >= kFixedSize ? std::optional(body.subspan(kFixedSize)) : std::nullopt;
    if (!options) return bad_packet("a section header of {} bytes", body.size());
    if (*major != 1)
        return bad_packet("pcapng version {}.{} is unknown (1 is known)", *major, *minor);
    sources_.clear();
    first_interface_ = interfaces_.size();
    OptionCursor cursor(*options, order_);
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
            const auto resolution = value.size() == 1 ? value[0] : uint8_t{0xff};
            const int exponent = resolution & 0x7f;
            const bool binary = resolution & 0x80;
            if (exponent > (binary ? 63 : 19)) {
                return bad_packet("an interface whose time resolution is {} bytes, {:#04x}",
                                  value.size(), resolution);
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

std::optional<PcapngReader::PacketFields> PcapngReader::enhanced_packet(ByteView body) const {
    const auto length = order_.load<uint32_t>(body, 16);
    if (!length) return std::nullopt;
    return PacketFields{
        .interface = *order_.load<uint32_t>(body, 0),
        .ticks = uint64_t{*order_.load<uint32_t>(body, 4)} << 32 | *order_.load<uint32_t>(body, 8),
        .captured = *order_.load<uint32_t>(body, 12),
        .length = *length,
        .data_offset = 20,
        .drops = 0};
}

std::optional<PcapngReader::PacketFields> PcapngReader::obsolete_packet(ByteView body) const {
    auto fields = enhanced_packet(body);
    if (!fields) return std::nullopt;
    fields->interface = *order_.load<uint16_t>(body, 0);
    const uint16_t drops = *order_.load<uint16_t>(body, 2);
    fields->drops = drops == 0xffff ? 0 : drops;  // 0xffff: unknown
    return fields;
}

// The first interface's, as long as its snap length allows, at no particular time.
std::optional<PcapngReader::PacketFields> PcapngReader::simple_packet(ByteView body) const {
    const auto length = order_.load<uint32_t>(body, 0);
    if (!length) return std::nullopt;
    const uint32_t snaplen = sources_.empty() ? 0 : sources_[0].snaplen;
    return PacketFields{.interface = 0,
                        .ticks = 0,
                        .captured = std::min(*length, snaplen),
                        .length = *length,
                        .data_offset = 4,
                        .drops = 0};
}

Result<Packet> PcapngReader::packet(uint32_t type, ByteView body) {
    const auto fields = type == pcapng::kEnhancedPacket   ? enhanced_packet(body)
                        : type == pcapng::kObsoletePacket ? obsolete_packet(body)
                                                          : simple_packet(body);
    if (!fields) return bad_packet("a packet block of {} bytes", body.size());
    if (fields->interface >= sources_.size()) [[unlikely]] {
        return bad_packet("it is of interface {}, which its section does not have",
                          fields->interface);
    }
    const auto data = slice(body, fields->data_offset, fields->captured);
    if (!data) [[unlikely]] {
        return bad_packet("a captured length of {} bytes in a block with room for {}",
                          fields->captured, body.size() - fields->data_offset);
    }
    const PacketSource& source = sources_[fields->interface];
    const size_t end = fields->data_offset + align_up(fields->captured, 4);
    Packet packet = {
        .time_ns = source.clock.nanoseconds(fields->ticks),
        .data = data->first(std::min<size_t>(data->size(), source.snaplen)),
        .length = fields->length,
        .interface = static_cast<uint32_t>(first_interface_ + fields->interface),
        .link_type = source.link_type,
        .big_endian = order_.swapped(),
    };
    Interface& interface = interfaces_[packet.interface];
    interface.drops += fields->drops;
    if (type != pcapng::kSimplePacket && end < body.size()) {
        packet.options = body.subspan(end);
        packet_options(packet, interface);
    }
    return packet;
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
