// SPDX-License-Identifier: Apache-2.0
// The manual page, from the same tables as the parser.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "cli/command.hpp"

namespace skep::cli {

namespace {

/// Text for roff: '-' and '\' are escaped, and no line begins with a control character.
std::string roff(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '-' || c == '\\') out += '\\';
        if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
        out += c;
    }
    return out;
}

void put_option(std::string& out, const Arguments::Option& option) {
    out += ".TP\n";
    if (option.operand())
        out += fmt::format("\\fI{}\\fR\n", roff(option.value));
    else if (option.flag())
        out += fmt::format("\\fB{}\\fR\n", roff(fmt::format("{}", fmt::join(option.names, ", "))));
    else
        out +=
            fmt::format("\\fB{}\\fR \\fI{}\\fR\n",
                        roff(fmt::format("{}", fmt::join(option.names, ", "))), roff(option.value));
    out += roff(option.help);
    if (!option.choices.empty()) out += roff(fmt::format(": {}", fmt::join(option.choices, ", ")));
    out += '\n';
}

void put_command(std::string& out, const Command& command) {
    Arguments args;
    command.declare(args);
    out += fmt::format(".SS skep {} {}\n{}.\n", roff(command.name), roff(synopsis(command, args)),
                       roff(command.summary));
    if (!command.description.empty()) out += fmt::format(".PP\n{}\n", roff(command.description));
    for (const Arguments::Option& option : args.options()) put_option(out, option);
    if (!command.examples.empty())
        out += fmt::format(".PP\nExamples:\n.PP\n.nf\n.RS\n{}\n.RE\n.fi\n",
                           roff(trim(command.examples)));
}

std::string manual() {
    std::string out = fmt::format(
        ".TH SKEP 1 \"\" \"skep {}\"\n.SH NAME\nskep \\- verify, run and operate eBPF programs\n"
        ".SH SYNOPSIS\n\\fBskep\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH COMMANDS\n",
        SKEP_VERSION);
    for (const Command* command : commands()) put_command(out, *command);
    out += ".SH OPTIONS OF ALL COMMANDS\n";
    for (const Arguments::Option& option : common_options()) put_option(out, option);
    out +=
        ".SH EXIT STATUS\n"
        ".TP\n0\ndone; the answer is yes\n.TP\n1\nthe answer is no: rejected, denied, a mismatch\n"
        ".TP\n2\nusage\n.TP\n3\nthis machine or kernel cannot do it\n"
        ".TP\n4\nthe input is malformed\n.TP\n5\nanything else\n"
        ".SH ENVIRONMENT\n.TP\nNO_COLOR\nwhere it is set and not empty, output has no colours "
        "unless \\-\\-color asks for them\n"
        ".TP\nSKEP_JIT_SYMBOLS\nwho is told of machine code, with commas: perf\\-map (names in "
        "/tmp/perf\\-PID.map), jitdump (jit\\-PID.dump, for perf record \\-k mono and perf inject "
        "\\-\\-jit), gdb (names and source lines)\n"
        ".TP\nSKEP_OPTIMISER\nthe file of the optimising tier\n";
    return out;
}

}  // namespace

const Command kManual = {
    .name = "manual",
    .summary = "print the manual page",
    .examples = "skep manual | man -l -\n",
    .declare = [](Arguments&) -> Action {
        return [](Context& context) -> Result<int> {
            SKEP_TRY(context.terminal.print(manual()));
            return kDone;
        };
    },
};

}  // namespace skep::cli
