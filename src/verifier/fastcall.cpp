// SPDX-License-Identifier: Apache-2.0
// Calls that keep r1 to r5 (bpf_fastcall). For kernels that do not know of them, compilers store
// registers that live across such a call to the stack and load them again:
//
//     *(u64 *)(r10 - 16) = r1
//     call 8                       // bpf_get_smp_processor_id
//     r1 = *(u64 *)(r10 - 16)
//
// Kernels that do (6.12) take these stores and loads out, and the stack that only they use does not
// count (mark_fastcall_patterns, remove_fastcall_spills_fills, 6.18).
#include "verifier/calls.hpp"
#include "verifier/explore.hpp"

namespace skep::verifier {

using isa::Insn;

namespace {

constexpr uint8_t kStore64 = uint8_t{isa::kStx} | isa::kMem | isa::kDw;
constexpr uint8_t kLoad64 = uint8_t{isa::kLdx} | isa::kMem | isa::kDw;

bool stores_to_stack(const Insn& insn) {
    return insn.opcode == kStore64 && insn.dst == 10;
}

/// Bits of the registers among r0 to r5 that the call does not change.
uint32_t kept_registers(const CallTraits& traits) {
    uint32_t clobbered = traits.returns_void ? 0 : 1;
    for (uint32_t reg = 1; reg <= traits.arg_count; ++reg) clobbered |= 1u << reg;
    return 0x3fu & ~clobbered;
}

void mark_call(Analysis& a, SubprogInfo& subprog, uint32_t call, int32_t lowest) {
    const Insn& insn = a.insns[call];
    const CallTraits traits =
        insn.src == isa::kCallHelper ? helper_traits(a, insn) : kfunc_traits(a, insn);
    uint32_t kept = kept_registers(traits);
    int32_t off = lowest;
    uint8_t pairs = 0;
    for (uint32_t i = 1; kept != 0 && i <= call && call + i < a.insns.size(); ++i, off += 8) {
        // A jump to the first store is fine; one into the middle is not.
        if (a.aux[call - i + 1].jmp_point || a.aux[call + i].jmp_point) break;
        const Insn &store = a.insns[call - i], &load = a.insns[call + i];
        if (!stores_to_stack(store) || load.opcode != kLoad64 || load.src != 10) break;
        if (store.src != load.dst || !(kept >> store.src & 1)) break;
        if (store.off != off || load.off != off) break;
        kept &= ~(1u << store.src);
        a.aux[call - i].fastcall_pattern = a.aux[call + i].fastcall_pattern = true;
        ++pairs;
    }
    if (pairs == 0) return;
    // Around calls that this kernel does not know as fast, they stay; so does their stack.
    if (traits.fastcall)
        a.aux[call].fastcall_spills = pairs;
    else
        subprog.keep_fastcall_stack = true;
    subprog.fastcall_stack_off = std::min(subprog.fastcall_stack_off, off);
}

bool is_candidate(const Insn& insn) {
    return insn.opcode == (uint8_t{isa::kJmp} | isa::kCall) &&
           (insn.src == isa::kCallHelper || insn.src == isa::kCallKfunc);
}

}  // namespace

void mark_fastcalls(Analysis& a) {
    if (!a.is_kernel_at_least(platform::KernelVersion("6.12"))) return;
    for (SubprogInfo& subprog : a.subprogs) {
        int32_t lowest = 0;
        for (uint32_t i = subprog.start; i < subprog.end; ++i)
            if (stores_to_stack(a.insns[i])) lowest = std::min<int32_t>(lowest, a.insns[i].off);
        for (uint32_t i = subprog.start; i < subprog.end; ++i)
            if (is_candidate(a.insns[i])) mark_call(a, subprog, i, lowest);
    }
}

void free_fastcall_stack(Analysis& a) {
    for (SubprogInfo& subprog : a.subprogs) {
        if (subprog.keep_fastcall_stack) continue;
        for (uint32_t i = subprog.start; i < subprog.end; ++i)
            if (a.aux[i].fastcall_spills > 0) {
                subprog.stack_depth = uint32_t(-subprog.fastcall_stack_off);
                break;
            }
    }
}

}  // namespace skep::verifier
