// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "engine/ops.hpp"
#include "engine/prog.hpp"

// The interpreter. It runs any program, verified or not, and no program can harm the process: each
// access is looked up in the regions of memory.hpp, unless the verifier has proven it right and the
// program's operations say so (verified_ops.hpp); calls are at most 8 deep, and the budget ends
// what would never end.
//
// Dispatch is by address of label, one indirect jump an instruction, which the branch predictor
// learns by its place. Most checked accesses cost two comparisons: the slot that the instruction
// shares with few others remembers the region of the last one.

namespace skep::engine {

class Interpreter {
  public:
    explicit Interpreter(Execution& execution) : x_(execution) {}

    /// Runs from `start`, at the depth that the execution has, until the function returns.
    uint64_t run(const Prog& prog, const Op* start, uint64_t* registers);

    /// One operation of a program, whatever follows it; not one that jumps, or calls a function of
    /// the program. False where it has left its function (a packet load beyond the end).
    bool step(const Prog& prog, uint32_t insn, uint64_t (&registers)[11]);

    /// A function of the program with a frame of its own, called by a helper.
    uint64_t call_back(uint64_t function, const uint64_t (&arguments)[5]);

  private:
    friend class jit::NativeRun;

    /// From `op`, one of `ops_` or a copy.
    uint64_t execute(const Op* op, uint64_t* registers);
    uint8_t* access(const Op* op, uint64_t address, uint32_t size, bool store) {
        const Region& region = x_.memory_.cached(size_t(op - ops_));
        const uint64_t offset = address - region.begin;
        if (offset < region.size && size <= region.size - offset && (!store || region.writable))
            [[likely]]
            return reinterpret_cast<uint8_t*>(address);
        return access_slowly(op, address, size, store);
    }
    uint8_t* access_slowly(const Op* op, uint64_t address, uint32_t size, bool store);
    /// For atomic operations, which must be aligned and never reach the context.
    uint8_t* access_atomic(const Op* op, uint64_t address, uint32_t size);
    /// Null for a field that is a pointer: load_context_pointer() answers that.
    uint8_t* context_access(const Op* op, uint64_t offset, uint32_t size, bool store);
    /// After access() has failed: false where that was a fault, and not such a field.
    bool load_context_pointer(const Op* op, uint64_t address, uint64_t* value);

    uint32_t index_of(const Op* op) const { return first_ + uint32_t(op - ops_); }
    bool push_frame(const Op* at, const uint64_t* registers);
    const Op* pop_frame(uint64_t* registers);
    uint64_t call_helper(const Op* op, const uint64_t* registers);
    uint64_t call_plain(const Op* op, const uint64_t* registers);
    uint64_t call_kfunc(const Op* op, const uint64_t* registers);
    uint64_t call_register(const Op* op, const uint64_t* registers);
    uint64_t call(const Op* op, const Call& call, const uint64_t* registers);
    /// The program to go on with, or null where the call fails, which is no fault.
    const Prog* tail_call(const Op* op, const uint64_t* registers);
    bool load_packet(const Op* op, int64_t offset, uint64_t* value);
    void fault_at(const Op* op, Fault::Kind kind, std::string message, int reg, uint64_t value);
    void out_of_budget(const Op* op);
    /// Counts a run of it; returns the operation that it is.
    uint16_t count(const Op* op);

    Execution& x_;
    const Prog* prog_ = nullptr;
    const Op* ops_ = nullptr;
    uint32_t first_ = 0;        ///< the index of ops_[0]
    const Op* jump_ = nullptr;  ///< the last counted operation, where it was a conditional jump
};

}  // namespace skep::engine
