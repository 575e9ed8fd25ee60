// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "verifier/verify.hpp"

// Verdicts for people and for scripts; pure functions of what verify() gave.
//
//     if (!verdict.accepted) fmt::print("{}", explain(object, prog, verdict));
//
//     Packet data is accessed beyond what was compared with data_end.
//
//       31 | if (ip->protocol == IPPROTO_TCP)                                filter.bpf.c
//          |   12: r3 = *(u8 *)(r1 + 0x17)
//     ...

namespace skep::verifier {

/// The source line that an instruction was compiled from.
struct SourceLine {
    std::string file;  ///< without directories
    uint32_t line = 0;
    std::string text;
    bool operator==(const SourceLine&) const = default;
};
std::optional<SourceLine> source_line(const object::ObjectSpec& object,
                                      const object::ProgSpec& prog, uint32_t insn);

/// "r3 = *(u8 *)(r1 + 0x17)", with the name of the helper, map or function that it refers to.
std::string instruction_text(const object::ObjectSpec& object, const object::ProgSpec& prog,
                             uint32_t insn);

/// A refusal: what is wrong, where, how the program gets there, what to change, and the kernel's
/// words. Several lines, indented by nothing.
std::string explain(const object::ObjectSpec& object, const object::ProgSpec& prog,
                    const Verdict& verdict);

/// Refusals with equal keys have one cause: the same rule at the same place, in code that programs
/// share or for several kernels.
std::string cause_key(const object::ObjectSpec& object, const object::ProgSpec& prog,
                      const Verdict& verdict);

/// Names of the helpers and kfuncs that it calls, and of the maps that it uses.
std::vector<std::string> called_names(const Verdict& verdict, const btf::Btf* kernel);
std::vector<std::string> map_names(const object::ObjectSpec& object, const Verdict& verdict);

/// {"prog","kernel","accepted","reason","insn","source","path","insns_visited","peak_states",
///  "stack_depth","ns"}; of an acceptance reason, insn and source are null and path is empty. What
/// is too complex has "busiest", too: the places where the work went.
void verdict_json(JsonWriter& json, const object::ObjectSpec& object, const object::ProgSpec& prog,
                  const Verdict& verdict, std::string_view kernel, uint64_t nanoseconds);

}  // namespace skep::verifier
