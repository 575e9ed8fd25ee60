// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/env.hpp"
#include "engine/event.hpp"
#include "engine/fault.hpp"
#include "engine/memory.hpp"
#include "engine/run_state.hpp"
#include "isa/insn.hpp"
#include "platform/helpers.hpp"

namespace skep::engine {

class Interpreter;
class Object;
class Prog;
struct Op;

namespace jit {
class NativeRun;
}

// The state of one thread that runs programs: stack, memory map, budget, and what helpers need to
// know of the run. Make one for each thread and keep it; it owns one of the per-CPU slots of maps
// as long as it lives, so at most maps::possible_cpus() of them can exist at once (create() waits
// for none: it fails).
//
//     auto execution = SKEP_TRY(Execution::create(env));
//     Outcome outcome = prog.run(*execution, event);
//
// One thread at a time.

/// What a run came to.
struct Outcome {
    uint64_t r0 = 0;  ///< 0 where the program was stopped
    std::optional<Fault> fault = {};
};

class Execution {
  public:
    static constexpr uint64_t kDefaultBudget = 1ull << 32;  ///< instructions a run, roughly

    static Result<std::unique_ptr<Execution>> create(const Env& env);
    ~Execution();
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;

    uint64_t budget = kDefaultBudget;  ///< of each run from now on

    /// Is told of each instruction of programs that were loaded to be traced, before it runs: its
    /// index, r0 to r10, and how many functions deep it is.
    using Observer = std::function<void(const Prog& prog, uint32_t insn,
                                        std::span<const uint64_t, 11> registers, uint32_t depth)>;
    Observer observer = {};

    // --- for helpers ---

    const Env& env() const { return env_; }
    Event& event() { return *state_.event; }
    Task& task() { return *state_.event->task; }
    Memory& memory() { return memory_; }
    uint32_t cpu() const { return cpu_; }
    const Prog& prog() const { return *prog_; }  ///< that runs now
    /// Whether the program that runs now has its checks (Prog::verified()).
    bool checked() const;
    uint32_t random();

    /// Stops the program: the helper returns at once (any value), and the run ends with this fault.
    /// Returns 0, so that `return x.fault(...)` reads well.
    uint64_t fault(Fault::Kind kind, std::string message, int reg = -1, uint64_t value = 0);
    bool faulted() const { return state_.budget_left < 0; }

    /// The memory behind a helper's pointer argument in register `reg` (1 to 5), checked where this
    /// run is checked; null after a fault. `what` names the argument in the message: "key".
    uint8_t* check_memory(uint64_t address, uint64_t size, bool write, int reg,
                          std::string_view what);

    /// Runs a function of the program (the value of a function pointer argument) with these
    /// arguments: callbacks of bpf_loop(), timers, iteration. 0 after a fault; check faulted().
    uint64_t call_back(uint64_t function, uint64_t r1, uint64_t r2 = 0, uint64_t r3 = 0,
                       uint64_t r4 = 0, uint64_t r5 = 0);
    bool is_function(uint64_t value) const;

    // Helper-specific state that lives as long as the run.
    void* held_lock = nullptr;  ///< the bpf_spin_lock that the program holds

  private:
    friend class Prog;
    friend class Interpreter;
    friend class jit::NativeRun;

    Execution(const Env& env, uint32_t cpu);
    /// The program itself, whose arguments these are, or one of its functions.
    Outcome run(const Prog& prog, Event& event, uint64_t r1, uint64_t r2);
    Outcome run(const Prog& prog, Event& event, const Op* start,
                std::initializer_list<uint64_t> arguments);
    int64_t begin(const Prog& prog, Event& event);
    Outcome end(uint64_t r0);
    void check_released();
    uint64_t out_of_budget();
    uint64_t too_deep();
    void observe(const Op& op, const uint64_t* registers) const;
    uint64_t frame_pointer(uint32_t depth) const {
        return reinterpret_cast<uint64_t>(stack_.data() + stack_.size()) -
               uint64_t{depth} * isa::kStackSize;
    }

    struct Frame {
        const Op* return_to = nullptr;
        const Prog* prog = nullptr;
        std::array<uint64_t, 4> saved{};  // r6 to r9 of the caller
        uint64_t may_goto = 0;            // iterations that are left
    };

    const Env& env_;
    uint32_t cpu_;
    Memory memory_;
    RunState state_;
    const Prog* prog_ = nullptr;
    uint32_t tail_calls_ = 0;
    const Prog* next_ = nullptr;  // what machine code has tail-called, and left for NativeRun
    std::optional<Fault> fault_;
    uint64_t random_state_[2];
    std::array<Frame, isa::kMaxFrames> frames_;
    alignas(16) std::array<uint8_t, size_t{isa::kMaxFrames} * isa::kStackSize> stack_;
};

}  // namespace skep::engine
