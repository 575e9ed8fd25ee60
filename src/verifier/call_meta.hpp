// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/call_data.hpp"

// One call of a helper while its arguments are checked, and the checks that helpers and kernel
// functions share. Every function here says true to go on, or has recorded a refusal.

namespace skep::verifier {

/// What earlier arguments said that later ones, effects and the result depend on.
struct CallMeta {
    const platform::HelperProto* proto = nullptr;  ///< null for kfuncs and global functions
    platform::HelperId func{};
    const MapInfo* map = nullptr;
    uint32_t map_uid = 0;
    bool raw_mode = false;  ///< the memory argument need not be initialised
    int raw_regno = 0;  ///< memory that the callee fills: written once all arguments are checked
    uint32_t raw_size = 0;
    int release_regno = 0;
    uint32_t ref_obj_id = 0;
    uint32_t dynptr_id = 0;
    uint64_t msize_max = 0;  ///< upper bound of the size argument
    uint64_t mem_size = 0;   ///< of the memory that is returned
    int64_t const_map_key = -1;
    const Field* kptr_field = nullptr;
    uint32_t subprog = 0;  ///< the callback
    const btf::Btf* ret_btf = nullptr;
    uint32_t ret_btf_id = 0;

    bool is(platform::HelperId id) const { return proto && func == id; }
};

/// "bpf_map_lookup_elem#1".
std::string helper_label(platform::HelperId id);

// Arguments (helper_args.cpp).
bool check_func_arg(Analysis& a, int arg, CallMeta& meta, uint32_t index);
bool check_reg_type(Analysis& a, int regno, platform::ArgBase base, RegType flags,
                    std::string_view btf_type, CallMeta& meta);
bool check_arg_reg_off(Analysis& a, const RegState& reg, int regno, platform::ArgBase base,
                       bool release);

// Memory that a callee accesses (helper_memory.cpp).
bool check_helper_mem_access(Analysis& a, int regno, uint32_t size, AccessType type,
                             bool zero_size_allowed, CallMeta* meta);
/// The size in `regno`, the memory in the register before it.
bool check_mem_size_reg(Analysis& a, int regno, AccessType type, bool zero_size_allowed,
                        CallMeta* meta);
bool check_const_str(Analysis& a, int regno);
/// The bytes of the constant that a register points to, from there to the end of its map value.
std::string_view const_string(const RegState& reg);

/// A format that bpf_snprintf() takes with that many arguments (format_string.cpp).
bool valid_format(std::string_view format, uint64_t args);
/// How many CPUs the target may have.
uint32_t max_cpus(const Analysis& a);

// Where the program is attached (attach.cpp).
/// Helpers that only some attach targets may call (bpf_d_path, ...).
bool helper_allowed_at_target(Analysis& a, const platform::HelperProto& proto);
bool check_set_retval(Analysis& a);

// Maps (map_rules.cpp).
bool check_map_func_compatibility(Analysis& a, const MapInfo* map, platform::HelperId func);
std::optional<int64_t> constant_map_key(Analysis& a, const RegState& key, uint32_t key_size,
                                        bool& failed);
/// A map whose lookups at a constant key in range cannot fail.
bool elides_null(MapType type);

// Callbacks (callbacks.cpp): how a callee's registers are set.
bool set_map_elem_callback(Analysis& a, const FuncState& caller, FuncState& callee, uint32_t insn);
bool set_loop_callback(Analysis& a, const FuncState& caller, FuncState& callee, uint32_t insn);
bool set_timer_callback(Analysis& a, const FuncState& caller, FuncState& callee, uint32_t insn);
bool set_find_vma_callback(Analysis& a, const FuncState& caller, FuncState& callee, uint32_t insn);
bool set_user_ringbuf_callback(Analysis& a, const FuncState& caller, FuncState& callee,
                               uint32_t insn);
bool set_rbtree_add_callback(Analysis& a, const FuncState& caller, FuncState& callee,
                             uint32_t insn);
bool set_task_work_callback(Analysis& a, const FuncState& caller, FuncState& callee, uint32_t insn);

// References (references.cpp).
uint32_t acquire_reference(Analysis& a, uint32_t insn);
/// The reference is gone, and every register that needs it. False (nothing refused): not held.
bool release_reference(Analysis& a, uint32_t ref_obj_id);
/// Only the reference: registers stay. False: not held.
bool release_reference_nomark(VerifierState& state, uint32_t ref_obj_id);
void mark_reg_invalid(const Analysis& a, RegState& reg);
bool is_trusted_reg(const RegState& reg);
bool in_rcu_section(const Analysis& a);

// Locks and timers (locks.cpp).
enum class LockCall : uint8_t { Lock, Unlock };
bool process_lock(Analysis& a, int regno, LockCall call, RefKind kind);
bool process_timer(Analysis& a, int regno, CallMeta& meta);
const RefState* find_lock(const VerifierState& state, RefKind kind, uint32_t id, const void* ptr);
void invalidate_non_owning_refs(Analysis& a);
/// In the callback of bpf_rbtree_add(), which runs under the caller's lock.
bool in_rbtree_lock_required_callback(Analysis& a);

// Dynptrs (dynptr.cpp).
bool process_dynptr(Analysis& a, int regno, uint32_t index, RegType flags, uint32_t clone_ref);
RegState* dynptr_state(Analysis& a, int regno);  ///< of its first slot; null: not a dynptr
bool release_dynptr(Analysis& a, int regno);
int dynptr_slot(Analysis& a, const RegState& reg);  ///< < 0: refused (kBadSlot) or out of stack
bool dynptr_is_refcounted(DynptrType type);
RegType dynptr_flag(DynptrType type);
inline constexpr int kBadSlot = -1, kOutOfStack = -2;
/// The slot of an object of `slots` slots that a register points to.
int object_slot(Analysis& a, const RegState& reg, std::string_view what, int slots);

// Kptrs (kptr.cpp).
bool process_kptr(Analysis& a, int regno, CallMeta& meta);
bool kptr_type_matches(Analysis& a, const Field& field, const RegState& reg, int regno);

// Types (btf_match.cpp).
/// Does a pointer to struct `id` of `btf`, `off` bytes into it, serve where struct `wanted_id` of
/// `wanted` is expected?
bool struct_ids_match(const btf::Btf& btf, uint32_t id, int off, const btf::Btf& wanted,
                      uint32_t wanted_id, bool strict);
/// The name of a struct, "task_struct".
std::string_view struct_name(const btf::Btf* btf, uint32_t id);
/// Kernel functions that may be called while a lock is held (kfunc_calls.cpp).
bool kfunc_allowed_in_lock(std::string_view name);
/// Id of a kernel struct; 0 where unknown.
uint32_t kernel_struct_id(const Analysis& a, std::string_view name);

}  // namespace skep::verifier
