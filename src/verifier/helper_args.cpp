// SPDX-License-Identifier: Apache-2.0
// Arguments of helpers against their prototypes: check_func_arg() and check_reg_type() of
// Linux 6.18.
#include <algorithm>

#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

using platform::ArgBase;
using platform::HelperId;
using platform::TypeFlag;

constexpr RegType kSockTypes[] = {kPtrToSockCommon, kPtrToSocket, kPtrToTcpSock, kPtrToXdpSock};
constexpr RegType kBtfSockCommonTypes[] = {kPtrToSockCommon, kPtrToSocket, kPtrToTcpSock,
                                           kPtrToXdpSock,    kPtrToBtfId,  kPtrToBtfId | kTrusted};
constexpr RegType kMemTypes[] = {kPtrToStack,          kPtrToPacket,   kPtrToPacketMeta,
                                 kPtrToMapKey,         kPtrToMapValue, kPtrToMem,
                                 kPtrToMem | kRingbuf, kPtrToBuf,      kPtrToBtfId | kTrusted};
constexpr RegType kLockTypes[] = {kPtrToMapValue, kPtrToBtfId | kMemAlloc};
constexpr RegType kSocketTypes[] = {kPtrToSocket};
constexpr RegType kScalarTypes[] = {kScalar};
constexpr RegType kCtxTypes[] = {kPtrToCtx};
constexpr RegType kRingbufMemTypes[] = {kPtrToMem | kRingbuf};
constexpr RegType kMapTypes[] = {kConstPtrToMap};
constexpr RegType kBtfTypes[] = {kPtrToBtfId, kPtrToBtfId | kTrusted, kPtrToBtfId | kRcu};
constexpr RegType kPercpuBtfTypes[] = {kPtrToBtfId | kPercpu, kPtrToBtfId | kPercpu | kRcu,
                                       kPtrToBtfId | kPercpu | kTrusted};
constexpr RegType kFuncTypes[] = {kPtrToFunc};
constexpr RegType kStackTypes[] = {kPtrToStack};
constexpr RegType kMapValueTypes[] = {kPtrToMapValue};
constexpr RegType kDynptrTypes[] = {kPtrToStack, kConstPtrToDynptr};

std::span<const RegType> compatible_types(ArgBase base) {
    switch (base) {
        case ArgBase::MapKey:
        case ArgBase::MapValue:
        case ArgBase::Mem: return kMemTypes;
        case ArgBase::ConstSize:
        case ArgBase::ConstSizeOrZero:
        case ArgBase::ConstAllocSizeOrZero: return kScalarTypes;
        case ArgBase::ConstMapPtr: return kMapTypes;
        case ArgBase::Ctx: return kCtxTypes;
        case ArgBase::SockCommon: return kSockTypes;
        case ArgBase::BtfIdSockCommon: return kBtfSockCommonTypes;
        case ArgBase::Socket: return kSocketTypes;
        case ArgBase::BtfIdPtr: return kBtfTypes;
        case ArgBase::SpinLock:
        case ArgBase::KptrXchgDest: return kLockTypes;
        case ArgBase::RingbufMem: return kRingbufMemTypes;
        case ArgBase::PercpuBtfId: return kPercpuBtfTypes;
        case ArgBase::Func: return kFuncTypes;
        case ArgBase::Stack: return kStackTypes;
        case ArgBase::ConstStr:
        case ArgBase::Timer: return kMapValueTypes;
        case ArgBase::Dynptr: return kDynptrTypes;
        default: return {};
    }
}

constexpr RegType kDynptrFlags =
    kDynptrLocal | kDynptrRingbuf | kDynptrSkb | kDynptrXdp | kDynptrSkbMeta;

bool refuse_type(Analysis& a, int regno, std::span<const RegType> compatible) {
    std::string expected;
    for (const RegType type : compatible) {
        if (!expected.empty()) expected += ", ";
        expected += a.type_name(type);
    }
    return a.refuse(Rule::HelperArgument, "R{} type={} expected={}", regno,
                    a.type_name(a.reg(regno).type), expected);
}

