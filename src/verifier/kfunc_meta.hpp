// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verifier/btf_match.hpp"
#include "verifier/call_meta.hpp"

// One call of a kernel function while it is checked. What an argument must be follows from its BTF
// type, from the ending of its name ("__sz", "__nullable") and from the flags of the function.

namespace skep::verifier {

struct KfuncMeta {
    const Kfunc* kfunc = nullptr;
    btf::Type proto;  ///< FUNC_PROTO

    uint32_t ref_obj_id = 0;
    int release_regno = 0;
    uint32_t subprog = 0;
    bool has_constant = false;  ///< an argument that must be a constant (__k, __szk)
    uint64_t constant = 0;
    uint64_t r0_size = 0;  ///< of the memory that is returned
    bool r0_rdonly = false;
    const btf::Btf* arg_btf = nullptr;  ///< of an allocated object
    uint32_t arg_btf_id = 0;
    bool arg_owning_ref = false;
    const Field* graph_root = nullptr;
    const MapInfo* map = nullptr;
    uint32_t map_uid = 0;
    // The dynptr that was passed.
    uint32_t dynptr_id = 0;
    DynptrType dynptr_type = DynptrType::Invalid;
    uint32_t dynptr_ref = 0;
    // The iterator.
    uint32_t iter_frame = 0;
    int iter_slot = -1;

    explicit KfuncMeta(btf::Type func_proto) : proto(func_proto) {}
    bool is(platform::KfuncFlags flag) const { return kfunc->is(flag); }
    bool is(std::string_view name) const { return kfunc->name == name; }
    bool takes_trusted() const {
        return is(platform::KfuncFlags::TrustedArgs) || is(platform::KfuncFlags::Release);
    }
};

/// The function that the call names; null (refused) where it may not be called.
const Kfunc* find_called(Analysis& a, const isa::Insn& insn);

bool check_kfunc_args(Analysis& a, KfuncMeta& meta, uint32_t index);  // kfunc_args.cpp

// Iterators (iterators.cpp).
bool process_iter_arg(Analysis& a, int regno, uint32_t index, KfuncMeta& meta);
bool process_iter_next(Analysis& a, uint32_t index, const KfuncMeta& meta);
const RegState& iter_state(const VerifierState& state, const KfuncMeta& meta);
/// bpf_local_irq_save() and its like (irq.cpp).
bool process_irq_flag(Analysis& a, int regno, const KfuncMeta& meta);

// Lists and trees (lists.cpp).
bool is_graph_call(std::string_view name);
bool is_rbtree_call(std::string_view name);
bool process_graph_root(Analysis& a, int regno, KfuncMeta& meta, FieldKind kind);
bool process_graph_node(Analysis& a, int regno, KfuncMeta& meta, FieldKind kind);
/// A register that points to the node in an element of the list or tree.
void set_graph_node(RegState& reg, const Field& root);
void set_non_owning(Analysis& a, RegState& reg);
/// The node has been added: its owner keeps a reference that does not own, for as long as the lock.
bool convert_owning_to_non_owning(Analysis& a, uint32_t ref_obj_id);

/// A struct of numbers only, up to four levels deep.
bool is_scalar_struct(const btf::Btf& btf, const btf::Type& type, int depth = 0);

}  // namespace skep::verifier
