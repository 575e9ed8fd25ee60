// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "hooks/packets/packet_run.hpp"
#include "packet/capture.hpp"

// What capture files and interfaces have in common, and the loop over it.

namespace skep::hooks {

class PacketSource {
  public:
    virtual ~PacketSource() = default;
    /// Nothing at the end, or where `stop` of the options has come true while waiting; what waits
    /// runs their timers meanwhile. A packet is valid until the next call.
    virtual Result<std::optional<packet::Packet>> next(const RunOptions& options) = 0;
    virtual const std::vector<packet::Interface>& interfaces() const = 0;
    virtual packet::CaptureFormat format() const = 0;
};

Result<void> run_packets(PacketRunner& runner, PacketSource& source, const RunOptions& options,
                         const PacketSink& sink, PacketStats& stats);

}  // namespace skep::hooks
