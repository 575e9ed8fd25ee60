// SPDX-License-Identifier: Apache-2.0
// Calls of helpers: may the program make it, do the arguments fit, what does it change, what does
// it return (check_helper_call() of Linux 6.18).
#include <algorithm>
#include <initializer_list>

#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

using platform::HelperId;
using platform::HelperProps;
using platform::HelperProto;
using platform::RetBase;

template <typename... Ids>
bool one_of(HelperId id, Ids... ids) {
    return ((id == ids) || ...);
}

bool changes_packet(HelperId id) {
    using enum HelperId;
    return one_of(id, clone_redirect, l3_csum_replace, l4_csum_replace, lwt_push_encap,
                  lwt_seg6_action, lwt_seg6_adjust_srh, lwt_seg6_store_bytes, msg_pop_data,
                  msg_pull_data, msg_push_data, skb_adjust_room, skb_change_head, skb_change_proto,
                  skb_change_tail, skb_pull_data, skb_store_bytes, skb_vlan_pop, skb_vlan_push,
                  store_hdr_opt, xdp_adjust_head, xdp_adjust_meta, xdp_adjust_tail, tail_call);
}

bool calls_back(HelperId id) {
    using enum HelperId;
    return one_of(id, for_each_map_elem, find_vma, loop, user_ringbuf_drain);
}

bool is_acquire(HelperId id, const MapInfo* map) {
    using enum HelperId;
    if (one_of(id, sk_lookup_tcp, sk_lookup_udp, skc_lookup_tcp, ringbuf_reserve, kptr_xchg))
        return true;
    return id == map_lookup_elem && map &&
           (map->type() == MapType::Sockmap || map->type() == MapType::Sockhash);
}

// Gives the same object as another type: the reference is that of the argument.
bool is_pointer_cast(HelperId id) {
    using enum HelperId;
    return one_of(id, tcp_sock, sk_fullsock, skc_to_tcp_sock, skc_to_tcp6_sock, skc_to_udp6_sock,
                  skc_to_mptcp_sock, skc_to_tcp_timewait_sock, skc_to_tcp_request_sock);
}

// Helpers whose calls look at the map they are given.
bool needs_map(HelperId id) {
    using enum HelperId;
    return one_of(id, tail_call, map_lookup_elem, map_update_elem, map_delete_elem, map_push_elem,
                  map_pop_elem, map_peek_elem, for_each_map_elem, redirect_map,
                  map_lookup_percpu_elem);
}

// What the loader lacks.
bool lacks_capability(const Analysis& a, const platform::ProgKind& kind, HelperId id) {
    if (a.privileged && a.options.perfmon) return false;
    const auto access = platform::helper_access(kind, id, a.platform.version);
    return access && (has(access->needs, platform::HelperNeeds::Perfmon) ||
                      (!a.privileged && has(access->needs, platform::HelperNeeds::Bpf)));
}

const HelperProto* find_proto(Analysis& a, const isa::Insn& insn) {
    const platform::HelperInfo* info = platform::find_helper(uint32_t(insn.imm));
    if (!info) {
        const bool missing =
            std::ranges::find(a.prog.unresolved, a.insn_index, &object::Unresolved::insn) !=
            a.prog.unresolved.end();
        a.refuse(missing ? Rule::Unresolved : Rule::HelperUnknown, "invalid func unknown#{}",
                 insn.imm);
        return nullptr;
    }
    const platform::ProgKind kind = prog_kind(a);
    const HelperProto* proto = a.platform.helper(kind, info->id);
    if (!proto || lacks_capability(a, kind, info->id)) {
        a.refuse(Rule::HelperNotAllowed, "program of this type cannot use helper {}",
                 helper_label(info->id));
        return nullptr;
    }
    return proto;
}

