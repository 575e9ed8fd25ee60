// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/json.hpp"
#include "object/spec.hpp"

// What is in an object, for people and for scripts.
//
//     fmt::print("{}", inspect_text(object, kernel_btf.get()));
//
// With `target`, the types of where it would run, each CO-RE relocation also shows what it becomes
// there; without, only what it says in the object. Pure: nothing is looked up on the machine.

namespace skep::object {

/// Tables: programs, maps, global variables, externs, references, CO-RE relocations, types. A part
/// that the object does not have is left out.
std::string inspect_text(const ObjectSpec& object, const btf::Btf* target = nullptr);

/// One JSON object with the same, complete:
/// {"name","license","gpl_compatible","kernel_version","programs":[...],"maps":[...],
///  "externs":[...],"types":{"count",...}}
void inspect_json(const ObjectSpec& object, JsonWriter& json, const btf::Btf* target = nullptr);

}  // namespace skep::object
