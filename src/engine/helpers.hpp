// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "engine/execution.hpp"
#include "platform/embedded.hpp"
#include "platform/helpers.hpp"

// Helpers and kernel functions of the embedded engine. Each family of them is one file in helpers/,
// which ends in its table:
//
//     uint64_t map_lookup_elem(Execution& x, uint64_t map, uint64_t key, uint64_t, uint64_t,
//                              uint64_t);
//     constexpr HelperRow kRows[] = {{HelperId::map_lookup_elem, map_lookup_elem}, ...};
//     std::span<const HelperRow> map_helpers() { return kRows; }
//
// What the verifier proves of arguments, and what the checked interpreter tests before each call,
// comes from the prototypes in platform/: pointers to memory have the size that the prototype says,
// maps are maps, sizes are in range. A helper tests only what its prototype cannot say, and what
// the kernel's implementation tests at run time; it returns what the kernel returns. Where program
// types have different implementations behind one number (perf_event_output, get_socket_cookie),
// the helper looks at the event.

namespace skep::engine {

using HelperFn = uint64_t (*)(Execution& x, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4,
                              uint64_t r5);

struct HelperRow {
    platform::HelperId id;
    HelperFn fn;
};

/// Null for a helper that the engine lacks: exactly those outside platform/embedded_helpers.def.
HelperFn helper_fn(platform::HelperId id);

struct KfuncRow {
    platform::KfuncId id;
    HelperFn fn;
};
HelperFn kfunc_fn(platform::KfuncId id);

// The families, by file in helpers/.
std::span<const HelperRow> map_helpers();      ///< maps.cpp: maps, storage, spin locks, kptrs
std::span<const HelperRow> loop_helpers();     ///< loops.cpp: bpf_loop, iteration over maps
std::span<const HelperRow> timer_helpers();    ///< timers.cpp
std::span<const HelperRow> time_helpers();     ///< time.cpp: time, chance, place
std::span<const HelperRow> text_helpers();     ///< text.cpp: printk, snprintf, strtol, strncmp
std::span<const HelperRow> probe_helpers();    ///< probe.cpp: memory of the process and the kernel
std::span<const HelperRow> current_helpers();  ///< current.cpp: who is running
std::span<const HelperRow> output_helpers();   ///< output.cpp: ring buffers, perf events
std::span<const HelperRow> dynptr_helpers();   ///< dynptr.cpp
std::span<const HelperRow> packet_helpers();   ///< packet.cpp: skb and xdp, checksums, redirects
std::span<const KfuncRow> kfuncs();            ///< kfuncs.cpp: iterators, dynptr slices, strings

inline uint64_t errno_result(int error) {
    return static_cast<uint64_t>(static_cast<int64_t>(-error));
}

}  // namespace skep::engine
