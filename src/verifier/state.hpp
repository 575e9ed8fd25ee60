// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "isa/insn.hpp"
#include "object/spec.hpp"
#include "verifier/pool.hpp"
#include "verifier/reg_type.hpp"
#include "verifier/scalar.hpp"

// What is known at one point of one path: registers and stack of every active function, the
// references and locks that the program holds. States are values: copying one shares its parts
// (pool.hpp) until somebody writes.
//
//     const RegState& r1 = state.cur().regs[1];
//     RegState& r0 = state.cur_mut().regs[0];         // a frame of our own from now on
//     const StackSlot& slot = state.frame(0).stack[spi];     // spi 0 is fp-8
//
// Names are the kernel's (struct bpf_verifier_state and below), so that its documentation helps.

namespace skep::verifier {

struct MapInfo;  // program_parts.hpp

inline constexpr int kRegs = 11;
inline constexpr int kCallerSaved = 6;  ///< r0 to r5
inline constexpr int kSlotBytes = 8;
inline constexpr int kMaxSlots = isa::kStackSize / kSlotBytes;

enum class DynptrType : uint8_t { Invalid, Local, Ringbuf, Skb, Xdp, SkbMeta };
enum class IterState : uint8_t { Invalid, Active, Drained };

/// In RegState::id of a scalar: it is the linked register's value plus RegState::off.
inline constexpr uint32_t kAddConst = 1u << 31;

struct RegState {
    RegType type = kNotInit;
    /// Fixed part of a pointer's offset; of linked scalars: the difference to the one of that id.
    int32_t off = 0;
    /// The number; of pointers the variable part of the offset.
    Scalar value;

    /// Pointers with one id have the same variable offset; of "or null" pointers: what becomes
    /// known to be non-null together; linked scalars.
    uint32_t id = 0;
    uint32_t ref_obj_id = 0;  ///< the reference without which this becomes invalid

    // What it points to, by type. Those that the type does not use are 0.
    const MapInfo* map = nullptr;   ///< kConstPtrToMap, kPtrToMapValue, kPtrToMapKey
    const btf::Btf* btf = nullptr;  ///< kPtrToBtfId, iterator slots: whose id btf_id is
    uint32_t btf_id = 0;            ///< kPtrToBtfId; iterator slots: struct bpf_iter_*
    int32_t packet_range = 0;       ///< kPtrToPacket: bytes known to be there (or kBeyond...)
    uint32_t map_uid = 0;           ///< of an inner map: which lookup it is from
    uint32_t mem_size = 0;          ///< kPtrToMem
    uint32_t dynptr_id = 0;         ///< kPtrToMem: the dynptr that it is a slice of
    uint32_t subprog = 0;           ///< kPtrToFunc
    int32_t iter_depth = 0;         ///< iterator slots: how many times next() was called
    DynptrType dynptr = DynptrType::Invalid;  ///< dynptr slots, kConstPtrToDynptr
    bool dynptr_first_slot = false;
    IterState iter = IterState::Invalid;  ///< iterator slots; Invalid in all but the first
    uint8_t irq_kfunc_class = 0;          ///< irq flag slots
    uint8_t frameno = 0;                  ///< kPtrToStack: whose stack
    bool precise = false;                 ///< of scalars: pruning must compare the value

    bool is_scalar() const { return type == kScalar; }
    bool is_constant() const { return type == kScalar && value.is_constant(); }
    bool is_null() const { return is_constant() && value.constant_value() == 0; }
    /// Back to nothing known, as after a call.
    void clear() { *this = RegState{}; }
    /// A number of which nothing is known; `is_precise` where all numbers must be.
    void set_unknown(bool is_precise = false) {
        *this = RegState{};
        type = kScalar;
        value.set_unknown();
        precise = is_precise;
    }
    void set_constant(uint64_t number) {
        *this = RegState{};
        type = kScalar;
        value.set_constant(number);
    }
    /// A pointer of that type to where its object starts; what it points to is set by the caller.
    void set_pointer(RegType pointer_type) {
        *this = RegState{};
        type = pointer_type;
        value.set_constant(0);
    }
    bool operator==(const RegState&) const = default;
};

/// What packet_range says besides a number of bytes (after a comparison with data_end).
inline constexpr int32_t kAtPacketEnd = -1, kBeyondPacketEnd = -2;

enum class SlotType : uint8_t {
    Invalid,  ///< never written
    Spill,    ///< a register
    Misc,     ///< data
    Zero,     ///< known to be 0
    Dynptr,
    Iter,
    IrqFlag,
};

/// 8 bytes of stack. Of spills, dynptrs, iterators and irq flags there is also a register state.
struct StackSlot {
    /// [i] is the byte at fp - 8 * index - 1 - i: the last one has the lowest address.
    std::array<SlotType, kSlotBytes> bytes{};
    Cow<RegState> spilled;

