// SPDX-License-Identifier: Apache-2.0
#include "engine/ops.hpp"

#include "isa/decode.hpp"
#include "platform/helpers.hpp"

namespace skep::engine {

namespace {

using isa::Insn;

/// The four forms of an operation follow each other: 64K, 64X, 32K, 32X.
OpCode form(OpCode first, bool is_64, bool is_register) {
    return OpCode(uint16_t(first) + (is_64 ? 0 : 2) + (is_register ? 1 : 0));
}

/// The four widths of an access follow each other: B, H, W, DW.
OpCode sized(OpCode first, uint8_t size) {
    const int index = size == isa::kB ? 0 : size == isa::kH ? 1 : size == isa::kW ? 2 : 3;
    return OpCode(uint16_t(first) + index);
}

OpCode alu_first(const Insn& insn) {
    switch (insn.operation()) {
        case isa::kAdd: return OpCode::Add64K;
        case isa::kSub: return OpCode::Sub64K;
        case isa::kMul: return OpCode::Mul64K;
        case isa::kDiv: return insn.off == 1 ? OpCode::Sdiv64K : OpCode::Div64K;
        case isa::kMod: return insn.off == 1 ? OpCode::Smod64K : OpCode::Mod64K;
        case isa::kOr: return OpCode::Or64K;
        case isa::kAnd: return OpCode::And64K;
        case isa::kXor: return OpCode::Xor64K;
        case isa::kLsh: return OpCode::Lsh64K;
        case isa::kRsh: return OpCode::Rsh64K;
        case isa::kArsh: return OpCode::Arsh64K;
        case isa::kMov: return OpCode::Mov64K;
        default: return OpCode::Invalid;
    }
}

OpCode end_code(const Insn& insn) {
    // Class ALU64: bswap, unconditional. On a little-endian host "to little" only truncates.
    const bool swap = insn.cls() == isa::kAlu64 || (insn.opcode & 0x08) == isa::kToBe;
    switch (insn.imm) {
        case 16: return swap ? OpCode::Be16 : OpCode::Le16;
        case 32: return swap ? OpCode::Be32 : OpCode::Le32;
        case 64: return swap ? OpCode::Be64 : OpCode::Nop;
        default: return OpCode::Invalid;
    }
}

OpCode mov_sx(const Insn& insn) {
    const bool is_64 = insn.cls() == isa::kAlu64;
    switch (insn.off) {
        case 8: return is_64 ? OpCode::MovSx64B : OpCode::MovSx32B;
        case 16: return is_64 ? OpCode::MovSx64H : OpCode::MovSx32H;
        case 32: return is_64 ? OpCode::MovSx64W : OpCode::Invalid;
        default: return OpCode::Invalid;
    }
}

Op alu(const Insn& insn) {
    const bool is_64 = insn.cls() == isa::kAlu64;
    Op op{.dst = insn.dst, .src = insn.src, .imm = uint64_t(int64_t{insn.imm})};
    if (insn.operation() == isa::kNeg)
        op.code = uint16_t(is_64 ? OpCode::Neg64 : OpCode::Neg32);
    else if (insn.operation() == isa::kEnd)
        op.code = uint16_t(end_code(insn));
    else if (insn.operation() == isa::kMov && insn.uses_src_register() && insn.off != 0)
        op.code = uint16_t(mov_sx(insn));
    else
        op.code = uint16_t(form(alu_first(insn), is_64, insn.uses_src_register()));
    return op;
}

OpCode jump_first(uint8_t operation) {
    switch (operation) {
        case isa::kJeq: return OpCode::Jeq64K;
        case isa::kJne: return OpCode::Jne64K;
        case isa::kJgt: return OpCode::Jgt64K;
        case isa::kJge: return OpCode::Jge64K;
        case isa::kJlt: return OpCode::Jlt64K;
        case isa::kJle: return OpCode::Jle64K;
        case isa::kJset: return OpCode::Jset64K;
        case isa::kJsgt: return OpCode::Jsgt64K;
        case isa::kJsge: return OpCode::Jsge64K;
        case isa::kJslt: return OpCode::Jslt64K;
        case isa::kJsle: return OpCode::Jsle64K;
        default: return OpCode::Invalid;
    }
}

OpCode call_code(const Insn& insn) {
    if (insn.uses_src_register()) return OpCode::CallRegister;
    if (insn.src == isa::kCallLocal) return OpCode::CallLocal;
    if (insn.src == isa::kCallKfunc) return OpCode::CallKfunc;
    return insn.imm == int32_t(platform::HelperId::tail_call) ? OpCode::TailCall
                                                              : OpCode::CallHelper;
}

OpCode conditional(const Insn& insn, bool backward) {
    const OpCode first = jump_first(insn.operation());
    if (first == OpCode::Invalid) return first;
    return OpCode(uint16_t(form(first, insn.cls() == isa::kJmp, insn.uses_src_register())) +
                  (backward ? kBackForms : 0));
}

Op jump(const Insn& insn, size_t index) {
    Op op{.dst = insn.dst, .src = insn.src, .imm = uint64_t(int64_t{insn.imm})};
    if (const auto target = isa::jump_target(insn, index))
        op.off = int32_t(*target - int64_t(index));
    switch (insn.operation()) {
        case isa::kJa: op.code = uint16_t(op.off > 0 ? OpCode::Ja : OpCode::JaBack); break;
        case isa::kJcond: op.code = uint16_t(OpCode::MayGoto); break;
        case isa::kExit: op.code = uint16_t(OpCode::Exit); break;
        case isa::kCall:
            op.code = uint16_t(call_code(insn));
            if (const auto target = isa::function_target(insn, index))
                op.off = int32_t(*target - int64_t(index));
            break;
        default: op.code = uint16_t(conditional(insn, op.off <= 0));
    }
    return op;
}

struct AtomicRow {
    int32_t imm;
    OpCode first;  // of W and DW
};
constexpr AtomicRow kAtomics[] = {
    {isa::kAdd, OpCode::AtomicAddW},
    {isa::kOr, OpCode::AtomicOrW},
    {isa::kAnd, OpCode::AtomicAndW},
    {isa::kXor, OpCode::AtomicXorW},
    {isa::kAdd | isa::kFetch, OpCode::FetchAddW},
    {isa::kOr | isa::kFetch, OpCode::FetchOrW},
    {isa::kAnd | isa::kFetch, OpCode::FetchAndW},
    {isa::kXor | isa::kFetch, OpCode::FetchXorW},
    {isa::kXchg, OpCode::XchgW},
    {isa::kCmpXchg, OpCode::CmpXchgW},
};

OpCode atomic_code(const Insn& insn) {
    if (insn.imm == isa::kLoadAcq) return sized(OpCode::LoadAcquireB, insn.size());
    if (insn.imm == isa::kStoreRel) return sized(OpCode::StoreReleaseB, insn.size());
    for (const AtomicRow& row : kAtomics)
        if (row.imm == insn.imm)
            return OpCode(uint16_t(row.first) + (insn.size() == isa::kDw ? 1 : 0));
    return OpCode::Invalid;
}

/// Whether an access by r10 lies in the 512 bytes below it.
bool inside_frame(const Insn& insn, uint8_t base) {
    return base == isa::kMaxRegister && insn.off >= -isa::kStackSize &&
           insn.off + isa::width_bytes(insn.size()) <= 0;
}

OpCode memory_code(const Insn& insn) {
    if (insn.mode() == isa::kAtomic) return atomic_code(insn);
    switch (insn.cls()) {
        case isa::kLdx:
            if (insn.mode() == isa::kMemSx) return sized(OpCode::LoadSxB, insn.size());
            return sized(inside_frame(insn, insn.src) ? OpCode::PlainLoadB : OpCode::LoadB,
                         insn.size());
        case isa::kStx:
            return sized(inside_frame(insn, insn.dst) ? OpCode::PlainStoreB : OpCode::StoreB,
                         insn.size());
        default:
            return sized(inside_frame(insn, insn.dst) ? OpCode::PlainStoreImmB : OpCode::StoreImmB,
                         insn.size());
    }
}

Op memory(const Insn& insn) {
    return {.code = uint16_t(memory_code(insn)),
            .dst = insn.dst,
            .src = insn.src,
            .off = insn.off,
            .imm = uint64_t(int64_t{insn.imm})};
}

/// Legacy packet loads: the width goes where these have no offset.
Op packet_load(const Insn& insn) {
    return {.code = uint16_t(insn.mode() == isa::kAbs ? OpCode::PacketAbs : OpCode::PacketInd),
            .dst = 0,
            .src = insn.src,
            .off = isa::width_bytes(insn.size()),
            .imm = uint64_t(int64_t{insn.imm})};
}

Op wide(isa::InsnView insns, size_t index) {
    const Insn& insn = insns[index];
    Op op{.code = uint16_t(OpCode::Lddw),
          .dst = insn.dst,
          .src = insn.src,
          .imm = isa::wide_imm(insns, index)};
    if (const auto target = isa::function_target(insn, index)) op.imm = uint64_t(*target);
    return op;
}

Op make_op(isa::InsnView insns, size_t index) {
    const Insn& insn = insns[index];
    switch (insn.cls()) {
        case isa::kAlu:
        case isa::kAlu64: return alu(insn);
        case isa::kJmp:
        case isa::kJmp32: return jump(insn, index);
        case isa::kLd: return insn.is_wide() ? wide(insns, index) : packet_load(insn);
        default: return memory(insn);
    }
}

}  // namespace

OpCode plain(OpCode checked) {
    constexpr int kDistance = int(OpCode::PlainLoadB) - int(OpCode::LoadB);
    static_assert(int(OpCode::PlainCmpXchgDW) - int(OpCode::CmpXchgDW) == kDistance);
    return OpCode(int(checked) + kDistance);
}

Result<std::vector<Op>> make_ops(isa::InsnView insns) {
    std::vector<Op> ops(insns.size() + 1);
    for (size_t i = 0; i < insns.size(); i += insns[i].slots()) {
        const Insn& insn = insns[i];
        if (insn.cls() == isa::kAlu64 && insn.operation() == isa::kMov &&
            insn.uses_src_register() && insn.off == 1)
            return unsupported("instruction {}: the embedded engine has no arenas", i);
        ops[i] = make_op(insns, i);
        if (ops[i].code == uint16_t(OpCode::Invalid))
            return unsupported("instruction {} ({:#04x}) is unknown to the interpreter", i,
                               insn.opcode);
    }
    return ops;
}

}  // namespace skep::engine
