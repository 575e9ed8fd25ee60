// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "engine/jit/emitter.hpp"
#include "engine/jit/offsets.hpp"

// Loads, stores and atomic operations that need no check; those that do are steps of the
// interpreter.

namespace skep::engine::jit {

namespace {

using x86::Alu;
using x86::Cond;
using enum x86::Reg;
using enum x86::Width;

bool between(OpCode code, OpCode first, OpCode last) {
    return code >= first && code <= last;
}
uint32_t size_of(OpCode code, OpCode first) {
    return 1u << (int(code) - int(first));
}

}  // namespace

bool Emitter::emit_memory(const Op& op) {
    const auto what = OpCode(op.code);
    if (between(what, OpCode::PlainLoadB, OpCode::PlainLoadDW))
        a_.load(dst(op), {src(op), op.off}, size_of(what, OpCode::PlainLoadB));
    else if (between(what, OpCode::PlainLoadSxB, OpCode::PlainLoadSxW))
        a_.load_signed(dst(op), {src(op), op.off}, size_of(what, OpCode::PlainLoadSxB));
    else if (between(what, OpCode::PlainStoreB, OpCode::PlainStoreDW))
        a_.store({dst(op), op.off}, src(op), size_of(what, OpCode::PlainStoreB));
    else if (between(what, OpCode::PlainStoreImmB, OpCode::PlainStoreImmDW))
        a_.store({dst(op), op.off}, int32_t(op.imm), size_of(what, OpCode::PlainStoreImmB));
    else if (between(what, OpCode::ProbeLoadB, OpCode::ProbeLoadSxW))
        emit_probe(op);
    else if (what == OpCode::LoadEvent) {
        a_.load(dst(op), kEvent, 8);
        a_.load(dst(op), {dst(op), int32_t(op.imm)}, 8);
    } else
        return emit_atomic(op);
    return true;
}

void Emitter::emit_probe(const Op& op) {
    uses_probe_ = true;
    a_.lea(kScratch, {src(op), op.off});
    a_.move(kScratch2, uint64_t(op.code) - uint64_t(OpCode::ProbeLoadB));
    a_.call(probe_);
    a_.move(W64, dst(op), kScratch);
}

// Each x86 atomic operation orders memory as the strongest BPF one asks for; loads acquire and
// stores release by themselves.
bool Emitter::emit_atomic(const Op& op) {
    const auto what = OpCode(op.code);
    const Mem at{dst(op), op.off};
    if (between(what, OpCode::PlainLoadAcquireB, OpCode::PlainLoadAcquireDW)) {
        a_.load(dst(op), {src(op), op.off}, size_of(what, OpCode::PlainLoadAcquireB));
        return true;
    }
    if (between(what, OpCode::PlainStoreReleaseB, OpCode::PlainStoreReleaseDW)) {
        a_.store(at, src(op), size_of(what, OpCode::PlainStoreReleaseB));
        return true;
    }
    if (!between(what, OpCode::PlainAtomicAddW, OpCode::PlainCmpXchgDW)) return false;
    const int index = int(what) - int(OpCode::PlainAtomicAddW);
    const Width width = index % 2 ? W64 : W32;
    switch (OpCode(int(what) - index % 2)) {
        case OpCode::PlainAtomicAddW: a_.lock_alu(Alu::Add, width, at, src(op)); break;
        case OpCode::PlainAtomicOrW: a_.lock_alu(Alu::Or, width, at, src(op)); break;
        case OpCode::PlainAtomicAndW: a_.lock_alu(Alu::And, width, at, src(op)); break;
        case OpCode::PlainAtomicXorW: a_.lock_alu(Alu::Xor, width, at, src(op)); break;
        case OpCode::PlainFetchAddW: a_.lock_exchange_add(width, at, src(op)); break;
        case OpCode::PlainFetchOrW: fetch_by_loop(Alu::Or, width, op); break;
        case OpCode::PlainFetchAndW: fetch_by_loop(Alu::And, width, op); break;
        case OpCode::PlainFetchXorW: fetch_by_loop(Alu::Xor, width, op); break;
        case OpCode::PlainXchgW: a_.exchange(width, at, src(op)); break;
        default:  // CmpXchg
            a_.lock_compare_exchange(width, at, src(op));
            // Where it succeeds, eax is not written to.
            if (width == W32) a_.move(W32, rax, rax);
    }
    return true;
}

void Emitter::fetch_by_loop(Alu alu, Width width, const Op& op) {
    const Reg base = dst(op) == rax ? kScratch : dst(op);
    const Reg value = src(op) == rax ? kScratch : src(op);
    const Mem at{base, op.off};
    const Label again = a_.label();
    a_.move(W64, kScratch, rax);
    a_.load(rax, at, width == W64 ? 8 : 4);
    a_.bind(again);
    a_.move(W64, kScratch2, rax);
    a_.alu(alu, width, kScratch2, value);
    a_.lock_compare_exchange(width, at, kScratch2);
    a_.jump(Cond::NotEqual, again);
    if (src(op) == rax) return;
    a_.move(W64, src(op), rax);
    a_.move(W64, rax, kScratch);
}

}  // namespace skep::engine::jit
