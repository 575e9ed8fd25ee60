// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "cli/command.hpp"

namespace skep::cli {

namespace {

constexpr size_t kColumns = 80;
constexpr size_t kMaxIndent = 24;

/// The text broken at blanks, lines after the first indented.
std::string wrapped(std::string_view text, size_t indent) {
    std::string out;
    size_t column = indent;
    for (const std::string_view word : split(text, ' ')) {
        if (column > indent && column + 1 + word.size() > kColumns) {
            out += '\n' + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            out += ' ';
            column++;
        }
        out += word;
        column += word.size();
    }
    return out;
}

std::string left_side(const Arguments::Option& option) {
    if (option.operand()) return option.value;
    std::string text = fmt::format("{}", fmt::join(option.names, ", "));
    if (!option.names.front().starts_with("--"))
        return option.flag() ? text : text + ' ' + option.value;
    return "    " + (option.flag() ? text : text + ' ' + option.value);
}

void put_options(std::string& out, const std::vector<Arguments::Option>& options, bool operands,
                 size_t indent) {
    for (const Arguments::Option& option : options) {
        if (option.operand() != operands) continue;
        std::string left = "  " + left_side(option);
        if (left.size() + 2 > indent)
            left += '\n' + std::string(indent, ' ');
        else
            left.resize(indent, ' ');
        std::string help = option.help;
        if (!option.choices.empty()) help += fmt::format(": {}", fmt::join(option.choices, ", "));
        out += left + wrapped(help, indent) + '\n';
    }
}

}  // namespace

const std::vector<Arguments::Option>& common_options() {
    static const std::vector<Arguments::Option> options = {
        {.names = {"--color"},
         .value = "WHEN",
         .help = "colours",
         .choices = {"auto", "always", "never"}},
        {.names = {"-h", "--help"}, .help = "this text"},
    };
    return options;
}

std::string synopsis(const Command& command, const Arguments& args) {
    std::string text = "[OPTIONS]";
    for (const Arguments::Option& option : args.options()) {
        if (!option.operand()) continue;
        const std::string value = option.value + (option.repeated ? "..." : "");
        text += option.required ? " " + value : " [" + value + "]";
    }
    if (command.takes_child) text += " [-- COMMAND [ARG...]]";
    return text;
}

std::string help_text(const Command& command, const Arguments& args, const Terminal& terminal) {
    std::string out =
        fmt::format("skep {}: {}\n\n{} skep {} {}\n", command.name, command.summary,
                    terminal.paint(Style::Bold, "usage:"), command.name, synopsis(command, args));
    if (!command.description.empty()) out += fmt::format("\n{}\n", trim(command.description));
    size_t indent = 0;
    for (const auto* options : {&args.options(), &common_options()})
        for (const Arguments::Option& option : *options)
            indent = std::max(indent, std::min(left_side(option).size() + 4, kMaxIndent));
    out += '\n';
    put_options(out, args.options(), true, indent);
    put_options(out, args.options(), false, indent);
    put_options(out, common_options(), false, indent);
    if (command.examples.empty()) return out;
    out += fmt::format("\n{}\n", terminal.paint(Style::Bold, "examples:"));
    for (const std::string_view line : split(trim(command.examples), '\n'))
        out += fmt::format("  {}\n", line);
    return out;
}

}  // namespace skep::cli
