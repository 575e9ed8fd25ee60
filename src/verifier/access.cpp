// SPDX-License-Identifier: Apache-2.0
#include "verifier/access.hpp"

#include <cstring>

#include "platform/ctx.hpp"
#include "platform/limits.hpp"
#include "platform/verdicts.hpp"
#include "verifier/calls.hpp"
#include "verifier/facts.hpp"

namespace skep::verifier {

std::string to_string(Tnum bits) {
    if (bits.is_constant()) return fmt::format("0x{:x}", bits.value);
    return fmt::format("({:#x}; {:#x})", bits.value, bits.mask);
}

bool Analysis::check_ptr_off_reg(const RegState& reg, int regno, bool fixed_off_ok) {
    if (reg.off < 0)
        return refuse(Rule::CtxPointer, "negative offset {} ptr R{} off={} disallowed",
                      type_name(reg.type), regno, reg.off);
    if (!fixed_off_ok && reg.off)
        return refuse(Rule::CtxPointer, "dereference of modified {} ptr R{} off={} disallowed",
                      type_name(reg.type), regno, reg.off);
    if (!reg.value.is_zero())
        return refuse(Rule::CtxPointer, "variable {} access var_off={} disallowed",
                      type_name(reg.type), to_string(reg.value.bits));
    return true;
}

bool Analysis::check_ptr_alignment(const RegState& reg, int off, int size, bool strict_once) {
    bool strict = strict_alignment || strict_once;
    const char* what = "";
    int extra = 0;
    switch (reg.type) {
        case kPtrToPacket:
        case kPtrToPacketMeta:
            extra = 2;  // NET_IP_ALIGN: packets start two bytes after an aligned address
            what = "packet ";
            break;
        case kPtrToFlowKeys: what = "flow keys "; break;
        case kPtrToMapKey: what = "key "; break;
        case kPtrToMapValue: what = "value "; break;
        case kPtrToCtx: what = "context "; break;
        case kPtrToStack:
            what = "stack ";
            strict = true;  // spills must be whole slots
            break;
        case kPtrToSocket: what = "sock "; break;
        case kPtrToSockCommon: what = "sock_common "; break;
        case kPtrToTcpSock: what = "tcp_sock "; break;
        case kPtrToXdpSock: what = "xdp_sock "; break;
        case kPtrToArena: return true;
        default: break;
    }
    if (!strict || size == 1) return true;
    const Tnum address =
        tnum_add(reg.value.bits, Tnum::constant(uint64_t(int64_t{extra} + reg.off + off)));
    if (tnum_is_aligned(address, uint64_t(size))) return true;
    if (extra)
        return refuse(Rule::Misaligned, "misaligned packet access off {}+{}+{}+{} size {}", extra,
                      to_string(reg.value.bits), reg.off, off, size);
    return refuse(Rule::Misaligned, "misaligned {}access off {}+{}+{} size {}", what,
                  to_string(reg.value.bits), reg.off, off, size);
}

namespace {

constexpr const char* kNegativeIndex =
    "R{} min value is negative, either use unsigned index or do a if (index >=0) check.";

/// Sums of offsets turn over where they do not fit, as they do at run time.
int64_t wrapped_add(int64_t a, int64_t b) {
    return int64_t(uint64_t(a) + uint64_t(b));
}

/// One end of an access.
bool inside(Analysis& a, int regno, int64_t off, int size, uint32_t mem_size,
            bool zero_size_allowed, const char* end) {
    const bool size_ok = size > 0 || (size == 0 && zero_size_allowed);
    if (off >= 0 && size_ok && uint64_t(off) + uint64_t(size) <= mem_size) return true;
    const RegState& reg = a.reg(regno);
    std::string tail = *end ? fmt::format("\nR{} {}", regno, end) : std::string();
    switch (reg.type) {
        case kPtrToMapKey:
            return a.refuse(Rule::MemBounds,
                            "invalid access to map key, key_size={} off={} size={}{}", mem_size,
                            off, size, tail);
        case kPtrToMapValue:
            return a.refuse(Rule::MapValueBounds,
                            "invalid access to map value, value_size={} off={} size={}{}", mem_size,
                            off, size, tail);
        case kPtrToPacket:
        case kPtrToPacketMeta:
        case kPtrToPacketEnd:
            return a.refuse(Rule::PacketBounds,
                            "invalid access to packet, off={} size={}, R{}(id={},off={},r={}){}",
                            off, size, regno, reg.id, off, mem_size, tail);
        default:
            return a.refuse(Rule::MemBounds,
                            "invalid access to memory, mem_size={} off={} size={}{}", mem_size, off,
                            size, tail);
    }
}

}  // namespace

bool Analysis::check_mem_region_access(int regno, int off, int size, uint32_t mem_size,
                                       bool zero_size_allowed) {
    const Scalar& value = reg(regno).value;
    const int64_t lowest = wrapped_add(value.smin, off);
    if (value.smin < 0 &&
        (value.smin == INT64_MIN || lowest != int64_t{int32_t(lowest)} || lowest < 0))
        return refuse(Rule::NegativeOffset, kNegativeIndex, regno);
    if (!inside(*this, regno, lowest, size, mem_size, zero_size_allowed,
                "min value is outside of the allowed memory range"))
        return false;
    if (value.umax >= uint64_t(platform::kMaxVarOffset))
        return refuse(Rule::UnboundedAccess,
                      "R{} unbounded memory access, make sure to bounds check any such access",
                      regno);
    return inside(*this, regno, int64_t(value.umax) + off, size, mem_size, zero_size_allowed,
                  "max value is outside of the allowed memory range");
}

bool Analysis::check_packet_access(int regno, int off, int size, bool zero_size_allowed) {
    const RegState& ptr = reg(regno);
    if (ptr.value.smin < 0) return refuse(Rule::NegativeOffset, kNegativeIndex, regno);
    if (ptr.packet_range < 0)
        return refuse(Rule::PacketBounds, "R{} offset is outside of the packet", regno);
    return inside(*this, regno, off, size, uint32_t(ptr.packet_range), zero_size_allowed,
                  "offset is outside of the packet");
}

bool Analysis::check_map_access_type(int regno, int off, int size, AccessType type) {
    const MapInfo& map = *reg(regno).map;
    constexpr uint32_t kRdonlyProg = 1u << 7, kWronlyProg = 1u << 8;
    if (type == AccessType::Write && (map.spec->flags & kRdonlyProg))
        return refuse(Rule::ReadOnly, "write into map forbidden, value_size={} off={} size={}",
                      map.spec->value_size, off, size);
    if (type == AccessType::Read && (map.spec->flags & kWronlyProg))
        return refuse(Rule::ReadOnly, "read from map forbidden, value_size={} off={} size={}",
                      map.spec->value_size, off, size);
    return true;
}

bool Analysis::may_access_direct_pkt_data(bool is_helper, AccessType type) const {
    switch (prog.type) {
        case ProgType::LwtIn:
        case ProgType::LwtOut:
        case ProgType::LwtSeg6local:
        case ProgType::SkReuseport:
        case ProgType::FlowDissector:
        case ProgType::CgroupSkb:
            if (type == AccessType::Write) return false;
            return true;
        case ProgType::SchedCls:
        case ProgType::SchedAct:
        case ProgType::Xdp:
        case ProgType::LwtXmit:
        case ProgType::SkSkb:
        case ProgType::SkMsg:
        case ProgType::CgroupSockopt: return true;
        default: return (void)is_helper, false;
    }
}

bool Analysis::check_buffer_access(int regno, int off, int size, bool, std::string_view what,
                                   uint32_t& max_access) {
    if (off < 0)
        return refuse(Rule::MemBounds, "R{} invalid {} buffer access: off={}, size={}", regno, what,
                      off, size);
    const Scalar& value = reg(regno).value;
    if (!value.is_zero())
        return refuse(Rule::MemBounds, "R{} invalid variable buffer offset: off={}, var_off={}",
                      regno, off, to_string(value.bits));
    max_access = std::max(max_access, uint32_t(off + size));
    return true;
}

bool Analysis::check_map_access(int regno, int off, int size, bool zero_size_allowed,
                                AccessSource source) {
    const RegState& ptr = reg(regno);
    const uint32_t most =
        ptr.type == kPtrToMapKey ? ptr.map->spec->key_size : ptr.map->spec->value_size;
    if (!check_mem_region_access(regno, off, size, most, zero_size_allowed)) return false;
    return check_map_fields(*this, regno, off, size, source);
}

namespace {

struct Access {
    int regno;
    int off;  // with the pointer's fixed part
    int size;
    AccessType type;
    int value_regno;
    bool is_ldsx;