// A BTF pointer of an acceptable kind: is it to the struct that is wanted?
bool check_btf_arg(Analysis& a, int regno, ArgBase base, RegType flags, std::string_view btf_type,
                   CallMeta& meta) {
    const RegState& reg = a.reg(regno);
    const bool release = flags & kObjRelease;
    switch (reg.type & ~kMaybeNull) {
        case kPtrToBtfId:
        case kPtrToBtfId | kTrusted:
        case kPtrToBtfId | kRcu: break;
        case kPtrToBtfId | kMemAlloc:
        case kPtrToBtfId | kMemAlloc | kPercpu:
            if (meta.is(HelperId::kptr_xchg) && regno == 2)
                return kptr_type_matches(a, *meta.kptr_field, reg, regno);
            return true;       // locks and the destination of kptr_xchg look for themselves
        default: return true;  // per-CPU: the helper looks for itself
    }
    if (may_be_null(reg.type) && (!(flags & kMaybeNull) || release))
        return a.refuse(Rule::HelperArgument, "Possibly NULL pointer passed to helper arg{}",
                        regno);
    if (meta.is(HelperId::kptr_xchg)) return kptr_type_matches(a, *meta.kptr_field, reg, regno);
    if (base == ArgBase::BtfIdSockCommon) btf_type = "sock_common";
    const uint32_t wanted = kernel_struct_id(a, btf_type);
    if (wanted == 0)
        return a.refuse(Rule::NotSupported, "the kernel's BTF has no struct {}", btf_type);
    // bpf_sk_release() takes any socket: a struct sock_common is the first member of each.
    const bool strict = release && !meta.is(HelperId::sk_release);
    if (!struct_ids_match(*reg.btf, reg.btf_id, reg.off, *a.kernel_btf, wanted, strict))
        return a.refuse(Rule::HelperArgument, "R{} is of type {} but {} is expected", regno,
                        struct_name(reg.btf, reg.btf_id), btf_type);
    return true;
}

bool check_release_arg(Analysis& a, int regno, ArgBase base, CallMeta& meta) {
    const RegState& reg = a.reg(regno);
    if (base == ArgBase::Dynptr) {
        if (reg.type != kPtrToStack)
            return a.refuse(Rule::DynptrUse, "cannot release unowned const bpf_dynptr");
        const RegState* dynptr = dynptr_state(a, regno);
        if (!dynptr || dynptr->ref_obj_id == 0)
            return a.refuse(Rule::ReferenceUse, "arg {} is an unacquired reference", regno);
    } else if (reg.ref_obj_id == 0 && !reg.is_null()) {
        return a.refuse(Rule::ReferenceUse,
                        "R{} must be referenced when passed to release function", regno);
    }
    meta.release_regno = regno;
    return true;
}

bool check_map_arg(Analysis& a, const RegState& reg, CallMeta& meta) {
    // Timers: the map in which a timer is must be the map that is passed too.
    if (meta.map && (meta.map != reg.map || meta.map_uid != reg.map_uid))
        return a.refuse(Rule::HelperArgument,
                        "timer pointer in R1 map_uid={} doesn't match map pointer in R2 map_uid={}",
                        meta.map_uid, reg.map_uid);
    meta.map = reg.map;
    meta.map_uid = reg.map_uid;
    return true;
}

bool check_key_arg(Analysis& a, int regno, CallMeta& meta) {
    const uint32_t key_size = meta.map->spec->key_size;
    if (!check_helper_mem_access(a, regno, key_size, AccessType::Read, false, nullptr))
        return false;
    if (!elides_null(meta.map->type())) return true;
    bool failed = false;
    meta.const_map_key = constant_map_key(a, a.reg(regno), key_size, failed).value_or(-1);
    return !failed;
}

bool check_mem_arg(Analysis& a, int regno, const platform::ArgType& arg, CallMeta& meta) {
    meta.raw_mode = has(arg.flags, TypeFlag::Uninit);
    if (!has(arg.flags, TypeFlag::FixedSizeMem)) return true;  // its size is the next argument
    const AccessType type = has(arg.flags, TypeFlag::Write) ? AccessType::Write : AccessType::Read;
    if (!check_helper_mem_access(a, regno, arg.size, type, false, &meta)) return false;
    return !has(arg.flags, TypeFlag::Aligned) ||
           a.check_ptr_alignment(a.reg(regno), 0, arg.size, true);
}

