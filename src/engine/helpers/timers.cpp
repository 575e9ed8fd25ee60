// SPDX-License-Identifier: Apache-2.0
// Helpers on timers (timers.hpp).

#include "engine/timers.hpp"

#include "engine/helpers.hpp"
#include "engine/prog.hpp"

namespace skep::engine {
namespace {

uint64_t result(int value) {
    return static_cast<uint64_t>(int64_t{value});
}

uint64_t timer_init(Execution& x, uint64_t timer, uint64_t map_address, uint64_t flags, uint64_t,
                    uint64_t) {
    auto* map = reinterpret_cast<maps::Map*>(map_address);
    const auto offset = map->def().timer_offset;
    const auto value = map->value_at(reinterpret_cast<const void*>(timer), maps::kTimerSize);
    if (!offset || value.empty() || reinterpret_cast<uint64_t>(value.data()) + *offset != timer)
        return x.fault(Fault::Kind::BadArgument,
                       "the timer is not in a value of map '" + map->def().name + "'", 1, timer);
    return result(x.prog().timers().init(*map, value.data(), timer, flags));
}

uint64_t timer_set_callback(Execution& x, uint64_t timer, uint64_t function, uint64_t, uint64_t,
                            uint64_t) {
    return result(x.prog().timers().set_callback(timer, x.prog(), function));
}

uint64_t timer_start(Execution& x, uint64_t timer, uint64_t nanoseconds, uint64_t flags, uint64_t,
                     uint64_t) {
    return result(x.prog().timers().start(timer, nanoseconds, flags));
}

uint64_t timer_cancel(Execution& x, uint64_t timer, uint64_t, uint64_t, uint64_t, uint64_t) {
    return result(x.prog().timers().cancel(x, timer));
}

constexpr HelperRow kRows[] = {
    {platform::HelperId::timer_init, timer_init},
    {platform::HelperId::timer_set_callback, timer_set_callback},
    {platform::HelperId::timer_start, timer_start},
    {platform::HelperId::timer_cancel, timer_cancel},
};

}  // namespace

std::span<const HelperRow> timer_helpers() {
    return kRows;
}

}  // namespace skep::engine
