// SPDX-License-Identifier: Apache-2.0
// Lists and trees of objects that the program allocates: the root lies beside the lock that
// protects it, nodes lie in the elements. Adding a node gives its reference up; what remains is a
// reference that does not own, valid until the lock is dropped.
#include <algorithm>

#include "verifier/kfunc_meta.hpp"

namespace skep::verifier {
namespace {

constexpr std::string_view kListCalls[] = {"bpf_list_push_front_impl", "bpf_list_push_back_impl",
                                           "bpf_list_pop_front",       "bpf_list_pop_back",
                                           "bpf_list_front",           "bpf_list_back"};
constexpr std::string_view kTreeCalls[] = {"bpf_rbtree_add_impl", "bpf_rbtree_remove",
                                           "bpf_rbtree_first",    "bpf_rbtree_root",
                                           "bpf_rbtree_left",     "bpf_rbtree_right"};

bool is_list_call(std::string_view name) {
    return std::ranges::find(kListCalls, name) != std::end(kListCalls);
}

// The lock beside the root must be held.
bool check_locked(Analysis& a, const RegState& reg) {
    const void* owner = reg.type == kPtrToMapValue ? static_cast<const void*>(reg.map) : reg.btf;
    if (a.state->active_locks == 0) return false;
    for (const RefKind kind : {RefKind::Lock, RefKind::ResLock, RefKind::ResLockIrq})
        if (find_lock(*a.state, kind, reg.id, owner)) return true;
    a.log("held lock and object are not in the same allocation\n");
    return false;
}

bool constant_offset(Analysis& a, const RegState& reg, int regno, std::string_view name) {
    return reg.value.is_constant() ||
           a.refuse(Rule::GraphUse,
                    "R{} doesn't have constant offset. {} has to be at the constant offset", regno,
                    name);
}

}  // namespace

bool is_rbtree_call(std::string_view name) {
    return std::ranges::find(kTreeCalls, name) != std::end(kTreeCalls);
}

bool is_graph_call(std::string_view name) {
    return is_list_call(name) || is_rbtree_call(name) || name == "bpf_refcount_acquire_impl";
}

bool process_graph_root(Analysis& a, int regno, KfuncMeta& meta, FieldKind kind) {
    const RegState& reg = a.reg(regno);
    const std::string_view name = field_name(kind);
    if (reg.type != kPtrToMapValue && reg.type != (kPtrToBtfId | kMemAlloc))
        return a.refuse(Rule::GraphUse, "arg#{} expected pointer to map value or allocated object",
                        regno - 1);
    if (reg.type != kPtrToMapValue && reg.ref_obj_id == 0)
        return a.refuse(Rule::GraphUse, "allocated object must be referenced");
    if (!constant_offset(a, reg, regno, name)) return false;
    const Record* record = record_of(a, reg);
    const uint32_t offset = uint32_t(reg.off + int64_t(reg.value.constant_value()));
    const Field* field = record ? record->find(offset, kind) : nullptr;
    if (!field) return a.refuse(Rule::GraphUse, "{} not found at offset={}", name, offset);
    if (!check_locked(a, reg))
        return a.refuse(Rule::GraphUse, "bpf_spin_lock at off={} must be held for {}",
                        record->offset_of(FieldKind::SpinLock), name);
    meta.graph_root = field;
    return true;
}

bool process_graph_node(Analysis& a, int regno, KfuncMeta& meta, FieldKind kind) {
    const RegState& reg = a.reg(regno);
    const std::string_view name = field_name(kind);
    if (!constant_offset(a, reg, regno, name)) return false;
    const Record* record = record_of(a, reg);
    const uint32_t offset = uint32_t(reg.off + int64_t(reg.value.constant_value()));
    if (!record || !record->find(offset, kind))
        return a.refuse(Rule::GraphUse, "{} not found at offset={}", name, offset);
    const Field* root = meta.graph_root;
    if (!root) return a.refuse(Rule::NotSupported, "skep cannot judge a node without its root");
    if (!struct_ids_match(*reg.btf, reg.btf_id, 0, *root->btf, root->btf_id, true))
        return a.refuse(Rule::GraphUse,
                        "operation on {} expects arg#1 {} at offset={} in struct {}, but arg is "
                        "at offset={} in struct {}",
                        field_name(root->kind), name, root->node_offset,
                        struct_name(root->btf, root->btf_id), offset,
                        struct_name(reg.btf, reg.btf_id));
    meta.arg_btf = reg.btf;
    meta.arg_btf_id = reg.btf_id;
    return offset == root->node_offset ||
           a.refuse(Rule::GraphUse, "arg#1 offset={}, but expected {} at offset={} in struct {}",
                    offset, name, root->node_offset, struct_name(root->btf, root->btf_id));
}

void set_graph_node(RegState& reg, const Field& root) {
    reg.set_pointer(kPtrToBtfId | kMemAlloc);
    reg.btf = root.btf;
    reg.btf_id = root.btf_id;
    reg.off = int32_t(root.node_offset);
}

void set_non_owning(Analysis& a, RegState& reg) {
    reg.type |= kNonOwnRef;
    const Record* record = record_of(a, reg);
    if (record && record->has(FieldKind::Refcount)) reg.type |= kRcu;
}

bool convert_owning_to_non_owning(Analysis& a, uint32_t ref_obj_id) {
    if (ref_obj_id == 0) return false;
    a.state->change_regs([&](const RegState& reg) { return reg.ref_obj_id == ref_obj_id; },
                         [&](RegState& reg) {
                             reg.ref_obj_id = 0;
                             set_non_owning(a, reg);
                         });
    return true;
}

bool in_rbtree_lock_required_callback(Analysis& a) {
    const FuncState& frame = a.state->cur();
    if (a.state->curframe == 0 || !frame.in_callback_fn || frame.callsite < 0) return false;
    const isa::Insn& call = a.insns[size_t(frame.callsite)];
    return call.src == isa::kCallKfunc && a.kernel_btf &&
           is_rbtree_call(a.kernel_btf->type(uint32_t(call.imm)).name());
}

// bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
bool set_rbtree_add_callback(Analysis& a, const FuncState& caller, FuncState& callee, uint32_t) {
    const RegState& root = caller.regs[1];
    const Record* record = record_of(a, root);
    const Field* field = record ? record->find(uint32_t(root.off), FieldKind::RbRoot) : nullptr;
    if (!field) return a.refuse(Rule::GraphUse, "bpf_rb_root not found");
    for (const int regno : {1, 2}) {
        set_graph_node(callee.regs[size_t(regno)], *field);
        set_non_owning(a, callee.regs[size_t(regno)]);
    }
    callee.in_callback_fn = true;
    callee.callback_ret_range = {0, 1, false};
    return true;
}

}  // namespace skep::verifier