bool check_alloc_size_arg(Analysis& a, int regno, CallMeta& meta) {
    const RegState& reg = a.reg(regno);
    if (!reg.value.is_constant())
        return a.refuse(Rule::HelperArgument, "R{} is not a known constant'", regno);
    meta.mem_size = reg.value.constant_value();
    return a.mark_chain_precision(regno);
}

// What an argument of this kind means to the call, its register having the right type.
bool check_arg_meaning(Analysis& a, int arg, const platform::ArgType& type, ArgBase base,
                       CallMeta& meta, uint32_t index) {
    const int regno = arg + 1;
    const RegState& reg = a.reg(regno);
    const bool writes = has(type.flags, TypeFlag::Write);
    switch (base) {
        case ArgBase::ConstMapPtr: return check_map_arg(a, reg, meta);
        case ArgBase::MapKey: return check_key_arg(a, regno, meta);
        case ArgBase::MapValue:
            if (has(type.flags, TypeFlag::MaybeNull) && reg.is_null()) return true;
            meta.raw_mode = has(type.flags, TypeFlag::Uninit);
            return check_helper_mem_access(a, regno, meta.map->spec->value_size,
                                           writes ? AccessType::Write : AccessType::Read, false,
                                           &meta);
        case ArgBase::PercpuBtfId:
            if (reg.btf_id == 0)
                return a.refuse(Rule::HelperArgument, "Helper has invalid btf_id in R{}", regno);
            meta.ret_btf = reg.btf;
            meta.ret_btf_id = reg.btf_id;
            return true;
        case ArgBase::SpinLock:
            if (in_rbtree_lock_required_callback(a))
                return a.refuse(Rule::LockUse, "can't spin_{{lock,unlock}} in rbtree cb");
            return process_lock(a, regno,
                                meta.is(HelperId::spin_lock) ? LockCall::Lock : LockCall::Unlock,
                                RefKind::Lock);
        case ArgBase::Timer: return process_timer(a, regno, meta);
        case ArgBase::Func: meta.subprog = reg.subprog; return true;
        case ArgBase::Mem: return check_mem_arg(a, regno, type, meta);
        case ArgBase::ConstSize:
        case ArgBase::ConstSizeOrZero: {
            const bool write = has(meta.proto->args[size_t(arg) - 1].flags, TypeFlag::Write);
            return check_mem_size_reg(a, regno, write ? AccessType::Write : AccessType::Read,
                                      base == ArgBase::ConstSizeOrZero, &meta);
        }
        case ArgBase::Dynptr:
            return process_dynptr(a, regno, index, static_cast<RegType>(type.flags), 0);
        case ArgBase::ConstAllocSizeOrZero: return check_alloc_size_arg(a, regno, meta);
        case ArgBase::ConstStr: return check_const_str(a, regno);
        case ArgBase::KptrXchgDest: return process_kptr(a, regno, meta);
        default: return true;
    }
}

// Values of socket maps are sockets.
bool resolve_map_value_arg(Analysis& a, const CallMeta& meta, RegType flags, ArgBase& base) {
    if (!meta.map) return a.refuse(Rule::HelperArgument, "invalid map_ptr to access map->type");
    if (meta.map->type() != MapType::Sockmap && meta.map->type() != MapType::Sockhash) return true;
    if (flags != 0) return a.refuse(Rule::HelperArgument, "invalid arg_type for sockmap/sockhash");
    base = ArgBase::BtfIdSockCommon;
    return true;
}

}  // namespace

