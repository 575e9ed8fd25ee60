// SPDX-License-Identifier: Apache-2.0
// What a program has taken and must give back, and what becomes of pointers once it has.
#include <algorithm>

#include "verifier/call_meta.hpp"

namespace skep::verifier {

uint32_t acquire_reference(Analysis& a, uint32_t insn) {
    const uint32_t id = a.next_id();
    a.state->refs.push_back({RefKind::Pointer, id, insn, nullptr});
    return id;
}

bool release_reference_nomark(VerifierState& state, uint32_t ref_obj_id) {
    const auto held = std::ranges::find_if(state.refs, [&](const RefState& ref) {
        return ref.kind == RefKind::Pointer && ref.id == ref_obj_id;
    });
    if (held == state.refs.end()) return false;
    state.refs.erase(held);
    return true;
}

void mark_reg_invalid(const Analysis& a, RegState& reg) {
    if (a.allow_ptr_leaks)
        reg.set_unknown();
    else
        reg.clear();
}

bool release_reference(Analysis& a, uint32_t ref_obj_id) {
    if (!release_reference_nomark(*a.state, ref_obj_id)) return false;
    a.state->change_regs([&](const RegState& reg) { return reg.ref_obj_id == ref_obj_id; },
                         [&](RegState& reg) { mark_reg_invalid(a, reg); });
    return true;
}

void release_reference_of_null(VerifierState& state, uint32_t ref_obj_id) {
    release_reference_nomark(state, ref_obj_id);
}

void invalidate_non_owning_refs(Analysis& a) {
    a.state->change_regs(
        [](const RegState& reg) { return is_alloc_object(reg.type) && (reg.type & kNonOwnRef); },
        [&](RegState& reg) { mark_reg_invalid(a, reg); });
}

bool in_rcu_section(const Analysis& a) {
    return a.state->active_rcu_locks > 0 || a.state->active_locks > 0 || !a.in_sleepable();
}

bool is_trusted_reg(const RegState& reg) {
    if (reg.ref_obj_id != 0) return true;
    constexpr RegType trusted = kMemAlloc | kTrusted | kNonOwnRef;
    const bool unsafe = type_flags(reg.type) & ~trusted;
    switch (base_type(reg.type)) {
        case kPtrToSocket:
        case kPtrToSockCommon:
        case kPtrToTcpSock:
        case kConstPtrToMap:
            if (!unsafe) return true;
            break;
        default: break;
    }
    return (type_flags(reg.type) & trusted) && !unsafe;
}

namespace {

bool check_reference_leak(Analysis& a, bool exception_exit) {
    if (!exception_exit && a.state->curframe != 0) return true;
    bool leaked = false;
    for (const RefState& ref : a.state->refs) {
        if (ref.kind != RefKind::Pointer) continue;
        // A struct_ops program may return a reference to the kernel.
        if (a.prog.type == ProgType::StructOps && !exception_exit && a.reg(0).ref_obj_id == ref.id)
            continue;
        if (leaked)
            a.log("Unreleased reference id={} alloc_insn={}\n", ref.id, ref.insn);
        else
            a.refuse(Rule::ReferenceLeak, "Unreleased reference id={} alloc_insn={}", ref.id,
                     ref.insn);
        leaked = true;
    }
    return !leaked;
}

}  // namespace

bool check_resource_leak(Analysis& a, bool exception_exit, bool check_lock,
                         std::string_view words) {
    const VerifierState& state = *a.state;
    if (check_lock && state.active_locks > 0)
        return a.refuse(Rule::LockHeld, "{} cannot be used inside bpf_spin_lock-ed region", words);
    if (!check_reference_leak(a, exception_exit)) {
        a.log("{} would lead to reference leak\n", words);
        return false;
    }
    if (check_lock && state.active_irq_id != 0)
        return a.refuse(Rule::LockHeld, "{} cannot be used inside bpf_local_irq_save-ed region",
                        words);
    if (check_lock && state.active_rcu_locks > 0)
        return a.refuse(Rule::LockHeld, "{} cannot be used inside bpf_rcu_read_lock-ed region",
                        words);
    if (check_lock && state.active_preempt_locks > 0)
        return a.refuse(Rule::LockHeld, "{} cannot be used inside bpf_preempt_disable-ed region",
                        words);
    return true;
}

}  // namespace skep::verifier