    /// The kernel's slot_type[7]: that of a slot which is used as a whole.
    SlotType whole() const { return bytes[kSlotBytes - 1]; }
    bool is_spilled_reg() const { return whole() == SlotType::Spill; }
    bool is_spilled_scalar() const { return is_spilled_reg() && spilled->type == kScalar; }
    bool is_special() const {
        return whole() == SlotType::Dynptr || whole() == SlotType::Iter ||
               whole() == SlotType::IrqFlag;
    }
    /// A number that was stored in all 8 bytes.
    bool is_spilled_scalar64() const {
        return bytes[0] == SlotType::Spill && spilled->type == kScalar;
    }
    bool is_invalid() const {
        for (const SlotType byte : bytes)
            if (byte != SlotType::Invalid) return false;
        return true;
    }
    void fill(SlotType type) { bytes.fill(type); }
    void clear() {
        fill(SlotType::Invalid);
        spilled.reset();
    }
};

struct ReturnValueRange {
    int32_t lowest = INT32_MIN;
    int32_t highest = INT32_MAX;
    bool return_32bit = false;
    bool operator==(const ReturnValueRange&) const = default;
};

/// One active function.
struct FuncState {
    std::array<RegState, kRegs> regs;
    std::vector<StackSlot> stack;  ///< [0] is fp-8; as many as were ever accessed
    int32_t callsite = -1;         ///< insn of the call; of the main function -1
    uint16_t frameno = 0;
    uint16_t subprog = 0;
    uint32_t callback_depth = 0;   ///< how often a callback of this frame's call was simulated
    uint32_t async_entry_cnt = 0;  ///< to tell asynchronous callbacks from loops
    ReturnValueRange callback_ret_range;
    bool in_callback_fn = false;
    bool in_async_callback_fn = false;
    bool in_exception_callback_fn = false;

    int allocated_stack() const { return int(stack.size()) * kSlotBytes; }
};

enum class RefKind : uint8_t {
    Pointer,  ///< something to release
    Irq,      ///< a saved irq state
    Lock,     ///< bpf_spin_lock
    ResLock,  ///< bpf_res_spin_lock
    ResLockIrq,
};

/// Something that the program must give back.
struct RefState {
    RefKind kind = RefKind::Pointer;
    uint32_t id = 0;
    uint32_t insn = 0;           ///< where it was acquired
    const void* lock = nullptr;  ///< locks: the map or BTF of what is locked
    bool operator==(const RefState&) const = default;
};

/// Registers whose ranges one branch refined together: up to six of "register r of frame f" or
/// "stack slot s of frame f", 10 bits each, count in the low 4 bits.
using LinkedRegs = uint64_t;

/// One executed instruction that tracking back (precision.cpp) must know more about than the code.
struct HistoryEntry {
    uint32_t insn;
    uint32_t prev;
    uint16_t flags;  ///< kHist*
    LinkedRegs linked;
};
inline constexpr uint16_t kHistFrameMask = 0x7, kHistSlotMask = 0x3f, kHistSlotShift = 3,
                          kHistStackAccess = 1 << 9, kHistDstStack = 1 << 10,
                          kHistSrcStack = 1 << 11;

/// Everything known at one point of one path.
struct VerifierState {
    std::array<Cow<FuncState>, isa::kMaxFrames> frames;
    uint32_t curframe = 0;

    std::vector<RefState> refs;
    uint32_t active_locks = 0;
    uint32_t active_lock_id = 0;  ///< of the innermost lock
    const void* active_lock_ptr = nullptr;
    uint32_t active_irq_id = 0;  ///< of the innermost saved irq state
    uint32_t active_preempt_locks = 0;
    uint32_t active_rcu_locks = 0;
    bool speculative = false;
    bool in_sleepable = false;
    bool cleaned = false;      ///< dead registers and slots are forgotten
    bool all_precise = false;  ///< here and in all `parent`s: mark_all_scalars_precise()

    // Of exploration.
    VerifierState* parent = nullptr;  ///< the last state that was kept on the way here
    uint32_t branches = 0;            ///< paths from here that are not yet done
    uint32_t first_insn_idx = 0;      ///< of the part of the path since `parent`
    uint32_t last_insn_idx = 0;
    uint32_t insn_idx = 0;
    uint32_t dfs_depth = 0;
    uint32_t callback_unroll_depth = 0;
    uint32_t may_goto_depth = 0;
    uint32_t insns_since_parent = 0;
    uint64_t longest_after = 0;  ///< instructions of the longest way on from here, once it is done
    std::vector<HistoryEntry> history;  ///< since `parent`

    const FuncState& frame(uint32_t i) const { return *frames[i]; }
    FuncState& frame_mut(uint32_t i) { return frames[i].write(); }
    const FuncState& cur() const { return *frames[curframe]; }
    FuncState& cur_mut() { return frames[curframe].write(); }
    const RegState& reg(uint32_t number) const { return cur().regs[number]; }
    RegState& reg_mut(uint32_t number) { return cur_mut().regs[number]; }

    /// The registers, then the spilled ones, of all frames, that `wanted` says yes to are given to
    /// `change`; what is not wanted stays shared.
    template <typename Wanted, typename Change>
    void change_regs(const Wanted& wanted, const Change& change) {
        for (uint32_t f = 0; f <= curframe; ++f) {
            for (int r = 0; r < kRegs; ++r)
                if (wanted(frame(f).regs[size_t(r)])) change(frame_mut(f).regs[size_t(r)]);
            for (size_t s = 0; s < frame(f).stack.size(); ++s) {
                const StackSlot& slot = frame(f).stack[s];
                if (slot.spilled && slot.is_spilled_reg() && wanted(*slot.spilled))
                    change(frame_mut(f).stack[s].spilled.write());
            }
        }
    }
};

/// The 8-byte slot of the stack that an offset from the frame pointer (negative) lies in.
constexpr int slot_index(int off) {
    return (-off - 1) / kSlotBytes;
}

}  // namespace skep::verifier
