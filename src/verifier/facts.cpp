// SPDX-License-Identifier: Apache-2.0
#include "verifier/facts.hpp"

#include <algorithm>

namespace skep::verifier {
namespace {

Region region_of(RegType type) {
    switch (base_type(type)) {
        case kPtrToStack: return Region::Stack;
        case kPtrToCtx: return Region::Ctx;
        case kPtrToPacket:
        case kPtrToPacketMeta:
        case kPtrToPacketEnd: return Region::Packet;
        case kPtrToMapValue: return Region::MapValue;
        case kPtrToMapKey:
        case kPtrToMem: return Region::Mem;
        case kPtrToBtfId: return Region::Kernel;
        case kPtrToArena: return Region::Arena;
        default: return Region::Other;
    }
}

/// Memory of the program's own, as it is.
bool is_plain(RegType type) {
    switch (base_type(type)) {
        case kPtrToStack:
        case kPtrToPacket:
        case kPtrToPacketMeta:
        case kPtrToMapValue:
        case kPtrToMapKey: return type_flags(type) == 0;
        case kPtrToMem: return !(type & (kMaybeNull | kUntrusted | kUser | kPercpu));
        default: return false;
    }
}

int64_t saturated_add(int64_t a, int64_t b) {
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return a < 0 ? INT64_MIN : INT64_MAX;
}

ValueSet value_set(const Scalar& value) {
    return {value.bits.value, value.bits.mask, value.smin, value.smax, value.umin, value.umax};
}

/// The offset of a pointer from where its object starts. Packet pointers that share an id share an
/// unknown offset, which `value` holds too.
ValueSet offset_of(const RegState& reg) {
    Scalar offset = reg.value;
    offset.bits = tnum_add(offset.bits, Tnum::constant(uint64_t(int64_t{reg.off})));
    ValueSet set = value_set(offset);
    set.smin = saturated_add(reg.value.smin, reg.off);
    set.smax = saturated_add(reg.value.smax, reg.off);
    // Unsigned bounds of an offset that may be negative say nothing.
    set.umin = set.smin >= 0 ? uint64_t(set.smin) : 0;
    set.umax = set.smin >= 0 ? uint64_t(set.smax) : UINT64_MAX;
    return set;
}

void join(ValueSet& into, const ValueSet& set) {
    const Tnum bits = tnum_union({into.bits, into.mask}, {set.bits, set.mask});
    into.bits = bits.value;
    into.mask = bits.mask;
    into.smin = std::min(into.smin, set.smin);
    into.smax = std::max(into.smax, set.smax);
    into.umin = std::min(into.umin, set.umin);
    into.umax = std::max(into.umax, set.umax);
}

RegisterFact fact_of(const RegState& reg) {
    RegisterFact fact;
    if (reg.type == kNotInit) {
        fact.kind = RegisterFact::Kind::Unknown;
    } else if (reg.type == kScalar) {
        fact.kind = RegisterFact::Kind::Scalar;
        fact.value = value_set(reg.value);
    } else {
        fact.kind = RegisterFact::Kind::Pointer;
        fact.region = region_of(reg.type);
        fact.maybe_null = may_be_null(reg.type);
        if (reg.map && !reg.map->is_inner) fact.map = reg.map->index;
        fact.value = offset_of(reg);
    }
    return fact;
}

void join(RegisterFact& into, const RegisterFact& fact) {
    using Kind = RegisterFact::Kind;
    if (into.kind == Kind::Unseen) {
        into = fact;
        return;
    }
    if (into.kind == Kind::Unknown) return;
    if (into.kind != fact.kind || into.region != fact.region) {
        into = RegisterFact{};
        into.kind = Kind::Unknown;
        return;
    }
    into.maybe_null |= fact.maybe_null;
    if (into.map != fact.map) into.map = UINT32_MAX;
    join(into.value, fact.value);
}

}  // namespace

void note_access(Analysis& a, const RegState& reg, int off, int size) {
    // Helpers access memory, too; what is said of a call is something else.
    if (const uint8_t cls = a.insns[a.insn_index].cls(); cls == isa::kJmp || cls == isa::kJmp32)
        return;
    InsnFact& fact = a.facts.insns[a.insn_index];
    const Region region = region_of(reg.type);
    const int64_t lowest = saturated_add(reg.value.smin, off);
    const int64_t highest = saturated_add(saturated_add(reg.value.smax, off), size - 1);
    const uint32_t map =
        region == Region::MapValue && reg.map && !reg.map->is_inner ? reg.map->index : UINT32_MAX;
    if (region == Region::Kernel || ((reg.type & kUntrusted) && region == Region::Mem))
        fact.checked_by_fault = true;
    if (fact.region == Region::None) {
        fact.region = region;
        fact.plain = is_plain(reg.type);
        fact.map = map;
        fact.lowest = lowest;
        fact.highest = highest;
        return;
    }
    fact.plain &= is_plain(reg.type);
    if (fact.region != region) fact.region = Region::Several;
    if (fact.map != map) fact.map = UINT32_MAX;
    fact.lowest = std::min(fact.lowest, lowest);
    fact.highest = std::max(fact.highest, highest);
}

void note_call(Analysis& a) {
    InsnFact& fact = a.facts.insns[a.insn_index];
    for (size_t r = 1; r <= 5; ++r)
        fact.kernel_argument |= base_type(a.state->cur().regs[r].type) == kPtrToBtfId;
}

void note_registers(Analysis& a) {
    RegisterFact* facts = &a.facts.registers[size_t{a.insn_index} * kRegs];
    for (size_t r = 0; r < kRegs; ++r) join(facts[r], fact_of(a.state->cur().regs[r]));
}

void finish_facts(Analysis& a, Facts& facts) {
    facts = std::move(a.facts);
    for (size_t i = 0; i < facts.insns.size(); ++i) {
        InsnFact& fact = facts.insns[i];
        const InsnAux& aux = a.aux[i];
        fact.reached = aux.seen;
        fact.always_taken = aux.branch_taken && !aux.branch_not_taken;
        fact.never_taken = aux.branch_not_taken && !aux.branch_taken;
        if (fact.map == UINT32_MAX && aux.map && !aux.map->is_inner) fact.map = aux.map->index;
    }
}

}  // namespace skep::verifier
