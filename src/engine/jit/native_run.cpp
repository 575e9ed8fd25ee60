// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/native_run.hpp"

#include <string.h>

#include <algorithm>

#include "engine/interpreter.hpp"
#include "engine/jit/native_code.hpp"
#include "engine/ops.hpp"
#include "engine/probe.hpp"
#include "platform/limits.hpp"

namespace skep::engine::jit {

uint64_t NativeRun::run(const NativeCode& native, const Prog& prog, const Op* start,
                        uint64_t* registers) {
    const uint8_t* code = native.function(uint64_t(start - prog.ops_.data()));
    if (!code) return Interpreter(x_).run(prog, start, registers);
    return go_on(enter(*trampoline(), &x_.state_, code, registers), registers);
}

/// What code has tail-called, and left for here.
uint64_t NativeRun::go_on(uint64_t r0, uint64_t* registers) {
    while (const Prog* next = x_.next_) [[unlikely]] {
        x_.next_ = nullptr;
        if (const NativeCode* other = next->native()) {
            r0 = enter(*trampoline(), &x_.state_, other->start(), registers);
            continue;
        }
        x_.memory_.forget();
        x_.frames_[0].may_goto = platform::kMaxLoops;
        r0 = Interpreter(x_).run(*next, next->ops_.data(), registers);
    }
    return r0;
}

uint64_t NativeRun::call_back(uint64_t function, const uint64_t (&arguments)[5]) {
    const Prog& prog = *x_.prog_;
    const auto begin = reinterpret_cast<uint64_t>(prog.ops_.data());
    const uint8_t* code = prog.native()->function((function - begin) / sizeof(Op));
    if (!code || function % sizeof(Op) != begin % sizeof(Op))
        return x_.fault(Fault::Kind::BadCall, "a callback that is no function of the program");
    if (--x_.state_.budget_left < 0) return x_.out_of_budget();
    if (x_.state_.depth + 1 >= isa::kMaxFrames) return x_.too_deep();
    const uint32_t at = x_.state_.at;
    uint64_t registers[11] = {};
    std::copy_n(arguments, 5, registers + 1);
    registers[10] = x_.frame_pointer(++x_.state_.depth);
    const uint64_t r0 = enter(*trampoline(), &x_.state_, code, registers);
    if (x_.faulted()) return 0;
    x_.state_.depth--;
    x_.state_.at = at;
    // An interpreted program may have called, whose packet may now be another.
    x_.memory_.forget();
    return r0;
}

void NativeRun::step(Execution& x) {
    // What it calls may come here, too.
    uint64_t registers[11];
    std::copy_n(x.state_.registers, 11, registers);
    // Calls from machine code do not look whether a packet has moved.
    x.memory_.forget();
    const bool went_on = Interpreter(x).step(*x.prog_, x.state_.at, registers);
    std::copy_n(registers, 11, x.state_.registers);
    x.state_.registers[11] = went_on;
}

uint64_t NativeRun::probe_load(Execution& x, uint64_t address, uint32_t which) {
    const auto load = [&]<typename T>(T value) {
        read_kernel(x, &value, sizeof value, address);
        return static_cast<uint64_t>(static_cast<int64_t>(value));
    };
    switch (OpCode(uint32_t(OpCode::ProbeLoadB) + which)) {
        case OpCode::ProbeLoadB: return load(uint8_t{0});
        case OpCode::ProbeLoadH: return load(uint16_t{0});
        case OpCode::ProbeLoadW: return load(uint32_t{0});
        case OpCode::ProbeLoadSxB: return load(int8_t{0});
        case OpCode::ProbeLoadSxH: return load(int16_t{0});
        case OpCode::ProbeLoadSxW: return load(int32_t{0});
        default: return load(uint64_t{0});
    }
}

void NativeRun::crashed(Execution& x, uint32_t signal, uint64_t address) {
    x.fault(
        Fault::Kind::Processor,
        fmt::format("the processor refused it (SIG{}) at address {:#x}: memory that the program "
                    "may use was taken away while it ran",
                    sigabbrev_np(int(signal)), address));
}

const Prog* NativeRun::tail_called(Execution& x, uint64_t ctx, uint64_t map, uint64_t index) {
    const Prog& prog = *x.prog_;
    const Op* op = &prog.ops_[x.state_.at];
    uint64_t registers[11] = {0, ctx, map, index};
    Interpreter interpreter(x);
    interpreter.prog_ = &prog;
    interpreter.ops_ = prog.ops_.data();
    const Prog* next = interpreter.tail_call(op, registers);
    if (next) x.prog_ = next;
    return next;
}

const uint8_t* NativeRun::tail_call(Execution& x, uint64_t ctx, uint64_t map, uint64_t index) {
    const Prog* next = tail_called(x, ctx, map, index);
    if (!next) return nullptr;
    if (const NativeCode* native = next->native()) return native->start();
    x.next_ = next;
    return trampoline()->leave;
}

uint64_t NativeRun::tail_call_later(Execution& x, uint64_t ctx, uint64_t map, uint64_t index,
                                    uint64_t, uint64_t) {
    x.next_ = tail_called(x, ctx, map, index);
    return x.next_ != nullptr;
}

}  // namespace skep::engine::jit
