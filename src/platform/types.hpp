// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "skep/types.hpp"

// The closed sets that every layer shares: program, map and attach types, with the kernel's numbers
// and bpftool's names. Each set is one table (.def); everything else reads it. to_string() and its
// inverses are public: include/skep/types.hpp.

namespace skep {

enum class ProgType : uint32_t {
    Unspec = 0,
#define PROG_TYPE(name, value, text, since) name = value,
#include "platform/prog_types.def"
#undef PROG_TYPE
};

enum class MapType : uint32_t {
    Unspec = 0,
#define MAP_TYPE(name, value, text, since) name = value,
#include "platform/map_types.def"
#undef MAP_TYPE
};

enum class AttachType : uint32_t {
#define ATTACH_TYPE(name, value, text) name = value,
#include "platform/attach_types.def"
#undef ATTACH_TYPE
    None = UINT32_MAX,  ///< the program type has no attach type, or takes it at attach time
};

}  // namespace skep
