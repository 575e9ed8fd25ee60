// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "platform/kfuncs.hpp"
#include "verifier/calls.hpp"
#include "verifier/record.hpp"

// What the files behind calls.hpp keep for one run (Analysis::call_data).

namespace skep::verifier {

/// A kernel function as one program calls it.
struct Kfunc {
    const platform::KfuncInfo* info = nullptr;
    std::string name;
    uint32_t btf_id = 0;
    uint32_t proto_id = 0;  ///< FUNC_PROTO in the kernel's BTF

    bool is(platform::KfuncFlags flag) const { return info->is(flag); }
    bool is(std::string_view function) const { return name == function; }
};

/// What a program that BTF describes is attached to.
struct AttachTarget {
    const btf::Btf* btf = nullptr;
    std::string name;           ///< "sched_switch", "bpf_lsm_file_open", "bpf_iter_task"
    uint32_t btf_id = 0;        ///< the FUNC, TYPEDEF or (struct_ops) STRUCT
    uint32_t proto_id = 0;      ///< FUNC_PROTO; 0: unknown
    uint32_t member = 0;        ///< of struct_ops: which member
    std::string member_name{};  ///< of struct_ops
};

struct CallData {
    std::unordered_map<uint32_t, std::unique_ptr<Record>> struct_records;
    std::unordered_map<const object::MapSpec*, std::unique_ptr<Record>> map_records;
    /// (type, component) -> values of its decl tags, of the program's BTF.
    std::optional<std::map<std::pair<uint32_t, int32_t>, std::vector<std::string_view>>> decl_tags;
    std::unordered_map<uint32_t, Kfunc> kfuncs;
    AttachTarget attach;
    uint32_t max_rdonly_access = 0, max_rdwr_access = 0;
};

CallData& call_data(Analysis& a);

/// Decl tags of a type of the program's BTF, or of one of its members or parameters.
const std::vector<std::string_view>& decl_tags(Analysis& a, uint32_t type, int32_t component);

/// Kind of the program for the platform's tables. Ext programs are of their target's.
platform::ProgKind prog_kind(Analysis& a);

}  // namespace skep::verifier
