// SPDX-License-Identifier: Apache-2.0
// Saved interrupt states: an 8-byte flag on the stack between bpf_local_irq_save() and
// bpf_local_irq_restore() (or the lock functions that do the same); restored in reverse order.
#include "verifier/kfunc_meta.hpp"

namespace skep::verifier {
namespace {

enum : uint8_t { kNative = 0, kLock = 1 };

std::string_view class_words(uint8_t kind) {
    return kind == kNative ? "native" : "lock";
}

bool save(Analysis& a, int regno, uint8_t kind) {
    const RegState reg = a.reg(regno);
    const auto refuse_slot = [&] {
        return a.refuse(Rule::LockUse, "expected uninitialized irq flag as arg#{}", regno - 1);
    };
    int slot = object_slot(a, reg, "irq_flag", 1);
    if (slot == kBadSlot) return refuse_slot();
    if (slot >= 0)
        for (const SlotType byte : a.state->frame(reg.frameno).stack[size_t(slot)].bytes)
            if (byte == SlotType::IrqFlag) return refuse_slot();
    if (!a.check_mem_access(regno, 0, kSlotBytes, AccessType::Write, -1)) return false;
    slot = object_slot(a, reg, "irq_flag", 1);
    if (slot < 0) return refuse_slot();
    const uint32_t id = a.next_id();
    a.state->refs.push_back({RefKind::Irq, id, a.insn_index, nullptr});
    a.state->active_irq_id = id;
    RegState state;
    state.set_pointer(kPtrToStack);
    state.ref_obj_id = id;
    state.irq_kfunc_class = kind;
    StackSlot& stack = a.state->frame_mut(reg.frameno).stack[size_t(slot)];
    stack.fill(SlotType::IrqFlag);
    stack.spilled = a.regs.make(state);
    a.scratch_slot(reg.frameno, slot);
    a.mark_stack_write(reg.frameno, slot);
    return true;
}

bool drop_irq_reference(Analysis& a, uint32_t id) {
    VerifierState& state = *a.state;
    if (id != state.active_irq_id) {
        uint32_t insn = 0;
        for (const RefState& ref : state.refs)
            if (ref.kind == RefKind::Irq && ref.id == state.active_irq_id) insn = ref.insn;
        return a.refuse(
            Rule::LockUse,
            "cannot restore irq state out of order, expected id={} acquired at insn_idx={}",
            state.active_irq_id, insn);
    }
    uint32_t previous = 0;
    for (auto ref = state.refs.begin(); ref != state.refs.end(); ++ref) {
        if (ref->kind != RefKind::Irq) continue;
        if (ref->id == id) {
            state.refs.erase(ref);
            state.active_irq_id = previous;
            return true;
        }
        previous = ref->id;
    }
    return a.refuse(Rule::LockUse, "irq state is not saved");
}

bool restore(Analysis& a, int regno, uint8_t kind) {
    const RegState reg = a.reg(regno);
    const int slot = object_slot(a, reg, "irq_flag", 1);
    const auto refuse_flag = [&] {
        return a.refuse(Rule::LockUse, "expected an initialized irq flag as arg#{}", regno - 1);
    };
    if (slot < 0) return refuse_flag();
    const StackSlot& stack = a.state->frame(reg.frameno).stack[size_t(slot)];
    for (const SlotType byte : stack.bytes)
        if (byte != SlotType::IrqFlag) return refuse_flag();
    a.mark_stack_read(reg.frameno, slot);
    const RegState saved = *stack.spilled;
    if (saved.irq_kfunc_class != kind)
        return a.refuse(Rule::LockUse,
                        "irq flag acquired by {} kfuncs cannot be restored with {} kfuncs",
                        class_words(saved.irq_kfunc_class), class_words(kind));
    if (!drop_irq_reference(a, saved.ref_obj_id)) return false;
    a.state->frame_mut(reg.frameno).stack[size_t(slot)].clear();
    a.scratch_slot(reg.frameno, slot);
    a.mark_stack_write(reg.frameno, slot);
    return true;
}

}  // namespace

bool process_irq_flag(Analysis& a, int regno, const KfuncMeta& meta) {
    if (meta.is("bpf_local_irq_save")) return save(a, regno, kNative);
    if (meta.is("bpf_res_spin_lock_irqsave")) return save(a, regno, kLock);
    if (meta.is("bpf_local_irq_restore")) return restore(a, regno, kNative);
    if (meta.is("bpf_res_spin_unlock_irqrestore")) return restore(a, regno, kLock);
    return a.refuse(Rule::NotSupported, "unknown irq flags kfunc");
}

}  // namespace skep::verifier