    bool loads() const { return type == AccessType::Read && value_regno >= 0; }
    bool writes() const { return type == AccessType::Write; }
};

/// A store would show a pointer to somebody.
bool refuse_leak(Analysis& a, const Access& access, const char* into, bool& ok) {
    if (!access.writes() || access.value_regno < 0 ||
        !a.is_pointer_value(a.reg(access.value_regno)))
        return ok = true;
    ok = false;
    return a.refuse(Rule::PointerLeak, "R{} leaks addr into {}", access.value_regno, into);
}
#define REFUSE_LEAK(into)                                     \
    do {                                                      \
        bool ok_;                                             \
        if (!refuse_leak(a, access, into, ok_)) return false; \
    } while (0)

bool refuse_write(Analysis& a, const Access& access) {
    return a.refuse(Rule::ReadOnly, "R{} cannot write into {}", access.regno,
                    a.type_name(a.reg(access.regno).type));
}

/// The bytes of a read-only map that never change: what the program's loader put there.
bool constant_value(const MapInfo& map, int64_t off, int size, bool is_signed, uint64_t& value) {
    using Origin = object::MapSpec::Origin;
    if (map.type() != MapType::Array || map.spec->max_entries != 1 || map.is_inner) return false;
    if (map.spec->origin != Origin::Rodata && map.spec->origin != Origin::Kconfig) return false;
    const Bytes& bytes = map.spec->initial_value;
    uint8_t raw[8] = {};
    for (int i = 0; i < size; ++i)
        if (uint64_t(off + i) < bytes.size()) raw[i] = uint8_t(bytes[size_t(off + i)]);
    std::memcpy(&value, raw, 8);
    if (is_signed) {
        const int unused = 64 - size * 8;
        value = uint64_t(int64_t(value << unused) >> unused);
    }
    return true;
}

bool access_map_value(Analysis& a, const Access& access) {
    REFUSE_LEAK("map");
    if (!a.check_map_access_type(access.regno, access.off, access.size, access.type) ||
        !a.check_map_access(access.regno, access.off, access.size, false, AccessSource::Direct))
        return false;
    bool handled = false;
    if (!access_map_field(a, access.regno, access.off, access.size, access.type, access.value_regno,
                          handled))
        return false;
    if (handled || !access.loads()) return true;
    const RegState& ptr = a.reg(access.regno);
    uint64_t value;
    if (ptr.value.is_constant() &&
        constant_value(*ptr.map, int64_t(ptr.value.constant_value()) + access.off, access.size,
                       access.is_ldsx, value)) {
        a.reg_mut(access.value_regno).set_constant(value);
    } else {
        a.mark_reg_unknown(access.value_regno);
    }
    return true;
}

bool access_mem(Analysis& a, const Access& access) {
    const RegType type = a.reg(access.regno).type;
    const bool rdonly = type & kRdonly;
    if (may_be_null(type))
        return a.refuse(Rule::NullAccess, "R{} invalid mem access '{}'", access.regno,
                        a.type_name(type));
    if (access.writes() && rdonly) return refuse_write(a, access);
    REFUSE_LEAK("mem");
    // Loads through untrusted memory survive a bad address, so any will do.
    if (!(rdonly && (type & kUntrusted)) &&
        !a.check_mem_region_access(access.regno, access.off, access.size,
                                   a.reg(access.regno).mem_size, false))
        return false;
    if (access.value_regno >= 0 && (!access.writes() || rdonly))
        a.mark_reg_unknown(access.value_regno);
    return true;
}

RegType type_of(platform::CtxKind kind) {
    using platform::CtxKind;
    switch (kind) {
        case CtxKind::Scalar: return kScalar;
        case CtxKind::Packet: return kPtrToPacket;
        case CtxKind::PacketMeta: return kPtrToPacketMeta;
        case CtxKind::PacketEnd: return kPtrToPacketEnd;
        case CtxKind::Sock: return kPtrToSocket;
        case CtxKind::SockOrNull: return kPtrToSocket | kMaybeNull;
        case CtxKind::SockCommonOrNull: return kPtrToSockCommon | kMaybeNull;
        case CtxKind::FlowKeys: return kPtrToFlowKeys;
        case CtxKind::TpBuffer: return kPtrToTpBuffer;
        case CtxKind::KernelStruct: return kPtrToBtfId | kTrusted;
    }
    return kScalar;
}

bool access_ctx(Analysis& a, const Access& access) {
    REFUSE_LEAK("ctx");
    if (!a.check_ptr_off_reg(a.reg(access.regno), access.regno)) return false;
    RegState loaded;
    bool described = false;
    if (!check_btf_ctx_access(a, access.off, access.size, access.type, loaded, described))
        return false;
    if (!described) {
        const platform::CtxAccess answer = platform::ctx_access(
            a.prog.type, a.prog.attach_type, access.off, uint32_t(access.size), access.writes());
        if (!answer.allowed())
            return a.refuse(Rule::CtxAccess, "invalid bpf_context access off={} size={}",
                            access.off, access.size);
        const RegType type = type_of(answer.kind);
        // Half of an address with its sign is no address.
        if (access.is_ldsx && type != kScalar)
            return a.refuse(Rule::CtxAccess, "invalid bpf_context access off={} size={}",
                            access.off, access.size);
        if (type == kScalar)
            loaded.set_unknown(!a.privileged);
        else
            loaded.set_pointer(type);
    }
    if (!access.loads()) return true;
    if (may_be_null(loaded.type)) loaded.id = a.next_id();
    a.reg_mut(access.value_regno) = loaded;
    return true;
}

bool access_packet(Analysis& a, const Access& access) {
    if (access.writes() && !a.may_access_direct_pkt_data(false, access.type))
        return a.refuse(Rule::ReadOnly, "cannot write into packet");
    if (access.writes()) a.seen_direct_write = true;
    REFUSE_LEAK("packet");
    if (!a.check_packet_access(access.regno, access.off, access.size, false)) return false;
    if (access.loads()) a.mark_reg_unknown(access.value_regno);
    return true;
}

bool access_flow_keys(Analysis& a, const Access& access) {
    constexpr int kFlowKeysSize = 56;  // sizeof(struct bpf_flow_keys)
    REFUSE_LEAK("flow keys");
    if (access.size < 0 || access.off < 0 || access.off + access.size > kFlowKeysSize)
        return a.refuse(Rule::MemBounds, "invalid access to flow keys off={} size={}", access.off,
                        access.size);
    if (access.loads()) a.mark_reg_unknown(access.value_regno);
    return true;
}

bool access_buffer(Analysis& a, const Access& access) {
    const RegType type = a.reg(access.regno).type;
    const bool rdonly = type & kRdonly;
    if (access.writes() && rdonly) return refuse_write(a, access);
    uint32_t size = 0;
    if (!a.check_buffer_access(access.regno, access.off, access.size, false,
                               base_type(type) == kPtrToTpBuffer ? "tracepoint"
                               : rdonly                          ? "rdonly"
                                                                 : "rdwr",
                               size))
        return false;
    if (access.value_regno >= 0 && (rdonly || !access.writes()))
        a.mark_reg_unknown(access.value_regno);
    return true;
}

bool access_sock(Analysis& a, const Access& access) {
    if (access.writes()) return refuse_write(a, access);
    if (a.reg(access.regno).value.smin < 0)
        return a.refuse(Rule::NegativeOffset, kNegativeIndex, access.regno);
    if (!check_sock_access(a, access.regno, access.off, access.size, access.type)) return false;
    if (access.value_regno >= 0) a.mark_reg_unknown(access.value_regno);
    return true;
}

bool access_map_key(Analysis& a, const Access& access) {
    if (access.writes())
        return a.refuse(Rule::ReadOnly, "write to change key R{} not allowed", access.regno);
    if (!a.check_mem_region_access(access.regno, access.off, access.size,
                                   a.reg(access.regno).map->spec->key_size, false))
        return false;
    if (access.value_regno >= 0) a.mark_reg_unknown(access.value_regno);
    return true;
}

bool access_by_type(Analysis& a, const Access& access) {
    const RegType type = a.reg(access.regno).type;
    switch (type) {
        case kPtrToMapKey: return access_map_key(a, access);
        case kPtrToMapValue: return access_map_value(a, access);
        case kPtrToCtx: return access_ctx(a, access);
        case kPtrToStack:
            return check_stack_access(a, access.regno, access.off, access.size, access.type,
                                      access.value_regno);
        case kPtrToPacket:
        case kPtrToPacketMeta: return access_packet(a, access);
        case kPtrToFlowKeys: return access_flow_keys(a, access);
        case kPtrToTpBuffer: return access_buffer(a, access);
        case kPtrToArena:
            if (access.loads()) a.mark_reg_unknown(access.value_regno);
            return true;
        case kConstPtrToMap:
            return check_map_ptr_access(a, access.regno, access.off, access.size, access.type,
                                        access.value_regno);
        default: break;
    }
    if (is_sock_type(type)) return access_sock(a, access);
    switch (base_type(type)) {
        case kPtrToMem: return access_mem(a, access);
        case kPtrToBtfId:
            if (!may_be_null(type))
                return check_btf_access(a, access.regno, access.off, access.size, access.type,
                                        access.value_regno);
            break;
        case kPtrToBuf:
            if (!may_be_null(type)) return access_buffer(a, access);
            break;
        default: break;
    }
    return a.refuse(may_be_null(type) ? Rule::NullAccess : Rule::BadAccess,
                    "R{} invalid mem access '{}'", access.regno, a.type_name(type));
}

}  // namespace

bool Analysis::check_mem_access(int regno, int off, int size, AccessType type, int value_regno,
                                bool strict_alignment_once, bool is_ldsx) {
    if (!check_ptr_alignment(reg(regno), off, size, strict_alignment_once)) return false;
    const Access access{regno, off + reg(regno).off, size, type, value_regno, is_ldsx};
    if (options.facts) note_access(*this, reg(regno), access.off, size);
    if (!access_by_type(*this, access)) return false;
    if (size < 8 && access.loads() && reg(value_regno).type == kScalar) {
        Scalar& value = reg_mut(value_regno).value;
        if (is_ldsx)
            value.sign_extend(uint8_t(size));
        else
            value.truncate(uint8_t(size));
    }
    return true;
}

}  // namespace skep::verifier
