// SPDX-License-Identifier: Apache-2.0
#include "kernel/events.hpp"

#include <bpf/libbpf.h>

#include <cerrno>

#include "base/text.hpp"
#include "kernel/log.hpp"

namespace skep::kernel {

namespace {

int on_ring_record(void* context, void* data, size_t size) {
    (*static_cast<OnRecord*>(context))(ByteView(static_cast<const uint8_t*>(data), size));
    return 0;
}

Error buffer_error(const Map& map, const LogCapture& log) {
    const int error_number = errno;
    Error error =
        sys_error(fmt::format("events of map '{}'", printable(map.info().name)), error_number);
    error.hint = log.last_warning();
    return error;
}

/// libbpf gives how many, or -errno; a signal is no failure.
Result<uint64_t> counted(int result) {
    if (result >= 0) return static_cast<uint64_t>(result);
    if (result == -EINTR) return uint64_t{0};
    return std::unexpected(sys_error("reading events", -result));
}

}  // namespace

void RingBuffer::Free::operator()(ring_buffer* ring) const {
    ring_buffer__free(ring);
}

Result<RingBuffer> RingBuffer::open(const Map& map, OnRecord on_record) {
    RingBuffer events;
    LogCapture log;
    events.callbacks_.push_back(std::make_unique<OnRecord>(std::move(on_record)));
    events.ring_.reset(
        ring_buffer__new(map.fd(), on_ring_record, events.callbacks_.back().get(), nullptr));
    if (!events.ring_) return std::unexpected(buffer_error(map, log));
    return events;
}

Result<void> RingBuffer::add(const Map& map, OnRecord on_record) {
    LogCapture log;
    callbacks_.push_back(std::make_unique<OnRecord>(std::move(on_record)));
    if (ring_buffer__add(ring_.get(), map.fd(), on_ring_record, callbacks_.back().get()) == 0)
        return {};
    return std::unexpected(buffer_error(map, log));
}

Result<uint64_t> RingBuffer::poll(int milliseconds) {
    return counted(ring_buffer__poll(ring_.get(), milliseconds));
}

Result<uint64_t> RingBuffer::consume() {
    return counted(ring_buffer__consume(ring_.get()));
}

int RingBuffer::fd() const {
    return ring_buffer__epoll_fd(ring_.get());
}

void PerfBuffer::Free::operator()(perf_buffer* buffer) const {
    perf_buffer__free(buffer);
}

Result<PerfBuffer> PerfBuffer::open(const Map& map, OnSample on_sample, uint32_t pages) {
    PerfBuffer events;
    events.state_ = std::make_unique<State>(State{.on_sample = std::move(on_sample)});
    LogCapture log;
    events.buffer_.reset(perf_buffer__new(
        map.fd(), pages,
        [](void* context, int cpu, void* data, __u32 size) {
            auto* state = static_cast<State*>(context);
            state->seen++;
            state->on_sample(ByteView(static_cast<const uint8_t*>(data), size),
                             static_cast<uint32_t>(cpu));
        },
        [](void* context, int, __u64 count) { static_cast<State*>(context)->lost += count; },
        events.state_.get(), nullptr));
    if (!events.buffer_) return std::unexpected(buffer_error(map, log));
    return events;
}

Result<uint64_t> PerfBuffer::poll(int milliseconds) {
    // libbpf counts buffers here, not records.
    const uint64_t before = state_->seen;
    (void)SKEP_TRY(counted(perf_buffer__poll(buffer_.get(), milliseconds)));
    return state_->seen - before;
}

Result<uint64_t> PerfBuffer::consume() {
    const uint64_t before = state_->seen;
    (void)SKEP_TRY(counted(perf_buffer__consume(buffer_.get())));
    return state_->seen - before;
}

int PerfBuffer::fd() const {
    return perf_buffer__epoll_fd(buffer_.get());
}

}  // namespace skep::kernel
