// SPDX-License-Identifier: Apache-2.0
#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include <memory>
#include <mutex>
#include <shared_mutex>

#include "optimiser/translator.hpp"

// The module's one function: from operations to an object for the processor that this is.

namespace skep::optimiser {

namespace {

using engine::jit::OptimiserOutput;

template <auto dispose>
struct Disposer {
    void operator()(auto* it) const { dispose(it); }
};
template <typename T, auto dispose>
using Owner = std::unique_ptr<std::remove_pointer_t<T>, Disposer<dispose>>;
using Message = Owner<char*, LLVMDisposeMessage>;

/// This processor, once; it is not thread-safe.
struct Machine {
    std::mutex lock;
    std::string why_not;
    LLVMTargetMachineRef machine = nullptr;

    Machine() {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86Target();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmPrinter();
        const Message triple(LLVMGetDefaultTargetTriple()), cpu(LLVMGetHostCPUName()),
            features(LLVMGetHostCPUFeatures());
        // Addresses are numbers here, so that LLVM does not see which ones follow each other: it
        // would gather where it could load, and gathers are slow where they have been mended.
        const std::string all =
            std::string(features.get()) + ",+prefer-no-gather,+prefer-no-scatter";
        LLVMTargetRef target = nullptr;
        char* error = nullptr;
        if (LLVMGetTargetFromTriple(triple.get(), &target, &error)) {
            why_not = error;
            LLVMDisposeMessage(error);
            return;
        }
        machine =
            LLVMCreateTargetMachine(target, triple.get(), cpu.get(), all.c_str(),
                                    LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelSmall);
        if (!machine) why_not = "LLVM does not know this processor";
    }
};

/// LLVM has static objects, which exit() destroys. This one goes before them: it waits for whoever
/// compiles, and nobody does any more.
struct Gate {
    std::shared_mutex& lock = *new std::shared_mutex;
    bool& closed = *new bool(false);
    ~Gate() {
        const std::lock_guard guard(lock);
        closed = true;
    }
} g_gate;

std::string run_passes(LLVMModuleRef module, LLVMTargetMachineRef machine) {
    const Owner<LLVMPassBuilderOptionsRef, LLVMDisposePassBuilderOptions> options(
        LLVMCreatePassBuilderOptions());
    if (const LLVMErrorRef error = LLVMRunPasses(module, "default<O2>", machine, options.get())) {
        const Owner<char*, LLVMDisposeErrorMessage> text(LLVMGetErrorMessage(error));
        return text.get();
    }
    return {};
}

std::string optimise(const OptimiserInput& input, const OptimiserOutput& output) {
    if (input.version != OptimiserInput::kVersion || input.opcodes != engine::kOpCodes ||
        input.state_size != sizeof(engine::RunState))
        return "the optimiser is of another build than the engine";
    static Machine& machine = *new Machine;  // not destroyed before the last thread is done
    const std::shared_lock open(g_gate.lock);
    if (g_gate.closed) return "the process ends";
    const std::lock_guard guard(machine.lock);
    if (!machine.machine) return machine.why_not;

    const Owner<LLVMContextRef, LLVMContextDispose> context(LLVMContextCreate());
    const Owner<LLVMModuleRef, LLVMDisposeModule> module(
        LLVMModuleCreateWithNameInContext("skep", context.get()));
    const Owner<LLVMTargetDataRef, LLVMDisposeTargetData> layout(
        LLVMCreateTargetDataLayout(machine.machine));
    LLVMSetModuleDataLayout(module.get(), layout.get());
    const Message triple(LLVMGetTargetMachineTriple(machine.machine));
    LLVMSetTarget(module.get(), triple.get());
    if (std::string why = Translator(context.get(), module.get(), input).translate(); !why.empty())
        return why;
    char* text = nullptr;
    const bool broken = LLVMVerifyModule(module.get(), LLVMReturnStatusAction, &text);
    const Message complaint(text);
    if (broken) return complaint.get();
    if (std::string why = run_passes(module.get(), machine.machine); !why.empty()) return why;
    LLVMMemoryBufferRef buffer = nullptr;
    char* error = nullptr;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine.machine, module.get(), LLVMObjectFile, &error,
                                            &buffer))
        return Message(error).get();
    const Owner<LLVMMemoryBufferRef, LLVMDisposeMemoryBuffer> object(buffer);
    output.object(output.context, reinterpret_cast<const uint8_t*>(LLVMGetBufferStart(buffer)),
                  LLVMGetBufferSize(buffer));
    return {};
}

}  // namespace

}  // namespace skep::optimiser

extern "C" __attribute__((visibility("default"))) void skep_optimise(
    const skep::engine::jit::OptimiserInput& input,
    const skep::engine::jit::OptimiserOutput& output) {
    const std::string why_not = skep::optimiser::optimise(input, output);
    if (!why_not.empty()) output.refused(output.context, why_not.c_str());
}
