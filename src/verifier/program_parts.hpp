// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "object/spec.hpp"
#include "platform/helpers.hpp"
#include "verifier/reg_type.hpp"

// What one run of the verifier knows of the parts of the program: its maps, instructions and
// functions. An Analysis (analysis.hpp) has one of these for each of them.

namespace skep::verifier {

/// A map as a register refers to it. Compared by address: one a map, one for the inner maps of a
/// map of maps.
struct MapInfo {
    const object::MapSpec* spec = nullptr;
    uint32_t index = UINT32_MAX;  ///< in ObjectSpec::maps; of inner maps the outer one's
    MapInfo* inner = nullptr;
    const void* record = nullptr;  ///< special fields of its value (map_rules)
    bool is_inner = false;

    MapType type() const { return spec->type; }
};

/// What one instruction is known to be, besides its code.
struct InsnAux {
    bool prune_point = false;       ///< paths may meet here: states are kept and compared
    bool force_checkpoint = false;  ///< states are kept each time (iterators, may_goto, callbacks)
    bool jmp_point = false;         ///< reached by a jump: history keeps it
    bool calls_callback = false;
    bool is_iter_next = false;
    bool seen = false;
    bool checked_fields = false;
    bool nospec = false;         ///< unprivileged: a speculation barrier is put before it
    bool nospec_result = false;  ///< ... after it
    bool fastcall_pattern = false;
    bool branch_taken = false, branch_not_taken = false;  ///< for facts
    uint8_t fastcall_spills = 0;
    uint8_t alu_state = 0;
    uint16_t live_regs_before = 0x7ff;
    uint32_t scc = 0;  ///< the loop that it is in, 0: none
    uint32_t alu_limit = 0;
    uint32_t visits = 0, states = 0;  ///< of a prune point: paths that came here, states kept
    RegType ptr_type = kNotInit;      ///< of the pointer that a load or store goes through
    const object::Reference* reference = nullptr;
    const MapInfo* map = nullptr;  ///< lddw of a map, map argument of a call
    uint32_t map_off = 0;
    const void* extra = nullptr;  ///< of calls.hpp
};

struct ArgInfo {
    platform::ArgBase base = platform::ArgBase::DontCare;
    RegType flags = 0;  ///< kMaybeNull, kTrusted, kUntrusted, kRdonly, ...
    uint32_t mem_size = 0;
    uint32_t btf_id = 0;
};

/// A function of the program.
struct SubprogInfo {
    uint32_t start = 0;
    uint32_t end = 0;
    std::string_view name;
    uint32_t btf_id = 0;  ///< its FUNC in the object's BTF
    uint32_t stack_depth = 0;
    uint32_t stack_extra = 0;
    int32_t fastcall_stack_off = 0;  ///< where the stack of spills around fast calls ends
    bool keep_fastcall_stack = false;
    bool global = false;
    bool has_tail_call = false;
    bool tail_call_reachable = false;
    bool has_ld_abs = false;
    bool is_cb = false;
    bool is_async_cb = false;
    bool is_exception_cb = false;
    bool called = false;    ///< global: must be verified on its own
    bool verified = false;  ///< global: was
    bool args_known = false;
    bool changes_pkt_data = false;
    bool might_sleep = false;
    bool might_throw = false;
    bool might_goto = false;
    uint8_t arg_count = 0;
    std::array<ArgInfo, 5> args{};
    std::vector<uint32_t> postorder;  ///< its reachable instructions, successors first
};

}  // namespace skep::verifier
