// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "btf/core_relo.hpp"

// Inside of CO-RE: an access path spelled out against one Btf, and the comparison of a local type
// with a target's. Used by core_relo.cpp only.

namespace skep::btf {

enum class CoreSubject : uint8_t { Field, Type, Enumerator };
CoreSubject subject_of(CoreKind kind);

/// One meaningful step of a path: a named member, an array index, or an enumerator. Anonymous
/// structs on the way leave no step.
struct CoreStep {
    uint32_t type;          ///< what the step is taken in (for an index: the element's type)
    uint32_t index;         ///< of the member, element or enumerator
    std::string_view name;  ///< empty for an index
};

struct CoreSpec {
    const Btf* btf = nullptr;
    uint32_t root = 0;
    std::vector<CoreStep> steps;
    uint64_t bit_offset = 0;
};

/// Limits work on hostile types, which can ask for exponential comparisons.
class CoreBudget {
  public:
    bool spend(uint32_t amount = 1) {
        left_ -= std::min(left_, amount);
        return left_ != 0;
    }

  private:
    uint32_t left_ = 1 << 20;
};

/// Reads the relocation's path against the local types.
Result<CoreSpec> parse_spec(const Btf& local, const CoreRelo& relo);

/// Finds the same path in candidate `target_type`: nothing where it does not exist there or leads
/// to something incompatible.
Result<std::optional<CoreSpec>> match_spec(const CoreSpec& local, CoreKind kind, const Btf& target,
                                           uint32_t target_type);

/// "struct task_struct.comm[3]", "enum e::NAME", "struct s".
std::string to_string(const CoreSpec& spec, CoreKind kind);

/// Struct with struct, enum with enum or enum64: the kinds under which candidates are sought.
bool kinds_compatible(Kind local, Kind target);

/// Whether a field of one type may be read as the other (bpf_core_fields_are_compat).
bool fields_compatible(const Btf& local, uint32_t local_id, const Btf& target, uint32_t target_id);

/// BPF_CORE_TYPE_MATCHES: every local member has its equal in the target (bpf_core_types_match).
Result<bool> types_match(const Btf& local, uint32_t local_id, const Btf& target,
                         uint32_t target_id);

}  // namespace skep::btf
