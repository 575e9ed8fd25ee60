// SPDX-License-Identifier: Apache-2.0
// Dynptrs: 16 opaque bytes on the stack (two slots) that stand for memory of a size known at run
// time. The slot of the lower address is the first one; both have the dynptr's id. Writing over
// them by other means destroys the dynptr, and slices of it with it.
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

constexpr int kDynptrSlots = 2;
constexpr RegType kTypeFlags =
    kDynptrLocal | kDynptrRingbuf | kDynptrSkb | kDynptrXdp | kDynptrSkbMeta;

struct TypeRow {
    DynptrType type;
    RegType flag;
    std::string_view name;
};
constexpr TypeRow kTypes[] = {
    {DynptrType::Local, kDynptrLocal, "local"},
    {DynptrType::Ringbuf, kDynptrRingbuf, "ringbuf"},
    {DynptrType::Skb, kDynptrSkb, "skb"},
    {DynptrType::Xdp, kDynptrXdp, "xdp"},
    {DynptrType::SkbMeta, kDynptrSkbMeta, "skb_meta"},
};

DynptrType type_of_flags(RegType flags) {
    for (const TypeRow& row : kTypes)
        if ((flags & kTypeFlags) == row.flag) return row.type;
    return DynptrType::Invalid;
}

std::string_view type_words(DynptrType type) {
    for (const TypeRow& row : kTypes)
        if (type == row.type) return row.name;
    return "<unknown>";
}

RegState slot_state(DynptrType type, bool first, uint32_t id, uint32_t ref) {
    RegState reg;
    reg.set_pointer(kConstPtrToDynptr);
    reg.id = id;
    reg.ref_obj_id = ref;
    reg.dynptr = type;
    reg.dynptr_first_slot = first;
    return reg;
}

// Both slots hold something else from now on.
void touch_slots(Analysis& a, uint32_t frame, int slot) {
    for (int i = 0; i < kDynptrSlots; ++i) {
        a.scratch_slot(frame, slot - i);
        a.mark_stack_write(frame, slot - i);
    }
}

void clear_slots(Analysis& a, VerifierState& state, uint32_t frame, int slot) {
    for (int i = 0; i < kDynptrSlots; ++i) state.frame_mut(frame).stack[size_t(slot - i)].clear();
    touch_slots(a, frame, slot);
}

bool make_dynptr(Analysis& a, int regno, uint32_t index, RegType flags, uint32_t clone_ref) {
    const RegState& reg = a.reg(regno);
    const uint32_t frame = reg.frameno;
    const int slot = dynptr_slot(a, reg);
    if (slot < 0) return slot == kBadSlot ? false : a.refuse(Rule::DynptrUse, "invalid dynptr");
    // Two different dynptrs may lie under the new one.
    if (!destroy_dynptr_slot(a, *a.state, frame, slot) ||
        !destroy_dynptr_slot(a, *a.state, frame, slot - 1))
        return false;
    const DynptrType type = type_of_flags(flags);
    if (type == DynptrType::Invalid)
        return a.refuse(Rule::NotSupported, "skep cannot judge this type of dynptr");
    const uint32_t id = a.next_id();
    uint32_t ref = 0;
    if (dynptr_is_refcounted(type)) ref = clone_ref ? clone_ref : acquire_reference(a, index);
    FuncState& owner = a.state->frame_mut(frame);
    for (int i = 0; i < kDynptrSlots; ++i) {
        StackSlot& stack = owner.stack[size_t(slot - i)];
        stack.fill(SlotType::Dynptr);
        stack.spilled = a.regs.make(slot_state(type, i == 0, id, ref));
    }
    touch_slots(a, frame, slot);
    return true;
}

bool make_from_uninit(Analysis& a, int regno, uint32_t index, RegType flags, uint32_t clone_ref) {
    const RegState reg = a.reg(regno);
    const bool ok = reg.type != kConstPtrToDynptr && dynptr_slot(a, reg) != kBadSlot;
    if (!ok) {
        a.log("Dynptr has to be an uninitialized dynptr\n");
        return a.refuse(Rule::DynptrUse, "Dynptr has to be an uninitialized dynptr");
    }
    for (int i = 0; i < kDynptrSlots * kSlotBytes; i += kSlotBytes)
        if (!a.check_mem_access(regno, i, kSlotBytes, AccessType::Write, -1)) return false;
    return make_dynptr(a, regno, index, flags, clone_ref);
}

}  // namespace

bool dynptr_is_refcounted(DynptrType type) {
    return type == DynptrType::Ringbuf;
}

RegType dynptr_flag(DynptrType type) {
    for (const TypeRow& row : kTypes)
        if (type == row.type) return row.flag;
    return 0;
}

