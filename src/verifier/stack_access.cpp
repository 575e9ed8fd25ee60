// SPDX-License-Identifier: Apache-2.0
// Loads from and stores to the stack: registers that are spilled and filled, bytes that are
// initialised, offsets that are not constant.
#include <bit>

#include "platform/limits.hpp"
#include "verifier/access.hpp"
#include "verifier/calls.hpp"
#include "verifier/precision.hpp"

namespace skep::verifier {

namespace {

bool is_spillable(RegType type) {
    switch (base_type(type)) {
        case kPtrToMapValue:
        case kPtrToStack:
        case kPtrToCtx:
        case kPtrToPacket:
        case kPtrToPacketMeta:
        case kPtrToPacketEnd:
        case kPtrToFlowKeys:
        case kConstPtrToMap:
        case kPtrToSocket:
        case kPtrToSockCommon:
        case kPtrToTcpSock:
        case kPtrToXdpSock:
        case kPtrToBtfId:
        case kPtrToBuf:
        case kPtrToMem:
        case kPtrToFunc:
        case kPtrToMapKey:
        case kPtrToArena: return true;
        default: return false;
    }
}

void make_misc(SlotType& byte) {
    if (byte != SlotType::Zero && byte != SlotType::Invalid) byte = SlotType::Misc;
}

void save_register(Analysis& a, StackSlot& slot, const RegState& reg, int size) {
    slot.spilled = a.regs.make(reg);
    for (int i = kSlotBytes - 1; i >= 0; --i) {
        if (i >= kSlotBytes - size)
            slot.bytes[size_t(i)] = SlotType::Spill;
        else
            make_misc(slot.bytes[size_t(i)]);
    }
}

/// A register, dynptr, iterator or irq flag is overwritten by data: nothing special is left of it.
void scrub_special(StackSlot& slot) {
    if (slot.is_special() || slot.is_spilled_reg()) {
        for (SlotType& byte : slot.bytes)
            if (byte != SlotType::Invalid) byte = SlotType::Misc;
    }
    slot.spilled.reset();
}

bool is_store_of_immediate(const isa::Insn& insn) {
    return insn.cls() == isa::kSt && insn.mode() == isa::kMem;
}

uint16_t stack_history(uint32_t frame, int slot) {
    return uint16_t(kHistStackAccess | frame | uint32_t(slot) << kHistSlotShift);
}

SlotType& byte_at(StackSlot& slot, int off) {
    return slot.bytes[size_t((-off - 1) % kSlotBytes)];
}
SlotType byte_at(const StackSlot& slot, int off) {
    return slot.bytes[size_t((-off - 1) % kSlotBytes)];
}

/// The compiler's promise about spills around calls that keep registers is broken: they count as
/// ordinary stack from now on.
void check_fastcall_contract(Analysis& a, const FuncState& frame, int off) {
    SubprogInfo& subprog = a.subprogs[frame.subprog];
    if (subprog.fastcall_stack_off <= off || a.aux[a.insn_index].fastcall_pattern) return;
    subprog.fastcall_stack_off = INT16_MIN;
    for (uint32_t i = subprog.start; i < subprog.end; ++i) {
        a.aux[i].fastcall_spills = 0;
        a.aux[i].fastcall_pattern = false;
    }
}

int register_width(const RegState& reg) {
    return int(std::bit_width(reg.value.umax));
}

bool write_fixed(Analysis& a, uint32_t frame, int off, int size, int value_regno) {
    const int slot_no = slot_index(off);
    const isa::Insn& insn = a.insns[a.insn_index];
    const bool same_frame = frame == a.state->curframe;
    {
        const StackSlot& slot = a.state->frame(frame).stack[size_t(slot_no)];
        // Before 6.8 all numbers but 0 were protected like pointers.
        const bool is_protected =
            slot.is_spilled_reg() &&
            (a.is_kernel_at_least(platform::KernelVersion("6.8")) ? !slot.is_spilled_scalar()
                                                                  : !slot.spilled->is_null());
        if (!a.allow_ptr_leaks && is_protected && size != kSlotBytes)
            return a.refuse(Rule::StackSpill, "attempt to corrupt spilled pointer on stack");
        if (!a.bypass_spec_v4) {
            bool sanitize = value_regno >= 0 && is_spillable(a.reg(value_regno).type);
            for (int i = 0; i < size && !sanitize; ++i) {
                const SlotType byte = byte_at(slot, off + i);
                sanitize = byte != SlotType::Misc && byte != SlotType::Zero;
            }
            if (sanitize) a.aux[a.insn_index].nospec_result = true;
        }
    }
    if (!destroy_dynptr_slot(a, *a.state, frame, slot_no)) return false;
    check_fastcall_contract(a, a.state->frame(frame), off);
    const bool aligned = off % kSlotBytes == 0;
    // Partial stores leave earlier bytes readable, so only whole ones end a slot's life.
    if (aligned && size == kSlotBytes) a.mark_stack_write(frame, slot_no);

    FuncState& owner = a.state->frame_mut(frame);
    StackSlot& slot = owner.stack[size_t(slot_no)];
    RegState* value = value_regno >= 0 ? &a.reg_mut(value_regno) : nullptr;
    bool is_spill = true;
    if (value && aligned && value->type == kScalar && a.privileged) {
        const bool fits = register_width(*value) <= 8 * size;
        if (fits) a.link_before_copy(*value);
        save_register(a, slot, *value, size);
        if (!fits) slot.spilled.write().id = 0;
    } else if (!value && aligned && is_store_of_immediate(insn) && a.privileged) {
        RegState number;
        number.set_constant(uint64_t(int64_t{insn.imm}));
        save_register(a, slot, number, size);
    } else if (value && is_spillable(value->type)) {
        if (size != kSlotBytes) return a.refuse(Rule::StackSpill, "invalid size of register spill");
        if (!same_frame && value->type == kPtrToStack)
            return a.refuse(Rule::StackPointer,
                            "cannot spill pointers to stack into stack frame of the caller");
        save_register(a, slot, *value, size);
    } else {
        is_spill = false;
        scrub_special(slot);
        SlotType type = SlotType::Misc;
        if ((value && value->is_null()) ||
            (!value && is_store_of_immediate(insn) && insn.imm == 0)) {
            if (value_regno >= 0 && !a.mark_chain_precision(value_regno)) return false;
            type = SlotType::Zero;
        }
        // Tracking back may have copied the frame.
        StackSlot& own = a.state->frame_mut(frame).stack[size_t(slot_no)];
        for (int i = 0; i < size; ++i) byte_at(own, off + i) = type;
    }
    a.scratch_slot(frame, slot_no);
    if (is_spill) a.push_history(stack_history(frame, slot_no));
    return true;
}

bool write_variable(Analysis& a, uint32_t frame, int ptr_regno, int off, int size,
                    int value_regno) {
    const RegState ptr = a.reg(ptr_regno);
    const int min_off = int(ptr.value.smin) + off, max_off = int(ptr.value.smax) + off + size;
    const isa::Insn& insn = a.insns[a.insn_index];
    const bool writing_zero = value_regno >= 0 ? a.reg(value_regno).is_null()
                                               : is_store_of_immediate(insn) && insn.imm == 0;
    for (int i = min_off; i < max_off; ++i)
        if (!destroy_dynptr_slot(a, *a.state, frame, slot_index(i))) return false;
    check_fastcall_contract(a, a.state->frame(frame), min_off);
    bool zero_used = false;
    for (int i = min_off; i < max_off; ++i) {
        StackSlot& slot = a.state->frame_mut(frame).stack[size_t(slot_index(i))];
        SlotType& byte = byte_at(slot, i);
        a.scratch_slot(frame, slot_index(i));
        if (!a.allow_ptr_leaks && byte != SlotType::Misc && byte != SlotType::Zero)
            return a.refuse(Rule::StackVariable,
                            "spilled ptr in range of var-offset stack write; insn {}, ptr off: {}",
                            a.insn_index, i);
        if (writing_zero && byte == SlotType::Spill && slot.is_spilled_scalar() &&
            slot.spilled->is_null()) {
            zero_used = true;
            continue;
        }
        // Data may or may not go here: what was a register is one no more.
        scrub_special(slot);
        SlotType type = SlotType::Misc;
        if (writing_zero && byte == SlotType::Zero) {
            type = SlotType::Zero;
            zero_used = true;
        }
        if (byte == SlotType::Invalid && !a.allow_uninit_stack)
            return a.refuse(
                Rule::StackVariable,
                "uninit stack in range of var-offset write prohibited for !root; insn {}, off: {}",
                a.insn_index, i);
        byte = type;
    }
    return !zero_used || value_regno < 0 || a.mark_chain_precision(value_regno);
}

/// A register that is loaded from bytes that hold no register.
void load_bytes(Analysis& a, uint32_t frame, int min_off, int max_off, int dst_regno) {
    bool all_zero = true;
    for (int i = min_off; i < max_off && all_zero; ++i)
        all_zero = byte_at(a.state->frame(frame).stack[size_t(slot_index(i))], i) == SlotType::Zero;
    if (all_zero)
        a.mark_reg_zero(dst_regno);
    else
        a.mark_reg_unknown(dst_regno);
}

bool refuse_read(Analysis& a, int off, int i, int size) {
    return a.refuse(Rule::StackRead, "invalid read from stack off {}+{} size {}", off, i, size);
}

bool readable(const Analysis& a, SlotType byte) {
    return byte == SlotType::Misc || byte == SlotType::Zero ||
           (byte == SlotType::Invalid && a.allow_uninit_stack);
}

/// Part of a spilled number, or more than it: `true` with `restores` where the register is it.
bool fill_part(Analysis& a, const StackSlot& slot, int off, int size, int spill_size, int dst_regno,
               bool& restores) {
    const RegState spilled = *slot.spilled;
    const bool narrow = a.rules.narrow_fills;
    // Little-endian: the low bytes of the number are at the start of the slot.
    if ((narrow ? size <= spill_size : size == spill_size) && off % kSlotBytes == 0) {
        RegState& dst = a.reg_mut(dst_regno);
        dst = spilled;
        if (register_width(spilled) > 8 * size) dst.id = 0, dst.off = 0;
        return true;
    }
    int spilled_bytes = 0, zero_bytes = 0;
    for (int i = 0; i < size; ++i) {
        const SlotType byte = byte_at(slot, off + i);
        if (byte == SlotType::Spill)
            ++spilled_bytes;
        else if (byte == SlotType::Zero && narrow)
            ++zero_bytes;
        else if (byte == SlotType::Zero || !readable(a, byte))
            return refuse_read(a, off, i, size);
    }
    if (narrow && spilled_bytes == size && spilled.is_null()) {
        a.mark_reg_zero(dst_regno);
    } else {
        restores = false;
        if (zero_bytes == size)
            a.mark_reg_zero(dst_regno);
        else
            a.mark_reg_unknown(dst_regno);
    }
    return true;
}

bool read_fixed(Analysis& a, uint32_t frame, int off, int size, int dst_regno) {
    const int slot_no = slot_index(off);
    // By value: writing to a register may give the frame a copy of its own.
    const StackSlot slot = a.state->frame(frame).stack[size_t(slot_no)];
    check_fastcall_contract(a, a.state->frame(frame), off);
    a.mark_stack_read(frame, slot_no);
    bool restores = true;
    if (slot.is_spilled_reg()) {
        int spill_size = 1;
        while (spill_size < kSlotBytes &&
               slot.bytes[size_t(kSlotBytes - 1 - spill_size)] == SlotType::Spill)
            ++spill_size;
        if (size != kSlotBytes || spill_size != kSlotBytes) {
            if (slot.spilled->type != kScalar)
                return a.refuse(Rule::StackSpill, "invalid size of register fill");
            if (dst_regno < 0) return true;
            if (!fill_part(a, slot, off, size, spill_size, dst_regno, restores)) return false;
        } else if (dst_regno >= 0) {
            a.reg_mut(dst_regno) = *slot.spilled;
        } else if (a.is_pointer_value(*slot.spilled)) {
            // Helpers would show it, atomics would change it.
            return a.refuse(Rule::PointerLeak, "leaking pointer from stack off {}", off);
        }
    } else {
        for (int i = 0; i < size; ++i)
            if (!readable(a, byte_at(slot, off + i))) return refuse_read(a, off, i, size);
        if (dst_regno >= 0) load_bytes(a, frame, off, off + size, dst_regno);
        restores = false;
    }
    if (restores) a.push_history(stack_history(frame, slot_no));
    return true;
}

bool read_variable(Analysis& a, uint32_t frame, int ptr_regno, int off, int size, int dst_regno) {
    if (!a.check_stack_range_initialized(ptr_regno, off, size, false, AccessType::Read, false,
                                         false))
        return false;
    const RegState& reg = a.reg(ptr_regno);
    const int min_off = int(reg.value.smin) + off, max_off = int(reg.value.smax) + off;
    check_fastcall_contract(a, a.state->frame(frame), min_off);
    load_bytes(a, frame, min_off, max_off + size, dst_regno);
    return true;
}

}  // namespace

FuncState& Analysis::stack_owner(const RegState& reg) {
    return state->frame_mut(reg.frameno);
}

void Analysis::grow_stack(uint32_t frame, int bytes) {
    const size_t slots = size_t(bytes + kSlotBytes - 1) / kSlotBytes;
    if (state->frame(frame).stack.size() < slots) state->frame_mut(frame).stack.resize(slots);
    SubprogInfo& subprog = subprogs[state->frame(frame).subprog];
    const uint32_t depth = uint32_t(slots * kSlotBytes);
    if (subprog.stack_depth < depth) subprog.stack_depth = depth;
}

bool Analysis::check_stack_bounds(int regno, int off, int size, AccessType type) {
    const RegState& ptr = reg(regno);
    const char* words = type == AccessType::Read ? "read from" : "write to";
    const bool fixed = ptr.value.is_constant();
    int64_t min_off, max_off;
    if (fixed) {
        min_off = int64_t(ptr.value.constant_value()) + off;
        max_off = min_off + size;
    } else {
        if (ptr.value.smax >= platform::kMaxVarOffset || ptr.value.smin <= -platform::kMaxVarOffset)
            return refuse(Rule::StackVariable, "invalid unbounded variable-offset {} stack R{}",
                          words, regno);
        min_off = ptr.value.smin + off;
        max_off = ptr.value.smax + off + size;
    }
    const int lowest = type == AccessType::Write || allow_uninit_stack
                           ? -isa::kStackSize
                           : -state->frame(ptr.frameno).allocated_stack();
    if (min_off < lowest || min_off > -1 || max_off > 0 || size < 0) {
        if (fixed)
            return refuse(Rule::StackBounds, "invalid {} stack R{} off={} size={}", words, regno,
                          off, size);
        return refuse(Rule::StackBounds,
                      "invalid variable-offset {} stack R{} var_off={} off={} size={}", words,
                      regno, to_string(ptr.value.bits), off, size);
    }
    grow_stack(ptr.frameno, int(-min_off));
    return true;
}

bool check_stack_access(Analysis& a, int regno, int off, int size, AccessType type,
                        int value_regno) {
    if (!a.check_stack_bounds(regno, off, size, type)) return false;
    const RegState& reg = a.reg(regno);
    const uint32_t frame = reg.frameno;
    if (reg.value.is_constant()) {
        const int fixed = off + int(reg.value.constant_value());
        return type == AccessType::Read ? read_fixed(a, frame, fixed, size, value_regno)
                                        : write_fixed(a, frame, fixed, size, value_regno);
    }
    if (type == AccessType::Write) return write_variable(a, frame, regno, off, size, value_regno);
    if (value_regno < 0)
        return a.refuse(Rule::StackVariable,
                        "variable offset stack pointer cannot be passed into helper function; "
                        "var_off={} off={} size={}",
                        to_string(reg.value.bits), off, size);
    return read_variable(a, frame, regno, off, size, value_regno);
}

bool Analysis::check_stack_range_initialized(int regno, int off, int size, bool zero_size_allowed,
                                             AccessType type, bool uninit_is_ok, bool clobber) {
    if (size == 0 && !zero_size_allowed)
        return refuse(Rule::HelperArgument, "invalid zero-sized read");
    if (!check_stack_bounds(regno, off, size, type)) return false;
    const RegState ptr = reg(regno);
    const bool fixed = ptr.value.is_constant();
    int min_off, max_off;
    if (fixed) {
        min_off = max_off = int(ptr.value.constant_value()) + off;
    } else {
        if (!bypass_spec_v1)
            return refuse(Rule::StackVariable,
                          "R{} variable offset stack access prohibited for !root, var_off={}",
                          regno, to_string(ptr.value.bits));
        // Which of the bytes are written is not known, so all must be initialised before.
        uninit_is_ok = false;
        min_off = int(ptr.value.smin) + off;
        max_off = int(ptr.value.smax) + off;
    }
    if (uninit_is_ok) {
        for (int i = min_off; i < max_off + size; ++i) {
            if (byte_at(state->frame(ptr.frameno).stack[size_t(slot_index(i))], i) ==
                SlotType::Dynptr)
                return refuse(Rule::StackBounds, "potential write to dynptr at off={} disallowed",
                              i);
        }
        return true;
    }
    for (int i = min_off; i < max_off + size; ++i) {
        const size_t slot_no = size_t(slot_index(i));
        const StackSlot& slot = state->frame(ptr.frameno).stack[slot_no];
        const SlotType byte = byte_at(slot, i);
        if (byte == SlotType::Misc) {
        } else if (readable(*this, byte)) {
            if (clobber) byte_at(state->frame_mut(ptr.frameno).stack[slot_no], i) = SlotType::Misc;
        } else if (slot.is_spilled_reg() && (slot.spilled->type == kScalar || allow_ptr_leaks)) {
            if (clobber) {
                StackSlot& own = state->frame_mut(ptr.frameno).stack[slot_no];
                own.spilled.reset();
                for (SlotType& each : own.bytes)
                    if (each != SlotType::Invalid) each = SlotType::Misc;
            }
        } else if (fixed) {
            return refuse(Rule::StackRead, "invalid read from stack R{} off {}+{} size {}", regno,
                          min_off, i - min_off, size);
        } else {
            return refuse(Rule::StackRead, "invalid read from stack R{} var_off {}+{} size {}",
                          regno, to_string(ptr.value.bits), i - min_off, size);
        }
        mark_stack_read(ptr.frameno, int(slot_no));
    }
    return true;
}

}  // namespace skep::verifier
