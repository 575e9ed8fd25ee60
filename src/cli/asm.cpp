// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/asm_object.hpp"
#include "cli/command.hpp"
#include "cli/input.hpp"
#include "isa/assemble.hpp"
#include "isa/decode.hpp"
#include "object/section_names.hpp"
#include "platform/helpers.hpp"

namespace skep::cli {

namespace {

struct Options {
    std::string file;
    std::optional<std::string> output;
    std::string section = "socket";
    std::string license = "GPL";
};

std::optional<int32_t> helper_number(std::string_view name) {
    if (name.starts_with("bpf_")) name.remove_prefix(4);
    const platform::HelperInfo* helper = platform::find_helper(name);
    if (!helper) return std::nullopt;
    return static_cast<int32_t>(helper->id);
}

/// The caret diagnostic of the assembler as an Error.
Error to_error(isa::AsmError error, std::string_view source, const std::string& file) {
    std::string hint = std::exchange(error.hint, {});
    std::string message = isa::render(error, source, file);
    while (message.ends_with('\n')) message.pop_back();
    return {ErrorCode::Malformed, std::move(message), std::move(hint), 0};
}

Result<void> check_section(const std::string& section) {
    if (object::interpret_section(section).type != ProgType::Unspec) return {};
    Error error = {
        ErrorCode::Usage, fmt::format("--section: '{}' says no program type", printable(section)),
        "e.g. socket, xdp, tc, raw_tp/sys_enter, tracepoint/syscalls/sys_enter_openat", 0};
    if (const auto meant = object::suggest_section(section))
        error.hint = fmt::format("did you mean '{}'?", *meant);
    return std::unexpected(std::move(error));
}

Result<Bytes> output_of(const isa::Assembly& assembly, const Options& options) {
    SKEP_TRY(isa::validate(assembly.insns));
    if (!options.output->ends_with(".o")) return isa::encode(assembly.insns);
    return assembled_object(assembly, {options.section, options.license});
}

Result<int> assemble(const Options& options, Context& context) {
    if (!options.output)
        return std::unexpected(Error{ErrorCode::Usage, "-o is missing: where the code goes",
                                     "-o prog.o is an object, any other name raw bytecode, - "
                                     "standard output",
                                     0});
    SKEP_TRY(check_section(options.section));
    const std::string name = input_name(options.file);
    const Bytes bytes = SKEP_TRY(read_input(options.file));
    const std::string_view source(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    auto assembly = isa::assemble(source, helper_number);
    if (!assembly) return std::unexpected(to_error(std::move(assembly.error()), source, name));
    auto output = output_of(*assembly, options);
    if (!output) return std::unexpected(std::move(output.error()).in(name));
    if (*options.output == "-")
        SKEP_TRY(context.terminal.print(
            {reinterpret_cast<const char*>(output->data()), output->size()}));
    else
        SKEP_TRY(write_file(*options.output, *output));
    return kDone;
}

Action declare(Arguments& args) {
    auto options = std::make_shared<Options>();
    args.operand("FILE", options->file, "assembler text; - reads it from standard input");
    args.option("-o,--output", "OUT", options->output,
                "where the code goes: an object where this ends in .o, else raw bytecode");
    args.option("--section", "NAME", options->section,
                "of an object: the section of the program, which says its type (default: socket)");
    args.option("--license", "TEXT", options->license, "of an object (default: GPL)");
    return [options](Context& context) { return assemble(*options, context); };
}

}  // namespace

const Command kAsm = {
    .name = "asm",
    .summary = "assemble",
    .description =
        "Text in the syntax of clang and llvm-objdump, as skep dis writes it, to bytecode.\n"
        "docs/isa.md has every form. In an object, the first function is the program, the\n"
        "others are what it calls.",
    .examples =
        "skep asm drop.s --section xdp -o drop.o\n"
        "echo 'r0 = 0; exit' | skep asm - -o zero.bin\n",
    .declare = declare,
};

}  // namespace skep::cli
