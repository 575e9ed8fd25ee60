// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "object/spec.hpp"

// A program as text, with what it needs around it: what the differential fuzzer prints and what
// cases/*.s are.
//
//     // type: xdp
//     // map: array key 4 value 64 entries 4
//     // expect: refused: invalid access to packet
//     r2 = *(u32 *)(r1 + 0x0)
//     ...
//
// Maps are numbered from 0; code refers to the n-th with "ld_pseudo r1, 0x1, n". Attach types,
// types and BTF are not part of it.

namespace skep::verifier_test {

struct ProgramCase {
    object::ObjectSpec object;  ///< with one program
    std::optional<bool> accepted;
    std::string message;     ///< expected in the reason of a refusal; may be empty
    bool privileged = true;  ///< "// unprivileged:" makes it false
    bool perfmon = true;     ///< "// capabilities: bpf": none but CAP_BPF and CAP_NET_ADMIN

    const object::ProgSpec& prog() const { return object.progs[0]; }
};

/// An object with one program of these instructions, its functions and map references found in
/// them.
object::ObjectSpec make_object(ProgType type, std::vector<isa::Insn> insns,
                               std::vector<object::MapSpec> maps);

Result<ProgramCase> parse_case(std::string_view text);

/// The other way round; `remarks` become comments at its top.
std::string case_text(const object::ObjectSpec& object, std::string_view remarks);

}  // namespace skep::verifier_test
