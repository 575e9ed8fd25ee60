// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "apps/test/values.hpp"
#include "object/spec.hpp"

namespace skep::test {

/// A global variable: `offset` bytes into the one value of a map.
struct Global {
    size_t map = 0;
    uint32_t offset = 0;
    Shape shape = {};
};

/// The variable that a key names. The error has the names that there are.
Result<Global> find_global(const object::ObjectSpec& spec, const Yaml& name);

/// The map that a key names.
Result<size_t> find_map(const object::ObjectSpec& spec, const Yaml& name);

}  // namespace skep::test