bool check_reg_type(Analysis& a, int regno, ArgBase base, RegType flags, std::string_view btf_type,
                    CallMeta& meta) {
    const RegState& reg = a.reg(regno);
    const std::span<const RegType> compatible = compatible_types(base);
    // Flags that the argument does not mind, or that mean nothing to it.
    RegType type = reg.type;
    if (flags & kRdonly) type &= ~kRdonly;
    if (flags & kMaybeNull) type &= ~kMaybeNull;
    if (base == ArgBase::Mem) type &= ~kDynptrFlags;
    if (meta.is(HelperId::kptr_xchg) && (type & kMemAlloc) && regno == 2)
        type &= ~(kMemAlloc | kPercpu);
    if (std::ranges::find(compatible, type) == compatible.end())
        return refuse_type(a, regno, compatible);
    if (base_type(reg.type) != kPtrToBtfId) return true;
    if (compatible.data() == kMemTypes) {
        if (flags & kRdonly) return true;
        return a.refuse(
            Rule::HelperArgument, "{}() may write into memory pointed by R{} type={}",
            meta.proto ? fmt::format("bpf_{}", platform::helper_info(meta.func).name) : "unknown",
            regno, a.type_name(reg.type));
    }
    return check_btf_arg(a, regno, base, flags, btf_type, meta);
}

bool check_arg_reg_off(Analysis& a, const RegState& reg, int regno, ArgBase base, bool release) {
    if (release) {
        if (base == ArgBase::Dynptr && reg.type == kPtrToStack) return true;
        if (reg.off != 0)
            return a.refuse(
                Rule::HelperArgument,
                "R{} must have zero offset when passed to release func or trusted arg to kfunc",
                regno);
        return a.check_ptr_off_reg(reg, regno, false);
    }
    switch (reg.type) {
        case kPtrToStack:
        case kPtrToPacket:
        case kPtrToPacketMeta:
        case kPtrToMapKey:
        case kPtrToMapValue:
        case kPtrToMem:
        case kPtrToMem | kRdonly:
        case kPtrToMem | kRingbuf:
        case kPtrToBuf:
        case kPtrToBuf | kRdonly:
        case kPtrToArena:
        case kScalar: return true;
        case kPtrToBtfId:
        case kPtrToBtfId | kMemAlloc:
        case kPtrToBtfId | kTrusted:
        case kPtrToBtfId | kRcu:
        case kPtrToBtfId | kMemAlloc | kNonOwnRef:
        case kPtrToBtfId | kMemAlloc | kNonOwnRef | kRcu:
            return a.check_ptr_off_reg(reg, regno, true);
        default: return a.check_ptr_off_reg(reg, regno, false);
    }
}

bool check_func_arg(Analysis& a, int arg, CallMeta& meta, uint32_t index) {
    const platform::ArgType& type = meta.proto->args[size_t(arg)];
    const RegType flags = static_cast<RegType>(type.flags);
    const int regno = arg + 1;
    ArgBase base = type.base;
    if (base == ArgBase::DontCare) return true;
    if (!a.check_reg_read(regno)) return false;
    if (base == ArgBase::Anything && flags == 0) {
        if (a.is_pointer_value(a.reg(regno)))
            return a.refuse(Rule::PointerLeak, "R{} leaks addr into helper function", regno);
        return true;
    }
    const RegState& reg = a.reg(regno);
    if (is_packet_pointer(reg.type) && !(a.may_access_direct_pkt_data(true, AccessType::Read) &&
                                         (meta.proto->is(platform::HelperProps::PktAccess) ||
                                          a.prog.type == ProgType::CgroupSockopt)))
        return a.refuse(Rule::HelperArgument, "helper access to the packet is not allowed");
    if (base == ArgBase::MapValue && !resolve_map_value_arg(a, meta, flags, base)) return false;

    if (reg.is_null() && (flags & kMaybeNull)) {
        if (!a.mark_chain_precision(regno)) return false;
    } else {
        if (!check_reg_type(a, regno, base, flags, type.btf_type, meta)) return false;
        if (!check_arg_reg_off(a, reg, regno, base, flags & kObjRelease)) return false;
    }
    if ((flags & kObjRelease) && !check_release_arg(a, regno, base, meta)) return false;
    if (const uint32_t ref = a.reg(regno).ref_obj_id; ref != 0 && base != ArgBase::KptrXchgDest) {
        if (meta.ref_obj_id != 0)
            return a.refuse(Rule::ReferenceUse, "more than one arg with ref_obj_id R{} {} {}",
                            regno, ref, meta.ref_obj_id);
        meta.ref_obj_id = ref;
    }
    return check_arg_meaning(a, arg, type, base, meta, index);
}

}  // namespace skep::verifier
