// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "engine/jit/code_memory.hpp"

namespace skep::engine {
class Prog;
}

namespace skep::engine::jit {

// A verified program as machine code: the baseline tier. One pass over Prog::ops(), which are right
// as they stand (verified_ops.hpp), and nothing is optimised but what two neighbours give.
//
//     auto native = NativeCode::compile(prog);          // x86-64; elsewhere Unsupported
//     if (native) ... (*native)->function(0) ...        // native_run.hpp calls it
//
// Immutable. docs/engine.md says how the code is laid out.
class NativeCode {
  public:
    struct Function {
        uint32_t insn;
        uint32_t offset;
    };
    using Place = Function;

    static Result<std::unique_ptr<const NativeCode>> compile(const Prog& prog);

    /// `lengths`: how many bytes each operation has become. Or `places`, where instructions are not
    /// in their order.
    NativeCode(std::unique_ptr<Code> code, std::vector<Function> functions,
               std::span<const uint32_t> lengths);
    NativeCode(std::unique_ptr<Code> code, std::vector<Function> functions,
               std::vector<Place> places);

    /// Where the function that begins at this instruction does; null where none does.
    const uint8_t* function(uint64_t insn) const;
    /// function(0)
    const uint8_t* start() const { return start_; }

    std::span<const uint8_t> bytes() const { return code_->bytes(); }
    bool contains(const uint8_t* address) const {
        return address >= bytes().data() && address < bytes().data() + bytes().size();
    }
    /// What an instruction has become: nothing where the one before it is done with it. What lies
    /// behind the last instruction is what jumps lead to that are hardly ever taken.
    std::span<const uint8_t> bytes_of(uint32_t insn) const;
    /// The instruction that an address in the code belongs to.
    std::optional<uint32_t> insn_at(const uint8_t* address) const;
    /// Where pieces of code begin, and the instruction that each is of; by ascending offset.
    std::vector<Place> places() const;
    const std::vector<Function>& functions() const { return functions_; }
    /// Bytes beside the code.
    size_t overhead() const;

  private:
    template <typename Visit>
    void walk(const Visit& visit) const;

    std::unique_ptr<Code> code_;
    std::vector<Function> functions_;
    const uint8_t* start_ = nullptr;
    std::vector<uint8_t> lengths_;  ///< a byte each; 255: the next four
    std::vector<Place> places_;     ///< of the optimising tier, instead
};

}  // namespace skep::engine::jit