int object_slot(Analysis& a, const RegState& reg, std::string_view what, int slots) {
    if (!reg.value.is_constant()) {
        a.refuse(Rule::DynptrUse, "{} has to be at a constant offset", what);
        return kBadSlot;
    }
    const int off = reg.off + int(reg.value.constant_value());
    const int slot = slot_index(off);
    if (off % kSlotBytes != 0 || slot + 1 < slots) {
        a.refuse(Rule::DynptrUse, "cannot pass in {} at an offset={}", what, off);
        return kBadSlot;
    }
    const bool allocated = off < 0 && size_t(slot) < a.state->frame(reg.frameno).stack.size();
    return allocated ? slot : kOutOfStack;
}

int dynptr_slot(Analysis& a, const RegState& reg) {
    return object_slot(a, reg, "dynptr", kDynptrSlots);
}

bool destroy_dynptr_slot(Analysis& a, VerifierState& state, uint32_t frame, int slot) {
    const StackSlot& stack = state.frame(frame).stack[size_t(slot)];
    if (stack.bytes[0] != SlotType::Dynptr) return true;
    const int first = stack.spilled->dynptr_first_slot ? slot : slot + 1;
    const RegState dynptr = *state.frame(frame).stack[size_t(first)].spilled;
    if (dynptr_is_refcounted(dynptr.dynptr))
        return a.refuse(Rule::DynptrUse, "cannot overwrite referenced dynptr");
    clear_slots(a, state, frame, first);
    // Slices of it are memory, or memory or null.
    state.change_regs(
        [&](const RegState& reg) {
            return (reg.type & ~kMaybeNull) == kPtrToMem && reg.dynptr_id == dynptr.id;
        },
        [&](RegState& reg) { mark_reg_invalid(a, reg); });
    return true;
}

RegState* dynptr_state(Analysis& a, int regno) {
    const RegState& reg = a.reg(regno);
    if (reg.type == kConstPtrToDynptr) return &a.reg_mut(regno);
    const uint32_t frame = reg.frameno;
    const int slot = dynptr_slot(a, reg);
    if (slot < 1) return nullptr;
    const StackSlot& first = a.state->frame(frame).stack[size_t(slot)];
    const StackSlot& second = a.state->frame(frame).stack[size_t(slot) - 1];
    for (int i = 0; i < kSlotBytes; ++i)
        if (first.bytes[size_t(i)] != SlotType::Dynptr ||
            second.bytes[size_t(i)] != SlotType::Dynptr)
            return nullptr;
    if (!first.spilled->dynptr_first_slot) return nullptr;
    a.mark_stack_read(frame, slot);
    a.mark_stack_read(frame, slot - 1);
    return &a.state->frame_mut(frame).stack[size_t(slot)].spilled.write();
}

bool process_dynptr(Analysis& a, int regno, uint32_t index, RegType flags, uint32_t clone_ref) {
    const RegState& reg = a.reg(regno);
    if (reg.type != kPtrToStack && reg.type != kConstPtrToDynptr)
        return a.refuse(Rule::DynptrUse,
                        "arg#{} expected pointer to stack or const struct bpf_dynptr", regno - 1);
    if (flags & kMemUninit) return make_from_uninit(a, regno, index, flags, clone_ref);
    if (reg.type == kConstPtrToDynptr && !(flags & kRdonly))
        return a.refuse(Rule::DynptrUse,
                        "cannot pass pointer to const bpf_dynptr, the helper mutates it");
    const RegState* dynptr = dynptr_state(a, regno);
    if (!dynptr)
        return a.refuse(Rule::DynptrUse, "Expected an initialized dynptr as arg #{}", regno - 1);
    const DynptrType wanted = type_of_flags(flags);
    if ((flags & kTypeFlags) && dynptr->dynptr != wanted)
        return a.refuse(Rule::DynptrUse, "Expected a dynptr of type {} as arg #{}",
                        type_words(wanted), regno - 1);
    return true;
}

bool release_dynptr(Analysis& a, int regno) {
    const uint32_t frame = a.reg(regno).frameno;
    const int slot = dynptr_slot(a, a.reg(regno));
    if (slot < 0) return false;
    const RegState dynptr = *a.state->frame(frame).stack[size_t(slot)].spilled;
    if (!dynptr_is_refcounted(dynptr.dynptr)) {
        clear_slots(a, *a.state, frame, slot);
        return true;
    }
    release_reference(a, dynptr.ref_obj_id);
    // Clones of it share the reference.
    for (size_t i = 1; i < a.state->frame(frame).stack.size(); ++i) {
        const StackSlot& stack = a.state->frame(frame).stack[i];
        if (stack.bytes[0] == SlotType::Dynptr && stack.spilled &&
            stack.spilled->ref_obj_id == dynptr.ref_obj_id && stack.spilled->dynptr_first_slot)
            clear_slots(a, *a.state, frame, int(i));
    }
    return true;
}

}  // namespace skep::verifier
