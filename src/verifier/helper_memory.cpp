// SPDX-License-Identifier: Apache-2.0
// Memory that a callee reads or writes through an argument: check_helper_mem_access() and
// check_mem_size_reg() of Linux 6.18.
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

constexpr uint64_t kMaxVariableSize = uint64_t{1} << 29;  // BPF_MAX_VAR_SIZ

// Contexts without conversion are the kernel's own structs, whose size only BTF or the access
// rules know: their last byte is asked for.
bool has_raw_ctx(ProgType type) {
    switch (type) {
        case ProgType::Kprobe:
        case ProgType::Tracepoint:
        case ProgType::RawTracepoint:
        case ProgType::RawTracepointWritable:
        case ProgType::Tracing:
        case ProgType::Lsm:
        case ProgType::StructOps:
        case ProgType::Syscall:
        case ProgType::Netfilter:
        case ProgType::CgroupDevice:
        case ProgType::LircMode2: return true;
        default: return false;
    }
}

bool holds_pointers(MapType type) {
    return type == MapType::ArrayOfMaps || type == MapType::HashOfMaps || type == MapType::Xskmap ||
           type == MapType::Sockmap || type == MapType::Sockhash;
}

bool refuse_mem_type(Analysis& a, int regno) {
    return a.refuse(Rule::HelperArgument, "R{} type={} expected={}", regno,
                    a.type_name(a.reg(regno).type), a.type_name(kPtrToStack));
}

}  // namespace

bool check_helper_mem_access(Analysis& a, int regno, uint32_t size, AccessType type,
                             bool zero_size_allowed, CallMeta* meta) {
    const RegState& reg = a.reg(regno);
    const int bytes = int(size);
    const RegType base = base_type(reg.type);
    switch (base) {
        case kPtrToPacket:
        case kPtrToPacketMeta:
            return a.check_packet_access(regno, reg.off, bytes, zero_size_allowed);
        case kPtrToMapKey:
            if (type == AccessType::Write)
                return a.refuse(Rule::ReadOnly, "R{} cannot write into {}", regno,
                                a.type_name(reg.type));
            return a.check_mem_region_access(regno, reg.off, bytes, reg.map->spec->key_size, false);
        case kPtrToMapValue:
            return a.check_map_access_type(regno, reg.off, bytes, type) &&
                   a.check_map_access(regno, reg.off, bytes, zero_size_allowed,
                                      AccessSource::Helper);
        case kPtrToMem:
            if ((reg.type & kRdonly) && type == AccessType::Write)
                return a.refuse(Rule::ReadOnly, "R{} cannot write into {}", regno,
                                a.type_name(reg.type));
            return a.check_mem_region_access(regno, reg.off, bytes, reg.mem_size,
                                             zero_size_allowed);
        case kPtrToBuf: {
            const bool read_only = reg.type & kRdonly;
            if (read_only && type == AccessType::Write)
                return a.refuse(Rule::ReadOnly, "R{} cannot write into {}", regno,
                                a.type_name(reg.type));
            CallData& data = call_data(a);
            return a.check_buffer_access(regno, reg.off, bytes, zero_size_allowed,
                                         read_only ? "rdonly" : "rdwr",
                                         read_only ? data.max_rdonly_access : data.max_rdwr_access);
        }
        case kPtrToStack: {
            const bool uninit = meta && meta->raw_mode && reg.value.is_constant();
            const bool clobber = type == AccessType::Write || a.rules.helpers_clobber;
            if (!a.check_stack_range_initialized(regno, reg.off, bytes, zero_size_allowed, type,
                                                 uninit, clobber))
                return false;
            if (uninit) {
                meta->raw_regno = regno;
                meta->raw_size = size;
            }
            return true;
        }
        case kPtrToBtfId: return check_btf_access(a, regno, reg.off, bytes, AccessType::Read, -1);
        default: break;
    }
    if (base == kPtrToCtx && has_raw_ctx(a.prog.type)) {
        if (size == 0) return zero_size_allowed || refuse_mem_type(a, regno);
        return a.check_mem_access(regno, bytes - 1, 1, type, -1);
    }
    if (zero_size_allowed && size == 0 && reg.is_null()) return true;
    return refuse_mem_type(a, regno);
}

