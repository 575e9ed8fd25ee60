// SPDX-License-Identifier: Apache-2.0
#include "engine/jit/processor_fault.hpp"

#include <signal.h>
#include <ucontext.h>

#include <array>

#include "engine/jit/native_code.hpp"
#include "engine/jit/native_run.hpp"
#include "engine/prog.hpp"

namespace skep::engine::jit {

thread_local constinit RunState* running = nullptr;

namespace {

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
struct sigaction before[kSignals.size()];

#if defined(__x86_64__)

/// Lets the thread go on in Trampoline::crashed, where this is our code: from there on it is as if
/// the machine code had called it.
bool take(int signal, const siginfo_t& info, ucontext_t& context) {
    RunState* const state = running;
    // Not what somebody has sent with kill(2).
    if (!state || !state->execution || info.si_code <= 0) return false;
    greg_t* const registers = context.uc_mcontext.gregs;
    const auto* at = reinterpret_cast<const uint8_t*>(registers[REG_RIP]);
    const NativeCode* code = state->execution->prog().code_at(at);
    if (!code) return false;
    if (const auto insn = code->insn_at(at)) state->at = *insn;
    registers[REG_RDI] = reinterpret_cast<greg_t>(state->execution);
    registers[REG_RSI] = signal;
    registers[REG_RDX] = reinterpret_cast<greg_t>(info.si_addr);
    registers[REG_R12] = reinterpret_cast<greg_t>(state);
    registers[REG_RSP] = greg_t(state->native_sp);
    registers[REG_RIP] = reinterpret_cast<greg_t>(trampoline()->crashed);
    registers[REG_EFL] &= ~greg_t{0x400};  // the direction flag, as C++ expects it
    return true;
}

#else
bool take(int, const siginfo_t&, ucontext_t&) {
    return false;
}
#endif

void on_signal(int signal, siginfo_t* info, void* context) {
    if (take(signal, *info, *static_cast<ucontext_t*>(context))) return;
    for (size_t i = 0; i < kSignals.size(); i++) {
        if (kSignals[i] != signal) continue;
        if (before[i].sa_flags & SA_SIGINFO) return before[i].sa_sigaction(signal, info, context);
        if (before[i].sa_handler != SIG_DFL && before[i].sa_handler != SIG_IGN)
            return before[i].sa_handler(signal);
    }
    // What refused refuses again, and the process ends as it would have; so does one that was sent.
    struct sigaction default_action = {};
    default_action.sa_handler = SIG_DFL;
    sigaction(signal, &default_action, nullptr);
    if (info->si_code <= 0) raise(signal);
}

}  // namespace

void catch_processor_faults() {
    [[maybe_unused]] static const bool once = [] {
        struct sigaction action = {};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        for (size_t i = 0; i < kSignals.size(); i++) {
            // Known before the handler can be called.
            sigaction(kSignals[i], nullptr, &before[i]);
            sigaction(kSignals[i], &action, nullptr);
        }
        return true;
    }();
}

}  // namespace skep::engine::jit
