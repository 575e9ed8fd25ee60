// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/prog.hpp"

// How often each instruction of a program has run, and each conditional jump was taken. Counting
// costs nothing where nobody asked for it: a program that was loaded with Object::Options::coverage
// has every operation replaced by one, Counted, which counts and then does what stood there before
// (the way of a debugger's breakpoints).
//
//     const Coverage* coverage = prog.coverage();
//     if (coverage->jumps(7)) fmt::print("{} of {} times\n", coverage->taken(7),
//     coverage->runs(7));
//
// Any number of threads may count at once.

namespace skep::engine {

class Coverage {
  public:
    /// Replaces the operations, which are those of `insns`.
    Coverage(isa::InsnView insns, std::vector<Op>& ops);

    size_t size() const { return counts_.size(); }  ///< instructions
    /// False for the second half of a wide instruction.
    bool counted(uint32_t insn) const { return counts_[insn].counted; }
    bool jumps(uint32_t insn) const { return counts_[insn].jumps; }  ///< on a condition
    uint64_t runs(uint32_t insn) const { return counts_[insn].runs.load(); }
    uint64_t taken(uint32_t insn) const { return counts_[insn].taken.load(); }

    // What the interpreter does.
    uint16_t code(uint32_t insn) const { return counts_[insn].code; }
    void run(uint32_t insn) { counts_[insn].runs.fetch_add(1, std::memory_order_relaxed); }
    void take(uint32_t insn) { counts_[insn].taken.fetch_add(1, std::memory_order_relaxed); }

  private:
    struct Count {
        uint16_t code = 0;  ///< of the operation that stood here
        bool counted = false;
        bool jumps = false;
        std::atomic<uint64_t> runs = 0;
        std::atomic<uint64_t> taken = 0;
    };
    std::vector<Count> counts_;
};

}  // namespace skep::engine
