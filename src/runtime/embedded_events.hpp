// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/backend.hpp"
#include "runtime/embedded_state.hpp"

namespace skep::runtime {

/// Consumes the ring buffers and perf event arrays of an object of the engine.
class EmbeddedEvents final : public EventsBackend {
  public:
    EmbeddedEvents(std::shared_ptr<LoadedObject> object, RecordSink sink);
    Result<size_t> poll(std::chrono::milliseconds timeout) override;
    uint64_t lost() const override;

    /// What programs ring when they write to such a map. Before any of them runs.
    static void connect(maps::Map& map, const std::shared_ptr<Wakeup>& wakeup);

  private:
    size_t consume();

    std::shared_ptr<LoadedObject> object_;
    RecordSink sink_;
    std::vector<maps::Map*> outputs_;
};

}  // namespace skep::runtime
