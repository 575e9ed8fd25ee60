// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "engine/object.hpp"
#include "skep/runtime.hpp"

// What maps hold at the end of a run, shown through the object's BTF. Elements come in the order of
// their keys. A queue or stack is emptied by looking at it.

namespace skep::cli {

/// The map as a table: "packets (percpu_hash): 4 of 16 elements", then keys and values. Numbers of
/// per-CPU maps are added up; other values are a row for each CPU. What is all zero is left out of
/// arrays and of per-CPU values.
std::string map_text(const engine::Object& object, size_t index);

/// [{"key":...,"value":...}, ...]: all elements. Values of per-CPU maps are arrays, one a CPU; what
/// BTF does not describe is hex. A map without elements of its own (a ring buffer) is [].
void map_json(const engine::Object& object, size_t index, JsonWriter& json);

/// The same of a map of the runtime, by the name that its spec has.
std::string map_text(const object::MapSpec& spec, const btf::Btf* btf, const Object& object);
void map_json(const object::MapSpec& spec, const btf::Btf* btf, const Object& object,
              JsonWriter& json);

}  // namespace skep::cli
