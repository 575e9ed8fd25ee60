// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include <algorithm>

#include "base/text.hpp"
#include "object/source.hpp"

// Functions, by their symbols. A global one outside .text is a program; all others are subprograms,
// which only exist as parts of the programs that use them.

namespace skep::object {

namespace {

constexpr uint64_t kInsnSize = sizeof(isa::Insn);

/// A wide instruction cut in half would reach into whatever is linked behind it.
bool ends_whole(ByteView code) {
    uint64_t at = 0;
    while (at < code.size()) at += load<isa::Insn>(code, at)->is_wide() ? 2 * kInsnSize : kInsnSize;
    return at == code.size();
}

Result<Function> read_function(const elf::Elf& elf, const elf::Symbol& symbol) {
    const elf::Section& section = elf.sections()[symbol.section];
    if (symbol.size == 0 || symbol.size % kInsnSize != 0 || symbol.value % kInsnSize != 0 ||
        !slice(section.data, symbol.value, symbol.size))
        return malformed(
            "function '{}' at byte {} of section '{}' has a bad size or place: {} bytes",
            printable(symbol.name), symbol.value, printable(section.name), symbol.size);
    if (symbol.name.empty())
        return malformed("section '{}' has a function without a name", printable(section.name));
    if (!ends_whole(section.data.subspan(symbol.value, symbol.size)))
        return malformed("function '{}' ends within an instruction", printable(symbol.name));
    return Function{.name = symbol.name,
                    .section = symbol.section,
                    .start = uint32_t(symbol.value / kInsnSize),
                    .count = uint32_t(symbol.size / kInsnSize),
                    .global = !symbol.local() && !symbol.hidden(),
                    .is_program = !symbol.local() && section.name != ".text"};
}

/// Sorts, drops further names of the same code and refuses code that two functions share otherwise:
/// that keeps all copies of code within the size of the file.
Result<void> separate(std::vector<Function>& functions) {
    std::ranges::sort(functions, {}, [](const Function& f) {
        return std::tuple(f.section, f.start, !f.is_program, !f.global);
    });
    const auto same = [](const Function& a, const Function& b) {
        return a.section == b.section && a.start == b.start && a.count == b.count;
    };
    const auto duplicates = std::ranges::unique(functions, same);
    functions.erase(duplicates.begin(), duplicates.end());
    for (size_t i = 1; i < functions.size(); i++) {
        const Function &before = functions[i - 1], &after = functions[i];
        if (before.section == after.section && before.start + before.count > after.start)
            return malformed("functions '{}' and '{}' overlap", printable(before.name),
                             printable(after.name));
    }
    return {};
}

}  // namespace

Result<void> find_functions(Source& source) {
    for (const elf::Symbol& symbol : source.elf.symbols())
        if (symbol.type == STT_FUNC && source.role(symbol.section) == Role::Code)
            source.functions.push_back(SKEP_TRY(read_function(source.elf, symbol)));
    SKEP_TRY(separate(source.functions));

    // An object with nothing but .text comes from somebody who knows no sections: all that it
    // exports can be looked at and, with a type given, run.
    if (std::ranges::none_of(source.functions, &Function::is_program))
        for (Function& function : source.functions) function.is_program = function.global;

    for (const auto& section : source.ext.funcs) {
        const elf::Section* code = source.elf.find(section.name);
        if (!code) continue;
        for (const btf::FuncRecord& record : section.records) {
            const Function* function = source.function_at(code->index, record.offset / kInsnSize);
            // A weak function that a linker has dropped leaves its records behind.
            if (!function || record.offset % kInsnSize != 0) continue;
            if (source.btf->type(record.type).kind() != btf::Kind::Func)
                return malformed("BTF describes function '{}' by type {}, which is no function",
                                 printable(function->name), record.type);
            source.functions[source.index_of(*function)].btf_type = record.type;
        }
    }
    return {};
}

}  // namespace skep::object
