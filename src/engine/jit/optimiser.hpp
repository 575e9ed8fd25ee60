// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/ops.hpp"
#include "engine/run_state.hpp"

// What the engine and the optimiser's module (src/optimiser) say to each other. The module is
// loaded when it is first needed, and has no state of the engine's: what goes in is plain data, and
// what comes out is an ELF object in which `skep_N` is the function that begins at instruction N:
//
//     uint64_t skep_0(RunState* state, uint64_t r1, ..., uint64_t r5);
//
// It refers to nothing outside, for addresses of the engine's functions are numbers in it.

namespace skep::engine::jit {

/// A lookup in an array that is known beforehand, as ArrayMap has it.
struct ArrayLookup {
    uint32_t insn = 0;
    uint32_t entries = 0;
    uint64_t base = 0;
    uint64_t stride = 0;
    uint64_t cpu_stride = 0;  ///< 0: not per CPU
};

struct OptimiserInput {
    static constexpr uint32_t kVersion = 1;

    // Of one build with the engine, or nothing is done.
    uint32_t version = kVersion;
    uint32_t opcodes = kOpCodes;
    size_t state_size = sizeof(RunState);

    std::span<const Op> ops = {};
    const Op* base = nullptr;                   ///< what function pointers among them count from
    std::span<const uint64_t> calls = {};       ///< the functions that calls refer to
    std::span<const uint8_t> regions = {};      ///< verifier::Region of each access
    std::span<const ArrayLookup> lookups = {};  ///< ascending

    // Of NativeRun, and Trampoline::stop.
    uint64_t step = 0, probe_load = 0, tail_call = 0, out_of_budget = 0, too_deep = 0, stop = 0;
};

/// One of the two is called, once.
struct OptimiserOutput {
    void* context = nullptr;
    void (*object)(void* context, const uint8_t* bytes, size_t size) = nullptr;
    void (*refused)(void* context, const char* why) = nullptr;
};

/// The module's only symbol. Any number of threads.
inline constexpr const char* kOptimise = "skep_optimise";
using Optimise = void(const OptimiserInput& input, const OptimiserOutput& output);

}  // namespace skep::engine::jit
