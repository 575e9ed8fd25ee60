// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "verifier/rules.hpp"

// The rejections that people meet most often: common/NAME.bpf.c has a program `bad` that is
// rejected for this reason and a program `good` that does the same and is accepted.
// docs/verifier.md shows them in this order.

namespace skep::verifier_test {

struct CommonCase {
    std::string_view name;
    std::string_view title;
    verifier::Rule rule;
    std::string_view message;  ///< part of the kernel's words
    bool privileged = true;    ///< false: only unprivileged loaders are refused
};

inline constexpr CommonCase kCommonCases[] = {
    {"packet_bounds", "Packet bytes that were not compared with data_end",
     verifier::Rule::PacketBounds, "invalid access to packet"},
    {"packet_changed", "A packet pointer from before the packet changed", verifier::Rule::BadAccess,
     "invalid mem access 'scalar'"},
    {"map_value_null", "A map value that may not be there", verifier::Rule::NullAccess,
     "invalid mem access 'map_value_or_null'"},
    {"map_value_bounds", "An index beyond a map's value", verifier::Rule::MapValueBounds,
     "invalid access to map value"},
    {"uninit_stack", "Stack bytes that were never written (padding too)", verifier::Rule::StackRead,
     "invalid read from stack", false},
    {"uninit_register", "A register that a call has left without a value",
     verifier::Rule::UninitRegister, "R1 !read_ok"},
    {"infinite_loop", "A loop that may never end", verifier::Rule::InfiniteLoop,
     "infinite loop detected"},
    {"too_complex", "More work than the verifier does", verifier::Rule::TooComplex,
     "BPF program is too large"},
    {"leaked_reference", "A reservation that a path does not give back",
     verifier::Rule::ReferenceLeak, "reference"},
    {"helper_argument", "A number where a helper wants a pointer", verifier::Rule::HelperArgument,
     "R2 type=scalar expected="},
    {"return_code", "A return value that the hook does not know", verifier::Rule::ReturnValue,
     "should have been in [0, 1]"},
    {"pointer_arithmetic", "A pointer kept in a 32-bit variable", verifier::Rule::PointerArithmetic,
     "32-bit pointer arithmetic prohibited"},
    {"ctx_field", "A context field that this program type does not have", verifier::Rule::CtxAccess,
     "invalid bpf_context access"},
    {"read_only_map", "A write to a constant", verifier::Rule::ReadOnly,
     "write into map forbidden"},
    {"stack_depth", "More than 512 bytes of stack", verifier::Rule::StackDepth,
     "combined stack size of 2 calls"},
    {"helper_not_allowed", "A helper that this program type may not call",
     verifier::Rule::HelperNotAllowed, "program of this type cannot use helper"},
    {"license", "A GPL-only helper without a GPL-compatible license", verifier::Rule::HelperLicense,
     "cannot call GPL-restricted function"},
    {"spin_lock", "A lock that a path does not release", verifier::Rule::LockHeld,
     "bpf_spin_lock-ed region"},
    {"negative_length", "A length that may be 0 or negative", verifier::Rule::HelperArgument,
     "R4 invalid zero-sized read"},
    {"global_argument", "A pointer argument of a global function", verifier::Rule::NullAccess,
     "invalid mem access 'mem_or_null'"},
};

}  // namespace skep::verifier_test