bool check_may_call(Analysis& a, const HelperProto& proto) {
    if (proto.is(HelperProps::GplOnly) && !a.object.gpl_compatible())
        return a.refuse(Rule::HelperLicense,
                        "cannot call GPL-restricted function from non-GPL compatible program");
    if (!helper_allowed_at_target(a, proto))
        return a.refuse(Rule::HelperNotAllowed, "helper call is not allowed in probe");
    if (!proto.is(HelperProps::MightSleep)) return true;
    const VerifierState& state = *a.state;
    if (!a.in_sleepable())
        return a.refuse(Rule::Sleepable, "helper call might sleep in a non-sleepable prog");
    const std::string name = helper_label(proto.helper);
    if (state.active_rcu_locks > 0)
        return a.refuse(Rule::Sleepable, "sleepable helper {} in rcu_read_lock region", name);
    if (state.active_preempt_locks > 0)
        return a.refuse(Rule::Sleepable, "sleepable helper {} in non-preemptible region", name);
    if (state.active_irq_id != 0)
        return a.refuse(Rule::Sleepable, "sleepable helper {} in IRQ-disabled region", name);
    return true;
}

// Which map the instruction uses (for facts and rewriting), and whether it may change it.
bool record_map(Analysis& a, const CallMeta& meta, uint32_t index) {
    if (!meta.map) return true;
    InsnAux& aux = a.aux[index];
    if (meta.map->index != UINT32_MAX) a.used_maps.insert(meta.map->index);
    aux.map = meta.map;
    constexpr uint32_t rdonly_prog = 1u << 7;  // BPF_F_RDONLY_PROG
    using enum HelperId;
    if ((meta.map->spec->flags & rdonly_prog) &&
        one_of(meta.func, map_delete_elem, map_update_elem, map_push_elem, map_pop_elem))
        return a.refuse(Rule::ReadOnly, "write into map forbidden");
    if (meta.func != tail_call) return true;
    if (meta.map->type() != MapType::ProgArray)
        return a.refuse(Rule::MapType, "expected prog array map for tail call");
    const Scalar& slot = a.reg(3).value;
    if (a.reg(3).is_scalar() && slot.is_constant() &&
        slot.constant_value() < meta.map->spec->max_entries)
        return a.mark_chain_precision(3);
    return true;
}

// kptr_xchg() in an RCU section leaves per-CPU objects readable.
bool release_exchanged(Analysis& a, uint32_t ref) {
    if (!release_reference_nomark(*a.state, ref)) return false;
    const bool in_rcu = in_rcu_section(a);
    a.state->change_regs([&](const RegState& reg) { return reg.ref_obj_id == ref; },
                         [&](RegState& reg) {
                             if (in_rcu && (reg.type & kMemAlloc) && (reg.type & kPercpu)) {
                                 reg.ref_obj_id = 0;
                                 reg.type = (reg.type & ~kMemAlloc) | kRcu;
                             } else {
                                 mark_reg_invalid(a, reg);
                             }
                         });
    return true;
}

bool release_argument(Analysis& a, const CallMeta& meta) {
    if (meta.release_regno == 0) return true;
    const auto& arg = meta.proto->args[size_t(meta.release_regno) - 1];
    bool released = false;
    if (arg.base == platform::ArgBase::Dynptr)
        released = release_dynptr(a, meta.release_regno);
    else if (meta.func == HelperId::kptr_xchg && meta.ref_obj_id != 0)
        released = release_exchanged(a, meta.ref_obj_id);
    else if (meta.ref_obj_id != 0)
        released = release_reference(a, meta.ref_obj_id);
    else
        released = a.reg(meta.release_regno).is_null();
    return released ||
           a.refuse(Rule::ReferenceUse, "func {} reference has not been acquired before",
                    helper_label(meta.func));
}

// The format of bpf_snprintf() is constant: it must fit the number of arguments.
bool check_snprintf(Analysis& a) {
    const RegState& data_size = a.reg(5);
    const uint64_t bytes = data_size.value.constant_value();
    if (bytes % 8 != 0) return a.refuse(Rule::HelperArgument, "Invalid format string");
    const std::string_view text = const_string(a.reg(3));
    return valid_format(text.substr(0, text.find('\0')), bytes / 8) ||
           a.refuse(Rule::HelperArgument, "Invalid format string");
}

