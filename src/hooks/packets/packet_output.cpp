// SPDX-License-Identifier: Apache-2.0
#include "hooks/packets/packet_output.hpp"

#include <algorithm>

#include "packet/link.hpp"

namespace skep::hooks {

namespace {

packet::CaptureFormat format_for(const std::string& path, const PacketSource& source) {
    if (path.ends_with(".pcap")) return packet::CaptureFormat::Pcap;
    if (path.ends_with(".pcapng")) return packet::CaptureFormat::Pcapng;
    return source.format();
}

}  // namespace

Result<PacketOutput> PacketOutput::create(const std::string& path, const PacketSource& source) {
    auto writer = SKEP_TRY(packet::CaptureWriter::create(path, format_for(path, source)));
    PacketOutput output(std::move(writer), source);
    // A file without packets says still what it would have held.
    for (uint32_t i = 0; i < source.interfaces().size(); ++i) {
        (void)SKEP_TRY(output.interface_of({.interface = i}));
    }
    return output;
}

// Interfaces may come between packets, and each must be there before its first packet.
Result<uint32_t> PacketOutput::interface_of(const packet::Packet& packet) {
    if (packet.interface >= interfaces_.size()) interfaces_.resize(packet.interface + 1);
    auto& number = interfaces_[packet.interface];
    if (!number) {
        packet::Interface interface = source_->interfaces()[packet.interface];
        interface.snaplen = 0;  // programs may have made packets longer
        number = SKEP_TRY(writer_.add_interface(interface));
    }
    return *number;
}

Result<bool> PacketOutput::write(const packet::Packet& packet, ByteView original, ByteView frame,
                                 std::string_view comment) {
    packet::Packet out = packet;
    out.interface = SKEP_TRY(interface_of(packet));
    if (!std::ranges::equal(frame, original)) {
        const auto view = packet::original_view(packet.link_type, frame, packet.data);
        if (!view) {
            problem_ = view.error().message;
            return false;
        }
        buffer_.clear();
        append(buffer_, view->head());
        append(buffer_, view->rest);
        out.data = buffer_;
        const uint64_t missing =
            packet.length > packet.data.size() ? packet.length - packet.data.size() : 0;
        out.length = static_cast<uint32_t>(buffer_.size() + missing);
    }
    SKEP_TRY(writer_.write(out, comment));
    return true;
}

Result<void> PacketOutput::close() {
    return writer_.close();
}

}  // namespace skep::hooks
