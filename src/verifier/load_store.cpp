// SPDX-License-Identifier: Apache-2.0
// The instructions that access memory.
#include "verifier/access.hpp"
#include "verifier/calls.hpp"

namespace skep::verifier {

using isa::Insn;

namespace {

/// Accesses through these are rewritten, or must survive faults: one way for each instruction.
bool needs_own_code(RegType type) {
    switch (base_type(type)) {
        case kPtrToCtx:
        case kPtrToSocket:
        case kPtrToSockCommon:
        case kPtrToTcpSock:
        case kPtrToXdpSock:
        case kPtrToBtfId:
        case kPtrToArena: return true;
        default: return false;
    }
}

bool is_mem_or_btf(RegType type) {
    return base_type(type) == kPtrToMem || base_type(type) == kPtrToBtfId;
}

}  // namespace

bool save_pointer_type(Analysis& a, RegType type, bool allow_trust_mismatch) {
    RegType& previous = a.aux[a.insn_index].ptr_type;
    if (previous == kNotInit) {
        previous = type;
        return true;
    }
    if (type == previous || (!needs_own_code(type) && !needs_own_code(previous))) return true;
    if (allow_trust_mismatch && is_mem_or_btf(type) && is_mem_or_btf(previous)) {
        const bool mem = base_type(type) == kPtrToMem || base_type(previous) == kPtrToMem;
        previous = (mem ? kPtrToMem : kPtrToBtfId) | ((type | previous) & (kUntrusted | kRdonly));
        return true;
    }
    return a.refuse(Rule::BadAccess, "same insn cannot be used with different pointers");
}

bool check_load(Analysis& a, const Insn& insn) {
    if (!a.check_reg_read(insn.src) || !a.check_reg_write(insn.dst, false)) return false;
    const RegType type = a.reg(insn.src).type;
    return a.check_mem_access(insn.src, insn.off, isa::width_bytes(insn.size()), AccessType::Read,
                              insn.dst, false, insn.mode() == isa::kMemSx) &&
           save_pointer_type(a, type, true);
}

namespace {

bool store_reg(Analysis& a, const Insn& insn, bool strict) {
    if (!a.check_reg_read(insn.src) || !a.check_reg_read(insn.dst)) return false;
    const RegType type = a.reg(insn.dst).type;
    return a.check_mem_access(insn.dst, insn.off, isa::width_bytes(insn.size()), AccessType::Write,
                              insn.src, strict) &&
           save_pointer_type(a, type, false);
}

bool atomic_pointer_ok(Analysis& a, int regno, const char* what) {
    const RegType type = a.reg(regno).type;
    if (type != kPtrToCtx && !is_packet_pointer(type) && type != kPtrToFlowKeys &&
        !is_sock_type(base_type(type)))
        return true;
    return a.refuse(Rule::BadAtomic, "BPF_ATOMIC {} R{} {} is not allowed", what, regno,
                    a.type_name(type));
}

bool check_read_modify_write(Analysis& a, const Insn& insn) {
    if (insn.size() != isa::kW && insn.size() != isa::kDw)
        return a.refuse(Rule::BadAtomic, "invalid atomic operand size");
    if (!a.check_reg_read(insn.src) || !a.check_reg_read(insn.dst)) return false;
    const bool compares = insn.imm == isa::kCmpXchg;
    if (compares) {
        if (!a.check_reg_read(0)) return false;
        if (a.is_pointer_value(a.reg(0)))
            return a.refuse(Rule::PointerLeak, "R0 leaks addr into mem");
    }
    if (a.is_pointer_value(a.reg(insn.src)))
        return a.refuse(Rule::PointerLeak, "R{} leaks addr into mem", int(insn.src));
    if (!atomic_pointer_ok(a, insn.dst, "stores into")) return false;
    const int load_reg = !(insn.imm & isa::kFetch) ? -1 : compares ? 0 : int(insn.src);
    if (load_reg >= 0 && !a.check_reg_write(load_reg)) return false;
    const int size = isa::width_bytes(insn.size());
    // Whether it can be read at all, then what the register gets.
    if (!a.check_mem_access(insn.dst, insn.off, size, AccessType::Read, -1, true)) return false;
    if (load_reg >= 0 &&
        !a.check_mem_access(insn.dst, insn.off, size, AccessType::Read, load_reg, true))
        return false;
    // Fetching into the pointer's own register leaves no pointer to store through; the kernel
    // looks at the type after the load.
    return save_pointer_type(a, a.reg(insn.dst).type, false) &&
           a.check_mem_access(insn.dst, insn.off, size, AccessType::Write, -1, true);
}

}  // namespace

bool check_store_reg(Analysis& a, const Insn& insn) {
    return store_reg(a, insn, false);
}

bool check_store_imm(Analysis& a, const Insn& insn) {
    if (!a.check_reg_read(insn.dst)) return false;
    const RegType type = a.reg(insn.dst).type;
    return a.check_mem_access(insn.dst, insn.off, isa::width_bytes(insn.size()), AccessType::Write,
                              -1) &&
           save_pointer_type(a, type, false);
}

bool check_atomic(Analysis& a, const Insn& insn) {
    switch (insn.imm) {
        case isa::kAdd:
        case isa::kAdd | isa::kFetch:
        case isa::kAnd:
        case isa::kAnd | isa::kFetch:
        case isa::kOr:
        case isa::kOr | isa::kFetch:
        case isa::kXor:
        case isa::kXor | isa::kFetch:
        case isa::kXchg:
        case isa::kCmpXchg: return check_read_modify_write(a, insn);
        case isa::kLoadAcq:
            if (!a.check_reg_read(insn.src) || !a.check_reg_write(insn.dst, false)) return false;
            {
                const RegType type = a.reg(insn.src).type;
                if (!atomic_pointer_ok(a, insn.src, "loads from")) return false;
                return a.check_mem_access(insn.src, insn.off, isa::width_bytes(insn.size()),
                                          AccessType::Read, insn.dst, true) &&
                       save_pointer_type(a, type, false);
            }
        case isa::kStoreRel:
            return a.check_reg_read(insn.dst) && atomic_pointer_ok(a, insn.dst, "stores into") &&
                   store_reg(a, insn, true);
        default:
            return a.refuse(Rule::BadAtomic, "BPF_ATOMIC uses invalid atomic opcode {:02x}",
                            uint32_t(insn.imm));
    }
}

bool check_legacy_load(Analysis& a, const Insn& insn) {
    switch (a.prog.type) {
        case ProgType::SocketFilter:
        case ProgType::SchedCls:
        case ProgType::SchedAct: break;
        default:
            return a.refuse(Rule::LegacyLoad,
                            "BPF_LD_[ABS|IND] instructions not allowed for this program type");
    }
    if (insn.dst || insn.off || insn.size() == isa::kDw || (insn.mode() == isa::kAbs && insn.src))
        return a.refuse(Rule::BadInsn, "BPF_LD_[ABS|IND] uses reserved fields");
    constexpr int kCtxReg = 6;
    if (!a.check_reg_read(kCtxReg)) return false;
    // It returns from the program where the packet is too short: everything must be given back.
    if (!check_resource_leak(a, false, true, "BPF_LD_[ABS|IND]")) return false;
    if (a.reg(kCtxReg).type != kPtrToCtx)
        return a.refuse(Rule::LegacyLoad, "at the time of BPF_LD_ABS|IND R6 != pointer to skb");
    if (insn.mode() == isa::kInd && !a.check_reg_read(insn.src)) return false;
    if (!a.check_ptr_off_reg(a.reg(kCtxReg), kCtxReg)) return false;
    a.clear_caller_saved();
    a.mark_reg_unknown(0);
    return true;
}

}  // namespace skep::verifier