bool simulate_loop(Analysis& a, const isa::Insn& insn, uint32_t index, const CallMeta& meta) {
    if (a.reg(4).is_null() && !a.mark_chain_precision(4)) return false;
    if (!a.mark_chain_precision(1)) return false;
    if (a.state->cur().callback_depth < a.reg(1).value.umax)
        return a.push_callback_call(insn, index, meta.subprog, set_loop_callback);
    a.state->cur_mut().callback_depth = 0;
    a.log("frame{} bpf_loop iteration limit reached\n", a.state->curframe);
    return true;
}

bool dynptr_arg_effects(Analysis& a, CallMeta& meta, bool& changes_data) {
    for (int arg = 0; arg < 5; ++arg) {
        if (meta.proto->args[size_t(arg)].base != platform::ArgBase::Dynptr) continue;
        const RegState* dynptr = dynptr_state(a, arg + 1);
        if (!dynptr) return a.refuse(Rule::DynptrUse, "invalid dynptr");
        if (meta.func == HelperId::dynptr_data) {
            meta.dynptr_id = dynptr->id;
            meta.ref_obj_id = dynptr->ref_obj_id;
        } else if (dynptr->dynptr == DynptrType::Skb || dynptr->dynptr == DynptrType::SkbMeta) {
            changes_data = true;
        }
    }
    return true;
}

// What single helpers do beyond their prototypes.
bool apply_effects(Analysis& a, const isa::Insn& insn, uint32_t index, CallMeta& meta,
                   bool& changes_data) {
    switch (meta.func) {
        case HelperId::tail_call: return check_resource_leak(a, false, true, "tail_call");
        case HelperId::get_local_storage:
            return a.reg(2).is_null() ||
                   a.refuse(Rule::HelperArgument,
                            "get_local_storage() doesn't support non-zero flags");
        case HelperId::for_each_map_elem:
            return a.push_callback_call(insn, index, meta.subprog, set_map_elem_callback);
        case HelperId::timer_set_callback:
            return a.push_callback_call(insn, index, meta.subprog, set_timer_callback, true);
        case HelperId::find_vma:
            return a.push_callback_call(insn, index, meta.subprog, set_find_vma_callback);
        case HelperId::user_ringbuf_drain:
            return a.push_callback_call(insn, index, meta.subprog, set_user_ringbuf_callback);
        case HelperId::loop: return simulate_loop(a, insn, index, meta);
        case HelperId::snprintf: return check_snprintf(a);
        case HelperId::dynptr_from_mem:
            return a.reg(1).type == kPtrToMapValue ||
                   a.refuse(Rule::DynptrUse, "Unsupported reg type {} for bpf_dynptr_from_mem data",
                            a.type_name(a.reg(1).type));
        case HelperId::set_retval: return check_set_retval(a);
        case HelperId::dynptr_data:
        case HelperId::dynptr_write: return dynptr_arg_effects(a, meta, changes_data);
        default: return true;
    }
}

bool return_map_value(Analysis& a, const CallMeta& meta, RegType flags, RegState& r0) {
    if (!meta.map) return a.refuse(Rule::HelperArgument, "unexpected null map_ptr");
    if (meta.func == HelperId::map_lookup_elem && elides_null(meta.map->type()) &&
        meta.const_map_key >= 0 && meta.const_map_key < int64_t{meta.map->spec->max_entries})
        flags &= ~kMaybeNull;
    r0.set_pointer(kPtrToMapValue | flags);
    r0.map = meta.map;
    r0.map_uid = meta.map_uid;
    const Record* record = record_of_map(a, *meta.map);
    if (!(flags & kMaybeNull) && record && record->has(FieldKind::AnyLock)) r0.id = a.next_id();
    return true;
}

