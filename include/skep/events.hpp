// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "skep/result.hpp"

// What programs hand to user space through ring buffers and perf event arrays:
//
//     skep::Events events = SKEP_TRY(object.events([](const skep::Record& record) {
//         const auto* event = reinterpret_cast<const my_event*>(record.bytes.data());
//         ...
//     }));
//     while (!stop) SKEP_TRY(events.poll(std::chrono::milliseconds(100)));
//     if (events.lost()) complain(events.lost());
//
// Of all such maps of an object. Open it before programs are attached, so that nothing fills up.
// Thread-safety: one thread at a time; the sink is called on the thread that polls. bpf_printk() is
// RuntimeOptions::printk.

namespace skep {

namespace runtime {
class EventsBackend;
}

struct Record {
    std::string_view map;            ///< its name
    std::span<const uint8_t> bytes;  ///< valid during the call
    uint32_t cpu = 0;                ///< whose buffer it was, of a perf event array
};

using RecordSink = std::function<void(const Record& record)>;

class Events {
  public:
    Events(Events&&) noexcept;
    Events& operator=(Events&&) noexcept;
    ~Events();

    /// Hands over what there is; where there is nothing, waits for the first record at most this
    /// long (zero: not at all). Returns how many records it handed over. A signal ends the wait.
    Result<size_t> poll(std::chrono::milliseconds timeout);

    /// Records for which there was no room, as far as the place counts them: in the kernel those of
    /// perf event arrays, and of ring buffers what the program has counted itself in a variable
    /// that is marked for it (SKEP_LOST() of bpf/include/skep.h), as the kernel does not.
    uint64_t lost() const;

    explicit Events(std::unique_ptr<runtime::EventsBackend> backend);

  private:
    std::unique_ptr<runtime::EventsBackend> backend_;
};

}  // namespace skep
