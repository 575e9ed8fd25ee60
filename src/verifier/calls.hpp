// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/analysis.hpp"

// Everything behind a call or a typed pointer: helpers, kfuncs, BTF pointers, what the program is
// attached to, references and locks. The core asks; each function says true to go on, or has
// recorded a refusal. The instruction is at a.insn_index unless `index` says where.

namespace skep::verifier {

// Before exploration.
/// Program type, attach point, licence, sleepable, maps: what can be said without following it.
bool check_program_kind(Analysis& a);
/// The function that bpf_throw() leads to, if the program has one: Analysis::exception_callback.
bool find_exception_callback(Analysis& a);
/// One map that the program refers to (special fields are parsed here: MapInfo::record).
bool check_map_prog_compatibility(Analysis& a, MapInfo& map);
/// lddw of a kernel variable or function (src = BPF_PSEUDO_BTF_ID).
bool check_pseudo_btf_id(Analysis& a, const isa::Insn& insn, uint32_t index);
/// A kfunc call as it is met in the code, before exploration: does it exist, may it be called.
bool add_kfunc_call(Analysis& a, const isa::Insn& insn, uint32_t index);

/// What a call is, for the checks of the code's graph (cfg.cpp) and precision.
struct CallTraits {
    bool calls_callback = false;        ///< synchronously: bpf_loop, for_each_map_elem, ...
    bool calls_async_callback = false;  ///< timers, work queues
    bool is_iter_next = false;          ///< of open-coded iterators
    bool might_sleep = false;
    bool changes_pkt_data = false;
    bool fastcall = false;  ///< keeps r1 to r5 that it does not use
    bool is_tail_call = false;
    bool throws = false;  ///< bpf_throw: does not return
    uint8_t arg_count = 5;
    bool returns_void = false;
};
CallTraits helper_traits(const Analysis& a, const isa::Insn& insn);
CallTraits kfunc_traits(const Analysis& a, const isa::Insn& insn);

// The calls.
bool check_helper_call(Analysis& a, const isa::Insn& insn, uint32_t index);
bool check_kfunc_call(Analysis& a, const isa::Insn& insn, uint32_t index);
/// `size` bytes of memory at an argument, for global functions and helpers (check_mem_reg).
bool check_mem_reg(Analysis& a, int regno, uint32_t mem_size);
/// The arguments of a call of a global function (func_calls.cpp).
bool check_subprog_args(Analysis& a, SubprogInfo& subprog);
bool refuse_return_value(Analysis& a, const RegState& reg, const ReturnValueRange& range,
                         std::string_view when, std::string_view name);
/// An argument of a global function that is a dynptr, a BTF pointer, an arena pointer.
bool check_global_arg(Analysis& a, int regno, const ArgInfo& arg);
/// Arguments of global functions from BTF and decl tags (btf_prepare_func_args).
bool prepare_func_args(Analysis& a, SubprogInfo& subprog);

// Typed memory.
/// A load or store through kPtrToBtfId; sets value_regno on loads.
bool check_btf_access(Analysis& a, int regno, int off, int size, AccessType type, int value_regno);
/// A load of a field of the map itself through kConstPtrToMap.
bool check_map_ptr_access(Analysis& a, int regno, int off, int size, AccessType type,
                          int value_regno);
/// ctx of programs that BTF describes: sets `described` and, for loads, `result`. Leaves all to the
/// context tables where the program type has a struct of its own.
bool check_btf_ctx_access(Analysis& a, int off, int size, AccessType type, RegState& result,
                          bool& described);
/// Fields of a struct sock & co. through kPtrToSocket, kPtrToTcpSock, ...
bool check_sock_access(Analysis& a, int regno, int off, int size, AccessType type);
/// Bytes [off, off + size) of a map value (plus the variable offset), which are inside it: special
/// fields in them may be touched so or not.
bool check_map_fields(Analysis& a, int regno, int off, int size, AccessSource source);
/// A load or store that is one of a special field (kptr, uptr): `handled` is set, and the value
/// register of a load.
bool access_map_field(Analysis& a, int regno, int off, int size, AccessType type, int value_regno,
                      bool& handled);

// Stack slots that are objects.
/// Data is about to overwrite this slot of the frame: dynptrs vanish, or it is refused.
bool destroy_dynptr_slot(Analysis& a, VerifierState& state, uint32_t frame, int slot);

// The end.
/// Nothing that must be given back is held; `words` is what is about to happen ("BPF_EXIT").
bool check_resource_leak(Analysis& a, bool exception_exit, bool check_lock, std::string_view words);
/// What attach targets let a program return (lsm, struct_ops, tp_btf).
enum class AttachReturn : uint8_t {
    NotMine,  ///< the type's own range (platform::return_range) holds
    Range,    ///< `range` was set
    Any,
    Void,     ///< there is no value, r0 need not even be set
    Checked,  ///< r0 was looked at and is right (struct_ops that return a reference)
    Refused,
};
AttachReturn attach_return_range(Analysis& a, ReturnValueRange& range);
/// A call while a lock is held: only what needs it.
bool call_allowed_in_lock(const Analysis& a, const isa::Insn& insn);

// Registers.
/// What a pointer becomes once it is known not to be null (registers.cpp).
void mark_not_null(RegState& reg);
/// It may point to something with a spin lock, whose identity matters.
bool may_point_to_lock(Analysis& a, const RegState& reg);
/// Maps whose lookups must be told apart: their values have timers and the like.
bool map_needs_uid(const MapInfo& map);

// Pruning.
/// After both paths of a comparison with 0: a reference whose pointer is null is none.
void release_reference_of_null(VerifierState& state, uint32_t ref_obj_id);

}  // namespace skep::verifier
