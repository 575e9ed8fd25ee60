// SPDX-License-Identifier: Apache-2.0
// Helpers for time, chance and place.

#include <sched.h>

#include "engine/helpers.hpp"
#include "platform/platform.hpp"

namespace skep::engine {
namespace {

template <Clock which>
uint64_t clock_ns(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.env().now(which);
}

// The kernel's count of timer ticks starts so that its low half overflows after five minutes
// (INITIAL_JIFFIES).
uint64_t jiffies64(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    constexpr uint64_t kHz = platform::kEmbeddedHz;
    constexpr uint64_t kAtBoot = static_cast<uint32_t>(-300 * static_cast<int64_t>(kHz));
    return kAtBoot + x.env().now(Clock::Monotonic) / (1'000'000'000 / kHz);
}

uint64_t get_prandom_u32(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.random();
}

// The slot of per-CPU maps, not the CPU below: what programs index with it are these maps.
uint64_t get_smp_processor_id(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.cpu();
}

uint64_t get_numa_node_id(Execution&, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    unsigned node = 0;
    getcpu(nullptr, &node);
    return node;
}

constexpr HelperRow kRows[] = {
    {platform::HelperId::ktime_get_ns, clock_ns<Clock::Monotonic>},
    {platform::HelperId::ktime_get_boot_ns, clock_ns<Clock::Boot>},
    {platform::HelperId::ktime_get_tai_ns, clock_ns<Clock::Tai>},
    {platform::HelperId::ktime_get_coarse_ns, clock_ns<Clock::Coarse>},
    {platform::HelperId::jiffies64, jiffies64},
    {platform::HelperId::get_prandom_u32, get_prandom_u32},
    {platform::HelperId::get_smp_processor_id, get_smp_processor_id},
    {platform::HelperId::get_numa_node_id, get_numa_node_id},
};

}  // namespace

std::span<const HelperRow> time_helpers() {
    return kRows;
}

}  // namespace skep::engine
