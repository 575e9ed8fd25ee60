// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "btf/core_relo.hpp"
#include "object/spec.hpp"

namespace skep::object {

/// A CO-RE relocation in words, for both forms of inspect.
struct RelocationView {
    uint32_t insn;
    std::string_view kind;           ///< "byte_off"
    std::string what;                ///< "struct task_struct.pid"
    std::optional<uint64_t> local;   ///< by the object's types
    std::optional<uint64_t> target;  ///< by the target's, where there is one and it has it
    std::string problem;             ///< why not, or what is wrong with the relocation
};

std::vector<RelocationView> view_relocations(const ObjectSpec& object, const ProgSpec& prog,
                                             const btf::Btf* target);

}  // namespace skep::object
