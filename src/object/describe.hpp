// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "object/spec.hpp"

// Parts of a spec in words, as inspect and listing show them.

namespace skep::object {

/// Names of map creation flags: {"no_prealloc", "mmapable"}; unknown bits as "0x80000000".
std::vector<std::string> flag_names(uint32_t flags);

/// "declared", "data", "rodata", "bss", "kconfig", "struct_ops".
std::string_view to_string(MapSpec::Origin origin);

/// "kconfig", "variable", "function".
std::string_view to_string(Extern::Kind kind);

/// The global variable that lies at `offset` of a data map: "numbers", or "numbers+16" inside it.
/// Empty where BTF knows none.
std::string variable_at(const ObjectSpec& object, const MapSpec& map, int64_t offset);

/// What an instruction refers to: "map counts", "hello.data+8 (total)", "kernel function bpf_iter".
std::string describe(const ObjectSpec& object, const Reference& reference);

/// The subprogram that starts at this instruction of the program, or null.
const Subprog* subprog_at(const ProgSpec& prog, uint32_t insn);

/// "int first(struct xdp_md *ctx)", or just the name where BTF does not have the function.
std::string signature(const ObjectSpec& object, const Subprog& subprog);

/// The C type of an extern: "unsigned long", "void bpf_rcu_read_lock(void)"; empty for a typeless
/// one.
std::string c_type_of(const ObjectSpec& object, const Extern& external);

/// How many types there are of each kind that occurs.
std::vector<std::pair<btf::Kind, uint32_t>> count_types(const btf::Btf& btf);

}  // namespace skep::object
