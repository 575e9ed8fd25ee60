// SPDX-License-Identifier: Apache-2.0
// Calls, as far as simple programs need them: arguments by their prototypes, and refusals for what
// is not understood yet.
#include "verifier/calls.hpp"

#include "platform/platform.hpp"
#include "verifier/explore.hpp"

namespace skep::verifier {

using isa::Insn;
using platform::ArgBase;
using platform::HelperId;
using platform::HelperProto;
using platform::TypeFlag;

namespace {

bool unsupported(Analysis& a, std::string_view what) {
    return a.refuse(Rule::NotSupported, "skep cannot judge {} yet", what);
}

const HelperProto* find_proto(const Analysis& a, const Insn& insn) {
    if (!platform::find_helper(uint32_t(insn.imm))) return nullptr;
    return a.platform.helper({a.prog.type, a.prog.attach_type, a.prog.attach_target},
                             HelperId(insn.imm));
}

bool changes_packet(HelperId id) {
    switch (id) {
        case HelperId::skb_store_bytes:
        case HelperId::skb_change_proto:
        case HelperId::skb_change_head:
        case HelperId::skb_change_tail:
        case HelperId::skb_pull_data:
        case HelperId::skb_adjust_room:
        case HelperId::clone_redirect:
        case HelperId::l3_csum_replace:
        case HelperId::l4_csum_replace:
        case HelperId::xdp_adjust_head:
        case HelperId::xdp_adjust_meta:
        case HelperId::xdp_adjust_tail:
        case HelperId::skb_vlan_push:
        case HelperId::skb_vlan_pop: return true;
        default: return false;
    }
}

/// `size` bytes of memory that a helper reads or writes.
bool check_memory(Analysis& a, int regno, int size, bool writes, bool uninit, bool zero_ok) {
    const RegState& reg = a.reg(regno);
    switch (base_type(reg.type)) {
        case kPtrToStack:
            if (!a.check_stack_range_initialized(regno, reg.off, size, zero_ok,
                                                 writes ? AccessType::Write : AccessType::Read,
                                                 uninit))
                return false;
            if (uninit)
                for (int i = 0; i < size; ++i)
                    if (!a.check_mem_access(regno, i, 1, AccessType::Write, -1)) return false;
            return true;
        case kPtrToPacket:
        case kPtrToPacketMeta: return a.check_packet_access(regno, reg.off, size, zero_ok);
        case kPtrToMapKey:
        case kPtrToMapValue:
            return a.check_map_access(regno, reg.off, size, zero_ok, AccessSource::Helper);
        case kPtrToMem:
            return a.check_mem_region_access(regno, reg.off, size, reg.mem_size, zero_ok);
        default:
            return a.refuse(Rule::HelperArgument, "R{} type={} expected=fp, pkt, map_value, mem",
                            regno, a.type_name(reg.type));
    }
}

}  // namespace

bool check_program_kind(Analysis&) {
    return true;
}
bool check_map_prog_compatibility(Analysis&, MapInfo&) {
    return true;
}
bool check_pseudo_btf_id(Analysis& a, const Insn&, uint32_t) {
    return unsupported(a, "kernel variables");
}
bool add_kfunc_call(Analysis& a, const Insn&, uint32_t) {
    return unsupported(a, "kernel functions");
}

CallTraits helper_traits(const Analysis& a, const Insn& insn) {
    CallTraits traits;
    if (const HelperProto* proto = find_proto(a, insn)) {
        traits.arg_count = uint8_t(proto->arity());
        traits.might_sleep = proto->is(platform::HelperProps::MightSleep);
    }
    traits.changes_pkt_data = changes_packet(HelperId(insn.imm));
    traits.is_tail_call = insn.imm == int32_t(HelperId::tail_call);
    return traits;
}
CallTraits kfunc_traits(const Analysis&, const Insn&) {
    return {};
}

bool check_helper_call(Analysis& a, const Insn& insn, uint32_t) {
    const platform::HelperInfo* info = platform::find_helper(uint32_t(insn.imm));
    if (!info) return a.refuse(Rule::HelperUnknown, "invalid func unknown#{}", insn.imm);
    const HelperProto* proto = find_proto(a, insn);
    if (!proto)
        return a.refuse(Rule::HelperNotAllowed, "program of this type cannot use helper bpf_{}#{}",
                        info->name, insn.imm);
    if (proto->is(platform::HelperProps::GplOnly) && !a.object.gpl_compatible())
        return a.refuse(Rule::HelperLicense,
                        "cannot call GPL-restricted function from non-GPL compatible program");
    const MapInfo* map = nullptr;
    for (int i = 0; i < int(proto->arity()); ++i) {
        const int regno = i + 1;
        const platform::ArgType& arg = proto->args[size_t(i)];
        if (!a.check_reg_read(regno)) return false;
        const RegState& reg = a.reg(regno);
        switch (arg.base) {
            case ArgBase::Anything: break;
            case ArgBase::Ctx:
                if (reg.type != kPtrToCtx)
                    return a.refuse(Rule::HelperArgument, "R{} type={} expected=ctx", regno,
                                    a.type_name(reg.type));
                break;
            case ArgBase::ConstMapPtr:
                if (reg.type != kConstPtrToMap)
                    return a.refuse(Rule::HelperArgument, "R{} type={} expected=map_ptr", regno,
                                    a.type_name(reg.type));
                map = reg.map;
                break;
            case ArgBase::MapKey:
            case ArgBase::MapValue:
                if (!map) return unsupported(a, "this call");
                if (!check_memory(a, regno,
                                  int(arg.base == ArgBase::MapKey ? map->spec->key_size
                                                                  : map->spec->value_size),
                                  false, false, false))
                    return false;
                break;
            case ArgBase::Mem: {
                if (has(arg.flags, TypeFlag::FixedSizeMem)) {
                    if (!check_memory(a, regno, arg.size, has(arg.flags, TypeFlag::Write),
                                      has(arg.flags, TypeFlag::Uninit), false))
                        return false;
                    break;
                }
                const bool zero_ok = proto->args[size_t(i) + 1].base == ArgBase::ConstSizeOrZero;
                if (!a.check_reg_read(regno + 1)) return false;
                const RegState& size = a.reg(regno + 1);
                if (size.type != kScalar || size.value.umax >= 1u << 29)
                    return a.refuse(Rule::HelperArgument, "R{} unbounded memory access", regno + 1);
                if (reg.is_null() && has(arg.flags, TypeFlag::MaybeNull)) break;
                if (!check_memory(a, regno, int(size.value.umax), has(arg.flags, TypeFlag::Write),
                                  has(arg.flags, TypeFlag::Uninit) && size.value.is_constant(),
                                  zero_ok) ||
                    !a.mark_chain_precision(regno + 1))
                    return false;
                break;
            }
            case ArgBase::ConstSize:
            case ArgBase::ConstSizeOrZero: break;
            default: return unsupported(a, "this helper");
        }
    }
    if (changes_packet(info->id)) a.invalidate_packet_pointers();
    a.clear_caller_saved();
    RegState& r0 = a.reg_mut(0);
    switch (proto->ret.base) {
        case platform::RetBase::Integer: a.mark_reg_unknown(0); break;
        case platform::RetBase::Void: break;
        case platform::RetBase::MapValue:
            if (!map) return unsupported(a, "this helper");
            r0.set_pointer(kPtrToMapValue | kMaybeNull);
            r0.map = map;
            r0.id = a.next_id();
            break;
        default: return unsupported(a, "what this helper returns");
    }
    return true;
}

bool check_kfunc_call(Analysis& a, const Insn&, uint32_t) {
    return unsupported(a, "kernel functions");
}
bool check_mem_reg(Analysis& a, int regno, uint32_t mem_size) {
    return check_memory(a, regno, int(mem_size), true, false, false);
}
bool check_global_arg(Analysis& a, int, const ArgInfo&) {
    return unsupported(a, "this argument");
}
bool prepare_func_args(Analysis& a, SubprogInfo&) {
    return unsupported(a, "global functions");
}
bool check_btf_access(Analysis& a, int, int, int, AccessType, int) {
    return unsupported(a, "kernel structs");
}
bool check_map_ptr_access(Analysis& a, int, int, int, AccessType, int) {
    return unsupported(a, "fields of maps");
}
bool check_btf_ctx_access(Analysis&, int, int, AccessType, RegState&, bool&) {
    return true;
}
bool check_sock_access(Analysis& a, int, int, int, AccessType) {
    return unsupported(a, "sockets");
}
bool check_map_fields(Analysis&, int, int, int, AccessSource) {
    return true;
}
bool access_map_field(Analysis&, int, int, int, AccessType, int, bool&) {
    return true;
}
bool destroy_dynptr_slot(Analysis&, VerifierState&, uint32_t, int) {
    return true;
}
bool check_resource_leak(Analysis&, bool, bool, std::string_view) {
    return true;
}
AttachReturn attach_return_range(Analysis&, ReturnValueRange&) {
    return AttachReturn::NotMine;
}
bool call_allowed_in_lock(const Analysis&, const Insn&) {
    return false;
}
bool may_point_to_lock(const RegState&) {
    return false;
}
bool map_needs_uid(const MapInfo&) {
    return false;
}
void release_reference_of_null(VerifierState&, uint32_t) {}

}  // namespace skep::verifier
