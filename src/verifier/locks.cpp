// SPDX-License-Identifier: Apache-2.0
// Spin locks, and timers and their like in map values. A lock is known by where it lies: the map
// (or the BTF of an allocated object) and the id of the pointer; only equal ids are the same lock.
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

// Whose lock it is: the map of a map value, else the BTF of the object's type.
const void* owner_of(const RegState& reg) {
    return reg.type == kPtrToMapValue ? static_cast<const void*>(reg.map) : reg.btf;
}

bool is_lock(RefKind kind) {
    return kind == RefKind::Lock || kind == RefKind::ResLock || kind == RefKind::ResLockIrq;
}

bool take_lock(Analysis& a, const RegState& reg, RefKind kind) {
    VerifierState& state = *a.state;
    const void* owner = owner_of(reg);
    if (kind == RefKind::Lock) {
        for (const RefState& ref : state.refs)
            if (ref.kind == RefKind::Lock)
                return a.refuse(Rule::LockUse, "Locking two bpf_spin_locks are not allowed");
    } else if (find_lock(state, RefKind::ResLock, reg.id, owner) ||
               find_lock(state, RefKind::ResLockIrq, reg.id, owner)) {
        return a.refuse(Rule::LockUse, "Acquiring the same lock again, AA deadlock detected");
    }
    state.refs.push_back({kind, reg.id, a.insn_index, owner});
    ++state.active_locks;
    state.active_lock_id = reg.id;
    state.active_lock_ptr = owner;
    return true;
}

bool drop_lock(Analysis& a, const RegState& reg, RefKind kind, std::string_view words) {
    VerifierState& state = *a.state;
    const void* owner = owner_of(reg);
    if (state.active_locks == 0)
        return a.refuse(Rule::LockUse, "{}_unlock without taking a lock", words);
    const RefState* held = find_lock(state, kind, reg.id, owner);
    if (!held) return a.refuse(Rule::LockUse, "{}_unlock of different lock", words);
    if (reg.id != state.active_lock_id || owner != state.active_lock_ptr)
        return a.refuse(Rule::LockUse, "{}_unlock cannot be out of order", words);
    state.active_lock_id = 0;
    state.active_lock_ptr = nullptr;
    const auto at = state.refs.begin() + (held - state.refs.data());
    for (auto ref = state.refs.begin(); ref != at; ++ref)
        if (is_lock(ref->kind)) {
            state.active_lock_id = ref->id;
            state.active_lock_ptr = ref->lock;
        }
    state.refs.erase(at);
    --state.active_locks;
    invalidate_non_owning_refs(a);
    return true;
}

}  // namespace

const RefState* find_lock(const VerifierState& state, RefKind kind, uint32_t id, const void* ptr) {
    for (const RefState& ref : state.refs)
        if (ref.kind == kind && ref.id == id && ref.lock == ptr) return &ref;
    return nullptr;
}

bool process_lock(Analysis& a, int regno, LockCall call, RefKind kind) {
    const RegState reg = a.reg(regno);
    const bool resilient = kind != RefKind::Lock;
    const std::string_view words = resilient ? "bpf_res_spin" : "bpf_spin";
    if (!reg.value.is_constant())
        return a.refuse(
            Rule::LockUse,
            "R{} doesn't have constant offset. {}_lock has to be at the constant offset", regno,
            words);
    const bool in_map = reg.type == kPtrToMapValue;
    if (in_map && reg.map->spec->value_type_id == 0)
        return a.refuse(Rule::LockUse, "map '{}' has to have BTF in order to use {}_lock",
                        reg.map->spec->name, words);
    const Record* record = record_of(a, reg);
    const FieldKind field = resilient ? FieldKind::ResSpinLock : FieldKind::SpinLock;
    if (!record || !record->has(field))
        return a.refuse(Rule::LockUse, "{} '{}' has no valid {}_lock", in_map ? "map" : "local",
                        in_map ? reg.map->spec->name : "kptr", words);
    const int64_t offset = int64_t(reg.value.constant_value()) + reg.off;
    if (record->offset_of(field) != offset)
        return a.refuse(Rule::LockUse, "off {} doesn't point to 'struct {}_lock' that is at {}",
                        offset, words, record->offset_of(field));
    return call == LockCall::Lock ? take_lock(a, reg, kind) : drop_lock(a, reg, kind, words);
}

bool process_timer(Analysis& a, int regno, CallMeta& meta) {
    const RegState& reg = a.reg(regno);
    const std::string& map = reg.map->spec->name;
    if (!reg.value.is_constant())
        return a.refuse(
            Rule::MapField,
            "R{} doesn't have constant offset. bpf_timer has to be at the constant offset", regno);
    if (reg.map->spec->value_type_id == 0)
        return a.refuse(Rule::MapField, "map '{}' has to have BTF in order to use bpf_timer", map);
    const Record* record = record_of(a, reg);
    if (!record || !record->has(FieldKind::Timer))
        return a.refuse(Rule::MapField, "map '{}' has no valid bpf_timer", map);
    const int64_t offset = int64_t(reg.value.constant_value()) + reg.off;
    if (record->offset_of(FieldKind::Timer) != offset)
        return a.refuse(Rule::MapField, "off {} doesn't point to 'struct bpf_timer' that is at {}",
                        offset, record->offset_of(FieldKind::Timer));
    meta.map = reg.map;
    meta.map_uid = reg.map_uid;
    return true;
}

}  // namespace skep::verifier
