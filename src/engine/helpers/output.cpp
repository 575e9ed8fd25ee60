// SPDX-License-Identifier: Apache-2.0
// Helpers that hand records to user space (ring buffers, perf events) and take samples from it.
// Sources: kernel/bpf/ringbuf.c, kernel/trace/bpf_trace.c, net/core/filter.c of Linux 6.18.

#include <linux/bpf.h>

#include <cerrno>

#include "engine/dynptr.hpp"
#include "engine/helpers.hpp"
#include "engine/prog.hpp"
#include "maps/perf_event_array.hpp"
#include "maps/ringbuf.hpp"

namespace skep::engine {
namespace {

template <typename T>
T* map_as(uint64_t map) {
    return reinterpret_cast<maps::Map*>(map)->as<T>();
}

std::span<const uint8_t> bytes(uint64_t address, uint64_t size) {
    return {reinterpret_cast<const uint8_t*>(address), size};
}

uint64_t ringbuf_output(Execution&, uint64_t map, uint64_t data, uint64_t size, uint64_t flags,
                        uint64_t) {
    auto* ring = map_as<maps::Ringbuf>(map);
    const void* from = reinterpret_cast<const void*>(data);
    return static_cast<uint64_t>(int64_t{ring->output(from, size, flags)});
}

uint64_t ringbuf_reserve(Execution& x, uint64_t map, uint64_t size, uint64_t flags, uint64_t,
                         uint64_t) {
    void* record = map_as<maps::Ringbuf>(map)->reserve(size, flags);
    if (record) x.memory().lend(record, size, true, Region::Kind::RingbufRecord);
    return reinterpret_cast<uint64_t>(record);
}

/// Ends a reservation, in whichever ring buffer it is; the program may have several.
void finish(Execution& x, uint64_t address, uint64_t flags, bool discard, int reg) {
    auto* record = reinterpret_cast<uint8_t*>(address);
    const bool ours = x.memory().take_back(record) || !x.checked();
    for (maps::Map* map : x.prog().maps()) {
        auto* ring = map ? map->as<maps::Ringbuf>() : nullptr;
        if (!ours || !ring) continue;
        if (discard ? ring->discard(record, flags) : ring->submit(record, flags)) return;
    }
    x.fault(Fault::Kind::BadArgument, "no reserved ring buffer record starts there", reg, address);
}

uint64_t ringbuf_submit(Execution& x, uint64_t record, uint64_t flags, uint64_t, uint64_t,
                        uint64_t) {
    finish(x, record, flags, false, 1);
    return 0;
}

uint64_t ringbuf_discard(Execution& x, uint64_t record, uint64_t flags, uint64_t, uint64_t,
                         uint64_t) {
    finish(x, record, flags, true, 1);
    return 0;
}

uint64_t ringbuf_query(Execution&, uint64_t map, uint64_t what, uint64_t, uint64_t, uint64_t) {
    return map_as<maps::Ringbuf>(map)->query(what);
}

uint64_t ringbuf_reserve_dynptr(Execution& x, uint64_t map, uint64_t size, uint64_t flags,
                                uint64_t to, uint64_t) {
    const auto length = static_cast<uint32_t>(size);
    Dynptr().store(to);
    if (flags) return errno_result(EINVAL);
    if (length > Dynptr::kMaxSize) return errno_result(E2BIG);
    const uint64_t record = ringbuf_reserve(x, map, length, 0, 0, 0);
    if (!record) return errno_result(EINVAL);
    Dynptr(Dynptr::Type::Ringbuf, record, length).store(to);
    return 0;
}

uint64_t finish_dynptr(Execution& x, uint64_t address, uint64_t flags, bool discard) {
    const Dynptr dynptr = Dynptr::load(address);
    if (dynptr.is_null()) return 0;  // it could not be reserved
    if (dynptr.type() != Dynptr::Type::Ringbuf)
        return x.fault(Fault::Kind::BadArgument, "the dynptr is not one of a ring buffer", 1,
                       address);
    finish(x, dynptr.data(), flags, discard, 1);
    Dynptr().store(address);
    return 0;
}

uint64_t ringbuf_submit_dynptr(Execution& x, uint64_t dynptr, uint64_t flags, uint64_t, uint64_t,
                               uint64_t) {
    return finish_dynptr(x, dynptr, flags, false);
}

uint64_t ringbuf_discard_dynptr(Execution& x, uint64_t dynptr, uint64_t flags, uint64_t, uint64_t,
                                uint64_t) {
    return finish_dynptr(x, dynptr, flags, true);
}

// A program on a packet may ask for the packet's first bytes behind its own record.
uint64_t perf_event_output(Execution& x, uint64_t, uint64_t map, uint64_t flags, uint64_t data,
                           uint64_t size) {
    const Event& event = x.event();
    const uint64_t allowed = BPF_F_INDEX_MASK | (event.packet ? uint64_t{BPF_F_CTXLEN_MASK} : 0);
    if (flags & ~allowed) return errno_result(EINVAL);
    const uint64_t from_packet = (flags & BPF_F_CTXLEN_MASK) >> 32;
    if (from_packet > static_cast<uint64_t>(event.data_end - event.data))
        return errno_result(EFAULT);
    return static_cast<uint64_t>(int64_t{map_as<maps::PerfEventArray>(map)->output(
        x.cpu(), bytes(data, size), flags & BPF_F_INDEX_MASK, {event.data, from_packet})});
}

uint64_t user_ringbuf_drain(Execution& x, uint64_t map, uint64_t function, uint64_t context,
                            uint64_t flags, uint64_t) {
    // The callback's dynptr is not on its stack, so it is lent like the sample itself.
    alignas(8) uint8_t handle[sizeof(Dynptr)];
    const auto handle_address = reinterpret_cast<uint64_t>(handle);
    const auto sample = [&](std::span<const uint8_t> bytes_of_sample) {
        auto* start = const_cast<uint8_t*>(bytes_of_sample.data());
        Dynptr(Dynptr::Type::Local, reinterpret_cast<uint64_t>(start),
               static_cast<uint32_t>(bytes_of_sample.size()))
            .store(handle_address);
        x.memory().lend(start, bytes_of_sample.size(), true);
        const uint64_t stop = x.call_back(function, handle_address, context);
        x.memory().take_back(start);
        return stop != 0 || x.faulted();
    };
    x.memory().lend(handle, sizeof handle, true);
    const int64_t drained = map_as<maps::UserRingbuf>(map)->drain(sample, flags);
    x.memory().take_back(handle);
    return static_cast<uint64_t>(drained);
}

constexpr HelperRow kRows[] = {
    {platform::HelperId::ringbuf_output, ringbuf_output},
    {platform::HelperId::ringbuf_reserve, ringbuf_reserve},
    {platform::HelperId::ringbuf_submit, ringbuf_submit},
    {platform::HelperId::ringbuf_discard, ringbuf_discard},
    {platform::HelperId::ringbuf_query, ringbuf_query},
    {platform::HelperId::ringbuf_reserve_dynptr, ringbuf_reserve_dynptr},
    {platform::HelperId::ringbuf_submit_dynptr, ringbuf_submit_dynptr},
    {platform::HelperId::ringbuf_discard_dynptr, ringbuf_discard_dynptr},
    {platform::HelperId::perf_event_output, perf_event_output},
    {platform::HelperId::user_ringbuf_drain, user_ringbuf_drain},
};

}  // namespace

std::span<const HelperRow> output_helpers() {
    return kRows;
}

}  // namespace skep::engine
