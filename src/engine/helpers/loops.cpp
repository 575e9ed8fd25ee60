// SPDX-License-Identifier: Apache-2.0
#include "engine/helpers.hpp"
#include "maps/map.hpp"
#include "platform/limits.hpp"

// Helpers that call a function of the program again and again.

namespace skep::engine {

namespace {

using platform::HelperId;

uint64_t loop(Execution& x, uint64_t iterations, uint64_t function, uint64_t context,
              uint64_t flags, uint64_t) {
    const auto count = uint32_t(iterations);
    if (flags != 0) return errno_result(EINVAL);
    if (count > platform::kMaxLoops) return errno_result(E2BIG);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t stop = x.call_back(function, i, context);
        if (x.faulted()) return 0;
        if (stop) return i + 1;
    }
    return count;
}

uint64_t for_each_map_elem(Execution& x, uint64_t map_value, uint64_t function, uint64_t context,
                           uint64_t flags, uint64_t) {
    auto* map = reinterpret_cast<maps::Map*>(map_value);
    // The key is the callback's to read, not part of its memory otherwise: it is lent, in a copy.
    const uint32_t key_size = map->def().key_size;
    Bytes key(key_size);
    x.memory().lend(key.data(), key_size, false);
    const int64_t visited = map->for_each(
        [&](const void* at, void* value) {
            std::memcpy(key.data(), at, key_size);
            const uint64_t stop =
                x.call_back(function, map_value, reinterpret_cast<uint64_t>(key.data()),
                            reinterpret_cast<uint64_t>(value), context);
            return stop != 0 || x.faulted();
        },
        flags, x.cpu());
    x.memory().take_back(key.data());
    return uint64_t(visited);
}

/// An op of its own in the interpreter; here so that the table of helpers is complete.
uint64_t tail_call(Execution& x, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) {
    return x.fault(Fault::Kind::BadCall, "bpf_tail_call cannot be called by register");
}

constexpr HelperRow kRows[] = {
    {HelperId::loop, loop},
    {HelperId::for_each_map_elem, for_each_map_elem},
    {HelperId::tail_call, tail_call},
};

}  // namespace

std::span<const HelperRow> loop_helpers() {
    return kRows;
}

}  // namespace skep::engine