// this_cpu_ptr() and per_cpu_ptr(): what the per-CPU variable is.
bool return_percpu(Analysis& a, const CallMeta& meta, RegType flags, bool allocated, RegState& r0) {
    const btf::Type type = meta.ret_btf->resolve(meta.ret_btf_id);
    if (type.is_composite()) {
        r0.set_pointer(allocated ? kPtrToBtfId | kMemAlloc | kRcu
                                 : kPtrToBtfId | (flags & ~kRdonly));
        r0.btf = meta.ret_btf;
        r0.btf_id = meta.ret_btf_id;
        return true;
    }
    const auto size = meta.ret_btf->size_of(type.id());
    if (!size)
        return a.refuse(Rule::HelperArgument, "unable to resolve the size of type '{}': -22",
                        type.name());
    r0.set_pointer(kPtrToMem | flags);
    r0.mem_size = *size;
    return true;
}

bool return_btf_pointer(Analysis& a, const CallMeta& meta, RegType flags, RegState& r0) {
    r0.set_pointer(kPtrToBtfId | flags);
    if (meta.func == HelperId::kptr_xchg) {
        r0.btf = meta.kptr_field->btf;
        r0.btf_id = meta.kptr_field->btf_id;
        if (r0.btf != a.kernel_btf) {
            r0.type |= kMemAlloc;
            if (meta.kptr_field->kind == FieldKind::KptrPercpu) r0.type |= kPercpu;
        }
        return true;
    }
    r0.btf = a.kernel_btf;
    r0.btf_id = kernel_struct_id(a, meta.proto->ret.btf_type);
    if (r0.btf_id == 0)
        return a.refuse(Rule::HelperArgument, "invalid return type {} of func {}",
                        uint32_t(RetBase::BtfIdPtr), helper_label(meta.func));
    return true;
}

// Values that helpers are known to return.
void refine_return(Analysis& a, const CallMeta& meta, RegState& r0) {
    using enum HelperId;
    constexpr int64_t max_errno = 4095;
    if (one_of(meta.func, get_stack, get_task_stack, probe_read_str, probe_read_kernel_str,
               probe_read_user_str)) {
        r0.value.smax = int64_t(meta.msize_max);
        r0.value.s32_max = int32_t(meta.msize_max);
        r0.value.smin = -max_errno;
        r0.value.s32_min = -max_errno;
        r0.value.sync();
    } else if (meta.func == get_smp_processor_id) {
        // The kernel takes its own number of CPUs; a program must work on any.
        const uint32_t last = max_cpus(a) - 1;
        r0.value.smin = r0.value.s32_min = 0;
        r0.value.umin = r0.value.u32_min = 0;
        r0.value.smax = r0.value.s32_max = int32_t(last);
        r0.value.umax = r0.value.u32_max = last;
        r0.value.sync();
    }
}

bool set_return(Analysis& a, CallMeta& meta, bool percpu_allocated, RegState& r0) {
    const RegType flags = static_cast<RegType>(meta.proto->ret.flags);
    switch (meta.proto->ret.base) {
        case RetBase::Integer:
            r0.set_unknown();
            refine_return(a, meta, r0);
            return true;
        case RetBase::Void: r0.clear(); return true;
        case RetBase::MapValue: return return_map_value(a, meta, flags, r0);
        case RetBase::Socket: r0.set_pointer(kPtrToSocket | flags); return true;
        case RetBase::SockCommon: r0.set_pointer(kPtrToSockCommon | flags); return true;
        case RetBase::TcpSock: r0.set_pointer(kPtrToTcpSock | flags); return true;
        case RetBase::Mem:
            r0.set_pointer(kPtrToMem | flags);
            r0.mem_size = uint32_t(meta.mem_size);
            return true;
        case RetBase::MemOrBtfId: return return_percpu(a, meta, flags, percpu_allocated, r0);
        case RetBase::BtfIdPtr: return return_btf_pointer(a, meta, flags, r0);
    }
    return a.refuse(Rule::NotSupported, "unknown return type of func {}", helper_label(meta.func));
}

void set_return_ids(Analysis& a, const CallMeta& meta, uint32_t index, RegState& r0) {
    if (may_be_null(r0.type)) r0.id = a.next_id();
    if (meta.func == HelperId::dynptr_data) r0.dynptr_id = meta.dynptr_id;
    if (is_pointer_cast(meta.func) || meta.func == HelperId::dynptr_data) {
        r0.ref_obj_id = meta.ref_obj_id;
    } else if (is_acquire(meta.func, meta.map)) {
        r0.id = acquire_reference(a, index);
        r0.ref_obj_id = r0.id;
    }
}

