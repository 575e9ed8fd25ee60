// SPDX-License-Identifier: Apache-2.0
#include <llvm-c/DebugInfo.h>

#include "optimiser/translator.hpp"

// Which instruction a piece of code comes from, in the object's line table: line N + 1 of a file
// that does not exist is instruction N.

namespace skep::optimiser {

namespace {

void add_flag(LLVMModuleRef module, std::string_view name, LLVMValueRef value) {
    LLVMAddModuleFlag(module, LLVMModuleFlagBehaviorWarning, name.data(), name.size(),
                      LLVMValueAsMetadata(value));
}

}  // namespace

void Translator::begin_lines() {
    constexpr unsigned kDwarf = 4;  // what the engine reads
    add_flag(module_, "Debug Info Version", number32(LLVMDebugMetadataVersion()));
    add_flag(module_, "Dwarf Version", number32(kDwarf));
    lines_ = LLVMCreateDIBuilder(module_);
    file_ = LLVMDIBuilderCreateFile(lines_, "bpf", 3, "", 0);
    LLVMDIBuilderCreateCompileUnit(lines_, LLVMDWARFSourceLanguageC, file_, "skep", 4, true, "", 0,
                                   0, "", 0, LLVMDWARFEmissionLineTablesOnly, 0, false, false, "",
                                   0, "", 0);
}

void Translator::end_lines() {
    LLVMDIBuilderFinalize(lines_);
    LLVMDisposeDIBuilder(lines_);
}

/// From now on, what is built is of this function, and of this instruction.
void Translator::give_lines(Value function, uint32_t begin) {
    const LLVMMetadataRef type =
        LLVMDIBuilderCreateSubroutineType(lines_, file_, nullptr, 0, LLVMDIFlagZero);
    const LLVMMetadataRef subprogram =
        LLVMDIBuilderCreateFunction(lines_, file_, "f", 1, "", 0, file_, begin + 1, type, true,
                                    true, begin + 1, LLVMDIFlagZero, true);
    LLVMSetSubprogram(function, subprogram);
    subprogram_ = subprogram;
    at(begin);
}

void Translator::at(uint32_t insn) {
    LLVMSetCurrentDebugLocation2(
        b_, LLVMDIBuilderCreateDebugLocation(context_, insn + 1, 0, subprogram_, nullptr));
}

}  // namespace skep::optimiser
