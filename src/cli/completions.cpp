// SPDX-License-Identifier: Apache-2.0
// Completions for shells, from the same tables as the parser.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "base/text.hpp"
#include "cli/command.hpp"

namespace skep::cli {

namespace {

/// Calls visit(command, options) with all options of each command, the common ones included.
template <typename Visit>
void for_each_command(const Visit& visit) {
    for (const Command* command : commands()) {
        Arguments args;
        command->declare(args);
        std::vector<Arguments::Option> options = args.options();
        options.insert(options.end(), common_options().begin(), common_options().end());
        visit(*command, options);
    }
}

/// Text between single quotes of sh and fish.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string for_bash() {
    std::string cases, values;
    std::vector<std::string_view> names;
    for_each_command([&](const Command& command, const std::vector<Arguments::Option>& options) {
        names.push_back(command.name);
        std::vector<std::string> words;
        for (const Arguments::Option& option : options) {
            words.insert(words.end(), option.names.begin(), option.names.end());
            if (option.operand())
                words.insert(words.end(), option.choices.begin(), option.choices.end());
            else if (!option.choices.empty())
                values += fmt::format("        {0}:{1}) words={2} ;;\n", command.name,
                                      fmt::join(option.names, fmt::format("|{}:", command.name)),
                                      quoted(fmt::format("{}", fmt::join(option.choices, " "))));
        }
        cases += fmt::format("        {}) words={} ;;\n", command.name,
                             quoted(fmt::format("{}", fmt::join(words, " "))));
    });
    return fmt::format(R"(# skep completions bash > /etc/bash_completion.d/skep
_skep() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words=
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W '{} --help --version' -- "$current")
        return
    fi
    case ${{COMP_WORDS[1]}} in
{}    esac
    case ${{COMP_WORDS[1]}}:$previous in
{}    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"; compgen -f -- "$current")
}}
complete -o filenames -F _skep skep
)",
                       fmt::join(names, " "), cases, values);
}

/// Text inside a specification of _arguments: ':', '[' and ']' mean something there.
std::string zsh_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == ':' || c == '[' || c == ']') out += '\\';
        out += c;
    }
    return out;
}

std::string zsh_specification(const Arguments::Option& option, std::string_view name) {
    const std::string action =
        option.choices.empty() ? "_files" : fmt::format("({})", fmt::join(option.choices, " "));
    const std::string value =
        option.flag() ? "" : fmt::format(":{}:{}", zsh_text(option.value), action);
    if (option.operand()) return (option.repeated ? "*" : "") + value;
    return fmt::format("{}{}[{}]{}", option.repeated ? "*" : "", name, zsh_text(option.help),
                       value);
}

std::string for_zsh() {
    std::string list, cases;
    for_each_command([&](const Command& command, const std::vector<Arguments::Option>& options) {
        list += fmt::format("        {}\n",
                            quoted(fmt::format("{}:{}", command.name, zsh_text(command.summary))));
        cases += fmt::format("        {}) _arguments", command.name);
        for (const Arguments::Option& option : options) {
            const std::vector<std::string> one = {""};
            for (const std::string& name : option.operand() ? one : option.names)
                cases += " \\\n            " + quoted(zsh_specification(option, name));
        }
        cases += " ;;\n";
    });
    return fmt::format(R"(#compdef skep
# skep completions zsh > a directory of $fpath, as _skep
_skep() {{
    local -a commands=(
{}    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{}    esac
}}
_skep "$@"
)",
                       list, cases);
}

std::string fish_line(const Command& command, const Arguments::Option& option) {
    std::string line =
        fmt::format("complete -c skep -n '__fish_seen_subcommand_from {}'", command.name);
    for (const std::string& name : option.names)
        line += name.starts_with("--") ? fmt::format(" -l {}", name.substr(2))
                                       : fmt::format(" -s {}", name.substr(1));
    if (!option.flag()) line += " -r";
    if (!option.choices.empty())
        line += fmt::format(" -x -a {}", quoted(fmt::format("{}", fmt::join(option.choices, " "))));
    return line + fmt::format(" -d {}\n", quoted(option.help));
}

std::string for_fish() {
    std::string out = "# skep completions fish > ~/.config/fish/completions/skep.fish\n";
    for_each_command([&](const Command& command, const std::vector<Arguments::Option>& options) {
        out += fmt::format("complete -c skep -f -n __fish_use_subcommand -a {} -d {}\n",
                           command.name, quoted(command.summary));
        for (const Arguments::Option& option : options)
            if (!option.operand() || !option.choices.empty()) out += fish_line(command, option);
    });
    return out;
}

Action declare(Arguments& args) {
    auto shell = std::make_shared<std::string>();
    args.operand("SHELL", *shell, "for which shell").choices = {"bash", "zsh", "fish"};
    return [shell](Context& context) -> Result<int> {
        SKEP_TRY(context.terminal.print(*shell == "bash"  ? for_bash()
                                        : *shell == "zsh" ? for_zsh()
                                                          : for_fish()));
        return kDone;
    };
}

}  // namespace

const Command kCompletions = {
    .name = "completions",
    .summary = "print completions for a shell",
    .examples =
        "source <(skep completions bash)\n"
        "skep completions fish > ~/.config/fish/completions/skep.fish\n",
    .declare = declare,
};

}  // namespace skep::cli
