// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "engine/object.hpp"

// What maps hold at the end of a run, shown through the object's BTF. Elements come in the order of
// their keys. A queue or stack is emptied by looking at it.

namespace skep::cli {

/// The map as a table: "MAP packets: percpu_hash, 4 of 16", then keys and values. Values of per-CPU
/// maps that are numbers are added up. Elements of arrays that are all zero are left out.
std::string map_text(const engine::Object& object, size_t index);

/// [{"key":...,"value":...}, ...]: all elements. Values of per-CPU maps are arrays, one a CPU; what
/// BTF does not describe is hex. A map without elements of its own (a ring buffer) is [].
void map_json(const engine::Object& object, size_t index, JsonWriter& json);

}  // namespace skep::cli
