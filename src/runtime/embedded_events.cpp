// SPDX-License-Identifier: Apache-2.0
#include "runtime/embedded_events.hpp"

#include "maps/perf_event_array.hpp"
#include "maps/ringbuf.hpp"

namespace skep::runtime {

EmbeddedEvents::EmbeddedEvents(std::shared_ptr<LoadedObject> object, RecordSink sink)
    : object_(std::move(object)), sink_(std::move(sink)) {
    for (const auto& map : object_->object->maps())
        if (map && (map->as<maps::Ringbuf>() || map->as<maps::PerfEventArray>()))
            outputs_.push_back(map.get());
}

void EmbeddedEvents::connect(maps::Map& map, const std::shared_ptr<Wakeup>& wakeup) {
    const auto ring = [wakeup] { wakeup->ring(); };
    if (auto* buffer = map.as<maps::Ringbuf>()) buffer->on_wakeup(ring);
    if (auto* perf = map.as<maps::PerfEventArray>()) perf->on_wakeup(ring);
}

size_t EmbeddedEvents::consume() {
    size_t count = 0;
    for (maps::Map* map : outputs_) {
        const std::string_view name = map->def().name;
        if (auto* ring = map->as<maps::Ringbuf>())
            count += ring->consume([&](std::span<const uint8_t> bytes) {
                sink_({name, bytes, 0});
                return false;
            });
        else
            count += map->as<maps::PerfEventArray>()->consume(
                [&](uint32_t cpu, std::span<const uint8_t> bytes) {
                    sink_({name, bytes, cpu});
                    return false;
                });
    }
    return count;
}

Result<size_t> EmbeddedEvents::poll(std::chrono::milliseconds timeout) {
    object_->wakeup->reset();
    if (const size_t count = consume(); count != 0 || timeout.count() == 0) return count;
    object_->wakeup->wait(timeout);
    return consume();
}

uint64_t EmbeddedEvents::lost() const {
    uint64_t lost = 0;
    for (const maps::Map* map : outputs_) {
        if (const auto* ring = map->as<maps::Ringbuf>()) lost += ring->lost();
        if (const auto* perf = map->as<maps::PerfEventArray>()) lost += perf->lost();
    }
    return lost;
}

}  // namespace skep::runtime
