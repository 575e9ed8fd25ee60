// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/emitter.hpp"
#include "engine/jit/offsets.hpp"
#include "engine/jit/processor_fault.hpp"

// From a program to code that can be run, and the way into it.

namespace skep::engine::jit {

namespace {

using x86::Alu;
using enum x86::Reg;
using enum x86::Width;

#if defined(__x86_64__)
constexpr bool kCanRun = true;
#else
constexpr bool kCanRun = false;
#endif

/// Registers that a C++ caller expects to find as they were.
constexpr x86::Reg kSaved[] = {rbx, rbp, r12, r13, r14, r15};

Result<Trampoline> make_trampoline() {
    if (!kCanRun)
        return unsupported("machine code is made for x86-64 only, and this is another processor");
    x86::Assembler a;
    const auto save = [&] {
        // With the return address and native_sp, that is 8 words.
        for (const x86::Reg reg : kSaved) a.push(reg);
        a.move(W64, r12, rdi);
        a.load(rax, kNativeSp, 8);
        a.push(rax);
        a.store(kNativeSp, rsp, 8);
        a.move(W64, rax, rsi);
    };
    save();  // enter(state, code, registers)
    a.move(W64, r10, rdx);
    constexpr x86::Reg kArguments[] = {rsi, rdx, rcx, r8, r9};
    for (int i = 0; i < 5; i++) a.load(kArguments[i], {r10, 8 * (i + 1)}, 8);
    a.load(rbp, {r10, 80}, 8);
    const x86::Label call = a.label();
    a.bind(call);
    a.call(rax);
    const x86::Label back = a.label();
    a.bind(back);
    a.pop(rdi);
    a.store(kNativeSp, rdi, 8);
    for (size_t i = std::size(kSaved); i-- > 0;) a.pop(kSaved[i]);
    const x86::Label leave = a.label(), fault = a.label(), stop = a.label(), crashed = a.label();
    a.bind(leave);
    a.ret();
    const x86::Label start = a.label();
    a.bind(start);
    save();
    a.move(W64, rsi, rdx);
    a.move(W64, rdx, rcx);
    for (const x86::Reg reg : {rcx, r8, r9}) a.move(reg, 0);
    a.load(rbp, kStackTop, 8);
    a.jump(call);
    a.bind(crashed);
    a.move(rax, reinterpret_cast<uint64_t>(&NativeRun::crashed));
    a.call(rax);
    a.jump(fault);
    a.bind(stop);
    a.move(W64, r12, rdi);
    a.bind(fault);
    a.load(rsp, kNativeSp, 8);
    a.move(rax, 0);
    a.jump(back);
    auto placed = SKEP_TRY(Code::place(a.finish()));
    static const Code* const code = placed.release();  // as long as the process
    return Trampoline{.enter = reinterpret_cast<decltype(Trampoline::enter)>(
                          reinterpret_cast<uintptr_t>(code->begin())),
                      .start = reinterpret_cast<decltype(Trampoline::start)>(
                          reinterpret_cast<uintptr_t>(code->begin() + a.offset_of(start))),
                      .fault = code->begin() + a.offset_of(fault),
                      .leave = code->begin() + a.offset_of(leave),
                      .stop = code->begin() + a.offset_of(stop),
                      .crashed = code->begin() + a.offset_of(crashed)};
}

}  // namespace

bool has_bmi2() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("bmi2") != 0;
#else
    return false;
#endif
}

const Trampoline* made_trampoline = nullptr;

const Result<Trampoline>& trampoline() {
    static const Result<Trampoline> made = make_trampoline();
    [[maybe_unused]] static const bool known = [] {
        if (made) made_trampoline = &*made;
        return true;
    }();
    return made;
}

Result<std::unique_ptr<const NativeCode>> NativeCode::compile(const Prog& prog) {
    if (!trampoline()) return std::unexpected(Error(trampoline().error()));
    Emitter emitter(prog.ops(), prog.calls(), *trampoline(), {.bmi2 = has_bmi2()});
    const std::span<const uint8_t> bytes = emitter.emit();
    auto code = SKEP_TRY(Code::place(bytes));
    catch_processor_faults();
    return std::make_unique<const NativeCode>(std::move(code), emitter.functions(),
                                              emitter.lengths());
}

}  // namespace skep::engine::jit
