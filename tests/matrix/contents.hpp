// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "skep/skep.hpp"

namespace skep::test {

/// What all maps of an object hold, in hex: by map and key.
using Contents = std::map<std::string, std::map<std::string, std::string>>;

/// Copies of CPUs are added up where they are numbers, for the CPU that ran the program is nobody's
/// choice. Left out is what means nothing elsewhere or has no elements to read: numbers of programs
/// and maps, sockets, storage, format strings and the like in read-only data, and what the kernel's
/// configuration is.
Result<Contents> contents(const Object& object);

}  // namespace skep::test