bool check_get_func_ip(Analysis& a) {
    const std::string name = helper_label(HelperId::get_func_ip);
    if (a.prog.type == ProgType::Kprobe) return true;
    if (a.prog.type != ProgType::Tracing)
        return a.refuse(Rule::HelperNotAllowed, "func {} not supported for program type {}", name,
                        uint32_t(a.prog.type));
    const AttachType attach = a.prog.attach_type;
    return attach == AttachType::TraceFentry || attach == AttachType::TraceFexit ||
           attach == AttachType::ModifyReturn ||
           a.refuse(Rule::HelperNotAllowed,
                    "func {} supported only for fentry/fexit/fmod_ret programs", name);
}

}  // namespace

std::string helper_label(HelperId id) {
    return fmt::format("bpf_{}#{}", platform::helper_info(id).name, uint32_t(id));
}

bool check_helper_call(Analysis& a, const isa::Insn& insn, uint32_t index) {
    const HelperProto* proto = find_proto(a, insn);
    if (!proto || !check_may_call(a, *proto)) return false;
    a.used_helpers.insert(uint32_t(insn.imm));

    CallMeta meta;
    meta.proto = proto;
    meta.func = proto->helper;
    for (int arg = 0; arg < 5; ++arg)
        if (!check_func_arg(a, arg, meta, index)) return false;
    for (uint32_t i = 0; i < meta.raw_size; ++i)
        if (!a.check_mem_access(meta.raw_regno, int(i), 1, AccessType::Write, -1)) return false;
    if (needs_map(meta.func) && !record_map(a, meta, index)) return false;
    if (meta.map && a.aux[index].map == nullptr) a.aux[index].map = meta.map;
    if (!release_argument(a, meta)) return false;

    bool changes_data = changes_packet(meta.func);
    const bool percpu_allocated =
        one_of(meta.func, HelperId::per_cpu_ptr, HelperId::this_cpu_ptr) && (a.reg(1).type & kRcu);
    if (!apply_effects(a, insn, index, meta, changes_data)) return false;

    a.clear_caller_saved();
    RegState r0;
    if (!set_return(a, meta, percpu_allocated, r0)) return false;
    set_return_ids(a, meta, index, r0);
    a.reg_mut(0) = r0;
    if (!check_map_func_compatibility(a, meta.map, meta.func)) return false;
    if (meta.func == HelperId::get_func_ip && !check_get_func_ip(a)) return false;
    if (changes_data) a.invalidate_packet_pointers();
    return true;
}

bool call_allowed_in_lock(const Analysis& a, const isa::Insn& insn) {
    if (insn.src == isa::kCallHelper)
        return one_of(HelperId(insn.imm), HelperId::spin_unlock, HelperId::kptr_xchg);
    return insn.src == isa::kCallKfunc && insn.off == 0 && a.kernel_btf &&
           kfunc_allowed_in_lock(a.kernel_btf->type(uint32_t(insn.imm)).name());
}

CallTraits helper_traits(const Analysis& a, const isa::Insn& insn) {
    CallTraits traits;
    const platform::HelperInfo* info = platform::find_helper(uint32_t(insn.imm));
    if (!info) return traits;
    const HelperProto& proto = platform::helper_proto(info->id);
    traits.calls_callback = calls_back(info->id);
    traits.calls_async_callback = info->id == HelperId::timer_set_callback;
    traits.might_sleep = proto.is(HelperProps::MightSleep);
    traits.changes_pkt_data = changes_packet(info->id);
    traits.is_tail_call = info->id == HelperId::tail_call;
    traits.fastcall = proto.is(HelperProps::AllowFastcall) &&
                      a.is_kernel_at_least(platform::KernelVersion("6.12"));
    traits.arg_count = uint8_t(proto.arity());
    traits.returns_void = proto.ret.base == RetBase::Void;
    return traits;
}

}  // namespace skep::verifier
