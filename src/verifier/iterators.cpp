// SPDX-License-Identifier: Apache-2.0
// Open-coded iterators: objects on the stack that new() makes, next() moves and destroy() ends.
// next() forks: one path where there is nothing more, one where there is an element and the loop
// goes on.
#include "verifier/kfunc_meta.hpp"

namespace skep::verifier {
namespace {

using btf::Kind;
using platform::KfuncFlags;

// "iter_num" of struct bpf_iter_num.
std::string iter_words(const btf::Btf& btf, uint32_t id) {
    const std::string_view name = btf.type(id).name();
    constexpr std::string_view prefix = "bpf_iter_";
    return "iter_" + std::string(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
}

// The struct that the parameter points to; 0: not one of an iterator.
uint32_t iter_struct(const btf::Btf& btf, const btf::Type& proto, uint32_t arg) {
    const btf::Type pointer = btf.resolve(proto.param(arg).type);
    if (pointer.kind() != Kind::Ptr) return 0;
    const btf::Type type = btf.resolve(pointer.ref());
    if (type.kind() != Kind::Struct || !type.name().starts_with("bpf_iter_")) return 0;
    return type.size() > 0 && type.size() % 8 == 0 ? type.id() : 0;
}

int iter_slot(Analysis& a, const RegState& reg, int slots) {
    return object_slot(a, reg, "iter", slots);
}

void touch(Analysis& a, uint32_t frame, int slot, int slots) {
    for (int i = 0; i < slots; ++i) {
        a.scratch_slot(frame, slot - i);
        a.mark_stack_write(frame, slot - i);
    }
}

bool make_iter(Analysis& a, int regno, uint32_t index, const KfuncMeta& meta, uint32_t btf_id,
               int slots) {
    const RegState reg = a.reg(regno);
    const auto refuse_init = [&] {
        return a.refuse(Rule::IteratorUse, "expected uninitialized {} as arg #{}",
                        iter_words(*a.kernel_btf, btf_id), regno - 1);
    };
    int slot = iter_slot(a, reg, slots);
    if (slot == kBadSlot) return refuse_init();
    if (slot >= 0)
        for (int i = 0; i < slots; ++i)
            for (const SlotType byte : a.state->frame(reg.frameno).stack[size_t(slot - i)].bytes)
                if (byte == SlotType::Iter) return refuse_init();
    for (int i = 0; i < slots * kSlotBytes; i += kSlotBytes)
        if (!a.check_mem_access(regno, i, kSlotBytes, AccessType::Write, -1)) return false;
    slot = iter_slot(a, reg, slots);
    if (slot < 0) return refuse_init();

    RegState state;
    state.set_pointer(kPtrToStack);
    if (meta.is(KfuncFlags::RcuProtected)) state.type |= in_rcu_section(a) ? kRcu : kUntrusted;
    state.btf = a.kernel_btf;
    state.btf_id = btf_id;
    state.iter = IterState::Active;
    const uint32_t id = acquire_reference(a, index);
    for (int i = 0; i < slots; ++i) {
        state.ref_obj_id = i == 0 ? id : 0;
        StackSlot& stack = a.state->frame_mut(reg.frameno).stack[size_t(slot - i)];
        stack.fill(SlotType::Iter);
        stack.spilled = a.regs.make(state);
    }
    touch(a, reg.frameno, slot, slots);
    return true;
}

enum class Init : uint8_t { Ok, Invalid, NoRcu };

Init is_initialized(const Analysis& a, const VerifierState& state, uint32_t frame, int slot,
                    uint32_t btf_id, int slots) {
    for (int i = 0; i < slots; ++i) {
        const StackSlot& stack = state.frame(frame).stack[size_t(slot - i)];
        for (const SlotType byte : stack.bytes)
            if (byte != SlotType::Iter) return Init::Invalid;
        const RegState& reg = *stack.spilled;
        if (reg.type & kUntrusted) return Init::NoRcu;
        if ((i == 0) != (reg.ref_obj_id != 0)) return Init::Invalid;
        if (reg.btf != a.kernel_btf || reg.btf_id != btf_id) return Init::Invalid;
    }
    return Init::Ok;
}

bool destroy_iter(Analysis& a, uint32_t frame, int slot, int slots) {
    const uint32_t ref = a.state->frame(frame).stack[size_t(slot)].spilled->ref_obj_id;
    release_reference(a, ref);
    for (int i = 0; i < slots; ++i) a.state->frame_mut(frame).stack[size_t(slot - i)].clear();
    touch(a, frame, slot, slots);
    return true;
}

}  // namespace

bool process_iter_arg(Analysis& a, int regno, uint32_t index, KfuncMeta& meta) {
    if (a.reg(regno).type != kPtrToStack)
        return a.refuse(Rule::IteratorUse, "arg#{} expected pointer to an iterator on stack",
                        regno - 1);
    const uint32_t btf_id = iter_struct(*a.kernel_btf, meta.proto, uint32_t(regno - 1));
    if (btf_id == 0)
        return a.refuse(Rule::IteratorUse, "expected valid iter pointer as arg #{}", regno - 1);
    const int slots = int(a.kernel_btf->type(btf_id).size()) / kSlotBytes;
    if (meta.is(KfuncFlags::IterNew)) return make_iter(a, regno, index, meta, btf_id, slots);

    const uint32_t frame = a.reg(regno).frameno;
    const int slot = iter_slot(a, a.reg(regno), slots);
    const Init init =
        slot < 0 ? Init::Invalid : is_initialized(a, *a.state, frame, slot, btf_id, slots);
    if (init == Init::NoRcu)
        return a.refuse(Rule::IteratorUse, "expected an RCU CS when using {}", meta.kfunc->name);
    if (init == Init::Invalid)
        return a.refuse(Rule::IteratorUse, "expected an initialized {} as arg #{}",
                        iter_words(*a.kernel_btf, btf_id), regno - 1);
    for (int i = 0; i < slots; ++i) a.mark_stack_read(frame, slot - i);
    meta.iter_frame = frame;
    meta.iter_slot = slot;
    meta.ref_obj_id = a.state->frame(frame).stack[size_t(slot)].spilled->ref_obj_id;
    return !meta.is(KfuncFlags::IterDestroy) || destroy_iter(a, frame, slot, slots);
}

const RegState& iter_state(const VerifierState& state, const KfuncMeta& meta) {
    return *state.frame(meta.iter_frame).stack[size_t(meta.iter_slot)].spilled;
}

bool process_iter_next(Analysis& a, uint32_t index, const KfuncMeta& meta) {
    const auto iter_mut = [&](VerifierState& state) -> RegState& {
        return state.frame_mut(meta.iter_frame).stack[size_t(meta.iter_slot)].spilled.write();
    };
    if (iter_state(*a.state, meta).iter == IterState::Active) {
        VerifierState* previous =
            a.state->parent ? a.find_prev_entry(a.state->parent, index) : nullptr;
        VerifierState* queued = a.push_state(index + 1, index, false);
        if (!queued) return false;
        RegState& iter = iter_mut(*queued);
        iter.iter = IterState::Active;
        ++iter.iter_depth;
        if (previous && !a.widen_imprecise_scalars(*previous, *queued)) return false;
        mark_not_null(queued->reg_mut(0));
    }
    iter_mut(*a.state).iter = IterState::Drained;
    RegState& r0 = a.reg_mut(0);
    r0.set_constant(0);
    r0.precise = !a.privileged;
    return true;
}

}  // namespace skep::verifier