bool check_mem_size_reg(Analysis& a, int regno, AccessType type, bool zero_size_allowed,
                        CallMeta* meta) {
    const Scalar& size = a.reg(regno).value;
    if (meta) meta->msize_max = size.umax;
    // Of a variable size the callee may fill less than the whole.
    if (!size.is_constant()) meta = nullptr;
    if (size.smin < 0)
        return a.refuse(Rule::NegativeOffset,
                        "R{} min value is negative, either use unsigned or 'var &= const'", regno);
    if (size.umin == 0 && !zero_size_allowed)
        return a.refuse(Rule::HelperArgument, "R{} invalid zero-sized read: u64=[{},{}]", regno,
                        int64_t(size.umin), int64_t(size.umax));
    if (size.umax >= kMaxVariableSize)
        return a.refuse(Rule::UnboundedAccess,
                        "R{} unbounded memory access, use 'var &= const' or 'if (var < const)'",
                        regno);
    return check_helper_mem_access(a, regno - 1, uint32_t(size.umax), type, zero_size_allowed,
                                   meta) &&
           a.mark_chain_precision(regno);
}

bool check_mem_reg(Analysis& a, int regno, uint32_t mem_size) {
    const RegState saved = a.reg(regno);
    if (saved.is_null()) return true;
    // Whether it may be null is the caller's to judge; here it is not. (What looks like the value
    // of such a map would then be a map or a socket.)
    if (saved.type == (kPtrToMapValue | kMaybeNull) && holds_pointers(saved.map->type()))
        return refuse_mem_type(a, regno);
    if (may_be_null(saved.type)) a.reg_mut(regno).type &= ~kMaybeNull;
    const bool ok = check_helper_mem_access(a, regno, mem_size, AccessType::Read, true, nullptr) &&
                    check_helper_mem_access(a, regno, mem_size, AccessType::Write, true, nullptr);
    if (may_be_null(saved.type)) a.reg_mut(regno).type = saved.type;
    return ok;
}

std::string_view const_string(const RegState& reg) {
    const object::MapSpec& map = *reg.map->spec;
    const size_t offset = size_t(int64_t(reg.off) + int64_t(reg.value.constant_value()));
    if (offset >= map.initial_value.size()) return {};
    const auto* bytes = reinterpret_cast<const char*>(map.initial_value.data());
    return {bytes + offset, map.initial_value.size() - offset};
}

bool check_const_str(Analysis& a, int regno) {
    const RegState& reg = a.reg(regno);
    const object::MapSpec& map = *reg.map->spec;
    constexpr uint32_t rdonly_prog = 1u << 7;  // BPF_F_RDONLY_PROG
    // The loader freezes .rodata and .kconfig; nobody else's map is constant.
    const bool frozen = map.origin == object::MapSpec::Origin::Rodata ||
                        map.origin == object::MapSpec::Origin::Kconfig;
    if (!(map.flags & rdonly_prog) || !frozen)
        return a.refuse(Rule::HelperArgument, "R{} does not point to a readonly map'", regno);
    if (!reg.value.is_constant())
        return a.refuse(Rule::HelperArgument, "R{} is not a constant address'", regno);
    if (map.type != MapType::Array)
        return a.refuse(Rule::HelperArgument, "no direct value access support for this map type");
    if (!a.check_map_access(regno, reg.off, int(map.value_size) - reg.off, false,
                            AccessSource::Helper))
        return false;
    // Bytes that no initial value says are zero.
    if (map.initial_value.empty()) return true;
    if (const_string(reg).find('\0') == std::string_view::npos)
        return a.refuse(Rule::HelperArgument, "string is not zero-terminated");
    return true;
}

}  // namespace skep::verifier
