// SPDX-License-Identifier: Apache-2.0
#include "engine/verified_ops.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "engine/event.hpp"

namespace skep::engine {

using verifier::InsnFact;
using Touched = verifier::Region;  // what is known beforehand, not the engine's own Region

namespace {

void set(Op& op, OpCode code) {
    op.code = uint16_t(code);
}

bool needs_probe(const Op& op, const InsnFact& fact) {
    return is_checked_load(OpCode(op.code)) &&
           (fact.region == Touched::Kernel || fact.checked_by_fault);
}

void make_probe(Op& op) {
    set(op, OpCode(int(OpCode::ProbeLoadB) + op.code - int(OpCode::LoadB)));
}

/// Slices of dynptrs can begin anywhere, and atomic operations must be aligned.
bool may_be_plain(OpCode code, const InsnFact& fact) {
    return fact.plain && (!is_checked_atomic(code) || fact.region == Touched::Stack ||
                          fact.region == Touched::MapValue);
}

/// Where the pointer is that the context's field stands for; nothing where it is null here.
std::optional<size_t> event_field(CtxPointer pointer) {
    switch (pointer) {
        case CtxPointer::Data: return offsetof(Event, data);
        case CtxPointer::DataEnd: return offsetof(Event, data_end);
        case CtxPointer::DataMeta: return offsetof(Event, data_meta);
        default: return std::nullopt;
    }
}

/// An access at one offset of the context; returns up to where it reaches.
uint32_t rewrite_ctx(Op& op, const InsnFact& fact, const CtxTable& ctx) {
    const auto offset = uint64_t(fact.lowest);
    // Accesses at different offsets, or through a pointer that is not the context's start, which
    // no rule allows: they stay checked.
    if (fact.lowest < 0 || fact.lowest != op.off || fact.highest - fact.lowest >= 8) return 0;
    if (const CtxPointer pointer = ctx.pointer(offset); pointer != CtxPointer::None) {
        if (!is_checked_load(OpCode(op.code))) return 0;
        const auto field = event_field(pointer);
        set(op, field ? OpCode::LoadEvent : OpCode::Mov64K);
        op.imm = field.value_or(0);
        return 0;
    }
    if (ctx.is_narrow(offset)) return 0;
    set(op, plain(OpCode(op.code)));
    return uint32_t(fact.highest) + 1;
}

}  // namespace

void rewrite_probes(std::vector<Op>& ops, const verifier::Verdict& verdict) {
    for (size_t i = 0; i < verdict.facts.insns.size(); i++)
        if (needs_probe(ops[i], verdict.facts.insns[i])) make_probe(ops[i]);
}

uint32_t rewrite_verified(std::vector<Op>& ops, const verifier::Verdict& verdict,
                          const CtxTable& ctx) {
    uint32_t ctx_bytes = 0;
    rewrite_probes(ops, verdict);
    for (size_t i = 0; i < verdict.facts.insns.size(); i++) {
        Op& op = ops[i];
        const InsnFact& fact = verdict.facts.insns[i];
        const auto code = OpCode(op.code);
        if (!fact.reached) {
            op = {};
        } else if (is_checked_access(code)) {
            if (may_be_plain(code, fact))
                set(op, plain(code));
            else if (fact.region == Touched::Ctx)
                ctx_bytes = std::max(ctx_bytes, rewrite_ctx(op, fact, ctx));
        } else if (code == OpCode::CallHelper && !fact.kernel_argument) {
            set(op, OpCode::PlainCallHelper);
        }
    }
    return ctx_bytes;
}

}  // namespace skep::engine
