// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "engine/jit/native_code.hpp"

// A linker for one kind of object: what the optimiser makes of one program. Code and constants
// become one piece that runs wherever it lies, so relocations may only be distances within it.
// Anything else is refused with its name: variables, symbols from outside, absolute addresses.

namespace skep::engine::jit {

struct Linked {
    Bytes bytes;
    std::vector<NativeCode::Function> functions;  ///< symbols skep_N, by N
    std::vector<NativeCode::Place> places;        ///< by the line table; ascending offsets
};
Result<Linked> link_object(ByteView elf);

}  // namespace skep::engine::jit
