// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hooks/packets/packet_source.hpp"
#include "packet/capture_writer.hpp"

namespace skep::hooks {

// Writes what a program has let live back to a capture, in the link type that it came in.
//
//     auto output = SKEP_TRY(PacketOutput::create("out.pcap", source));
//     SKEP_TRY(output.write(packet, frame, "XDP_TX"));
//
// A truncated packet stays truncated: what its capture lacks counts towards its length.
class PacketOutput {
  public:
    static Result<PacketOutput> create(const std::string& path, const PacketSource& source);

    /// False where the link type cannot hold the frame; problem() then says why.
    Result<bool> write(const packet::Packet& packet, ByteView original, ByteView frame,
                       std::string_view comment);
    const std::string& problem() const { return problem_; }
    Result<void> close();

  private:
    PacketOutput(packet::CaptureWriter writer, const PacketSource& source)
        : writer_(std::move(writer)), source_(&source) {}
    Result<uint32_t> interface_of(const packet::Packet& packet);

    packet::CaptureWriter writer_;
    const PacketSource* source_;
    std::vector<std::optional<uint32_t>> interfaces_;  // of the source, as the writer numbers them
    std::string problem_;
    Bytes buffer_;
};

}  // namespace skep::hooks
