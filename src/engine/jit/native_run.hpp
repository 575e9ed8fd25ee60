// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "engine/execution.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/jit/processor_fault.hpp"

namespace skep::engine::jit {

// Runs machine code, and is what machine code calls where an operation is not worth code of its
// own. These are plain functions that return in every case; a fault they leave in the execution,
// and the machine code behind the call sees it and unwinds. So no C++ frame is ever jumped over.
class NativeRun {
  public:
    explicit NativeRun(Execution& execution) : x_(execution) {}

    /// The whole program, with these arguments.
    uint64_t run(const NativeCode& native, uint64_t r1, uint64_t r2);
    /// As Interpreter has them; `native` is what `prog` has become.
    uint64_t run(const NativeCode& native, const Prog& prog, const Op* start, uint64_t* registers);
    uint64_t call_back(uint64_t function, const uint64_t (&arguments)[5]);

    // --- for machine code ---

    /// The operation at RunState::at, on RunState::registers; registers[11]: 0 where it has left
    /// its function.
    static void step(Execution& x);
    /// ProbeLoad: `which` counts from ProbeLoadB.
    static uint64_t probe_load(Execution& x, uint64_t address, uint32_t which);
    /// Where to go on; null where the tail call fails, or there is a fault.
    static const uint8_t* tail_call(Execution& x, uint64_t ctx, uint64_t map, uint64_t index);
    /// The same for code that cannot jump out of its function: 1 where it has to return, since
    /// run() goes on.
    static uint64_t tail_call_later(Execution& x, uint64_t ctx, uint64_t map, uint64_t index,
                                    uint64_t, uint64_t);
    static void out_of_budget(Execution& x) { x.out_of_budget(); }
    static void too_deep(Execution& x) { x.too_deep(); }
    /// The processor has refused what the code at RunState::at, or near it, does.
    static void crashed(Execution& x, uint32_t signal, uint64_t address);

  private:
    uint64_t go_on(uint64_t r0, uint64_t* registers);
    static const Prog* tail_called(Execution& x, uint64_t ctx, uint64_t map, uint64_t index);

    Execution& x_;
};

/// The way from C++ into machine code and back, made once.
struct Trampoline {
    /// Runs `code` with r1 to r5 and r10 of `registers`; returns its r0, or 0 after a fault. These
    /// registers and rdi are such that a function (RunState*, r1 to r5) of C is code, too.
    uint64_t (*enter)(RunState* state, const uint8_t* code, const uint64_t* registers);
    /// The same with r1 and r2 only, and r10 the first frame's.
    uint64_t (*start)(RunState* state, const uint8_t* code, uint64_t r1, uint64_t r2);
    const uint8_t* fault;  ///< where machine code jumps to after a fault
    const uint8_t* leave;  ///< a function that does nothing
    const uint8_t* stop;   ///< as `fault`, called by code in C's ways: stop(RunState*)
    /// What a signal handler makes of an instruction that the processor refused: NativeRun::crashed
    /// with its arguments where C has them, and then `fault`. rsp is RunState::native_sp, r12
    /// state.
    const uint8_t* crashed;
};
const Result<Trampoline>& trampoline();
/// The same for who runs machine code, which there would not be without it.
extern const Trampoline* made_trampoline;

#ifdef __clang__
#define SKEP_NO_TYPE_CHECK __attribute__((no_sanitize("function")))
#else
#define SKEP_NO_TYPE_CHECK
#endif
/// From C++ into machine code. Clang's sanitizer looks for a type before each function that is
/// called through a pointer, and before these is none.
SKEP_NO_TYPE_CHECK inline uint64_t enter(const Trampoline& trampoline, RunState* state,
                                         const uint8_t* code, const uint64_t* registers) {
    RunState* const before = running;
    running = state;
    const uint64_t r0 = trampoline.enter(state, code, registers);
    running = before;
    return r0;
}
SKEP_NO_TYPE_CHECK inline uint64_t NativeRun::run(const NativeCode& native, uint64_t r1,
                                                  uint64_t r2) {
    RunState* const before = running;
    running = &x_.state_;
    const uint64_t r0 = made_trampoline->start(&x_.state_, native.start(), r1, r2);
    running = before;
    if (!x_.next_) [[likely]]
        return r0;
    uint64_t registers[11] = {0, r1, r2};
    registers[10] = x_.frame_pointer(0);
    return go_on(r0, registers);
}
#undef SKEP_NO_TYPE_CHECK

bool has_bmi2();  ///< this processor

}  // namespace skep::engine::jit
