// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "object/spec.hpp"

// One small program, in the engine and in the running kernel (BPF_PROG_TEST_RUN, where root may):
// what both make of it has to be equal.
//
//     Case one{.text = "ld_pseudo r1, 0x2, 0 ; call strlen ; ..."};
//     one.memory = bytes_of("hello");
//     const Answer here = in_engine(one), there = in_kernel(one);
//
// Programs are raw tracepoints with two arrays of one value: map 0 (`memory`, which they may write)
// and map 1 (`constants`, frozen); `ld_pseudo rX, 0x2, MAP | OFFSET << 32` is an address there.
// `call NAME` is a helper (without bpf_) or a kernel function (with it).

namespace skep::helper_test {

inline constexpr size_t kMemorySize = 4096;

struct Case {
    std::string text;
    Bytes memory = {};     ///< padded with zeros to kMemorySize
    Bytes constants = {};  ///< likewise
};

struct Answer {
    bool refused = false;  ///< not loaded, or stopped by a fault
    uint64_t r0 = 0;       ///< 32 bits of it
    Bytes memory = {};     ///< afterwards
    std::string why = {};  ///< it was refused

    uint64_t word(size_t offset) const { return load<uint64_t>(memory, offset).value_or(0); }
    std::string string(size_t offset) const {
        return std::string(load_string(memory, offset).value_or("(no end)"));
    }
};

/// "ld_pseudo r3, 0x2, ...": the address of a byte of map 0 or 1.
std::string address_of(int reg, uint32_t map, uint64_t offset);

Answer in_engine(const Case& one);
Answer in_kernel(const Case& one);

/// Why there can be no in_kernel() here, or nothing.
std::optional<std::string> why_no_kernel();

}  // namespace skep::helper_test
