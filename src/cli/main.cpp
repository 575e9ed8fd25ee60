// SPDX-License-Identifier: Apache-2.0
// skep: eBPF, whole. This file is the table of commands and the way from a command line to one of
// them; each command is a file of its own.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>

#include "base/table.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"

namespace skep::cli {

namespace {

constexpr std::array kCommands = {
    &kRun,          // on packets and system calls
    &kCheck,        // may it run, and if not, why
    &kTest,         // unit tests of programs
    &kBench,        // what it costs
    &kInspect,      // what is in an object
    &kDoctor,       // what this machine can do
    &kPs,           // what is loaded
    &kMap,          // what maps hold
    &kPin,          // what stays
    &kUnpin,        // ... and no longer
    &kDetach,       // programs from their hooks
    &kDis,          // bytes to text
    &kAsm,          // text to bytes
    &kCompletions,  // for shells
    &kManual,       // for man
};

/// What comes before the command, or applies to all of them.
struct CommandLine {
    Color color = Color::Auto;
    bool help = false;
    bool version = false;
    const Command* command = nullptr;
    std::vector<std::string> words;  ///< behind the command's name
    std::vector<std::string> child;  ///< behind "--"
};

Result<Color> parse_color(std::string_view text) {
    if (text == "auto") return Color::Auto;
    if (text == "always") return Color::Always;
    if (text == "never") return Color::Never;
    return fail(ErrorCode::Usage, "--color: '{}' is none of auto, always, never", printable(text));
}

Result<const Command*> find_command(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Command* command : kCommands) {
        if (command->name == name) return command;
        names.push_back(command->name);
    }
    std::string hint = "skep --help lists the commands";
    if (const auto meant = closest(name, names)) hint = fmt::format("did you mean '{}'?", *meant);
    return std::unexpected(Error{ErrorCode::Usage,
                                 fmt::format("unknown command '{}'", printable(name)),
                                 std::move(hint), 0});
}

/// Takes --color and --help wherever they stand before "--", and --version before the command.
Result<CommandLine> read_command_line(const std::vector<std::string>& words) {
    CommandLine line;
    for (size_t i = 0; i < words.size(); i++) {
        const std::string& word = words[i];
        if (word == "--" && line.command) {
            if (!line.command->takes_child)
                return fail(ErrorCode::Usage, "skep {} runs no command: '--' is not expected",
                            line.command->name);
            line.child.assign(words.begin() + ptrdiff_t(i) + 1, words.end());
            if (line.child.empty()) return fail(ErrorCode::Usage, "no command behind '--'");
            break;
        }
        if (word == "-h" || word == "--help") {
            line.help = true;
        } else if (word.starts_with("--color=")) {
            line.color = SKEP_TRY(parse_color(std::string_view(word).substr(8)));
        } else if (word == "--color") {
            if (++i == words.size()) return fail(ErrorCode::Usage, "--color: a value is missing");
            line.color = SKEP_TRY(parse_color(words[i]));
        } else if (line.command) {
            line.words.push_back(word);
        } else if (word == "--version" || word == "-V") {
            line.version = true;
        } else if (word == "help") {
            line.help = true;
        } else if (word.starts_with('-')) {
            return std::unexpected(Error{ErrorCode::Usage,
                                         fmt::format("unknown option {}", printable(word)),
                                         "options of a command stand behind its name", 0});
        } else {
            line.command = SKEP_TRY(find_command(word));
        }
    }
    return line;
}

std::string overview(const Terminal& terminal) {
    std::string out =
        fmt::format("skep: verify, run and operate eBPF programs\n\n{} skep COMMAND [OPTIONS]\n\n",
                    terminal.paint(Style::Bold, "usage:"));
    for (const Command* command : kCommands)
        out += fmt::format("  {:<12} {}\n", command->name, command->summary);
    out +=
        "\nskep COMMAND --help shows its options, with examples. Exit codes: 0 done, or the "
        "answer\n"
        "is yes; 1 the answer is no; 2 usage; 3 this machine or kernel cannot do it; 4 malformed\n"
        "input; 5 anything else.\n";
    return out;
}

constexpr std::string_view kFirstSteps =
    "skep verifies, runs and operates eBPF programs. Two to begin with:\n\n"
    "  skep inspect build/release/examples/hello.bpf.o      # what is in a compiled object\n"
    "  skep dis build/release/examples/hello.bpf.o          # its code, with source lines\n\n"
    "skep --help lists the commands.\n";

Result<int> run(const CommandLine& line, Terminal& terminal) {
    if (line.version) {
        SKEP_TRY(terminal.print(fmt::format("skep {}\n", SKEP_VERSION)));
        return kDone;
    }
    if (!line.command) {
        SKEP_TRY(terminal.print(line.help ? overview(terminal) : std::string(kFirstSteps)));
        return line.help ? kDone : 2;
    }
    Arguments args;
    const Action action = line.command->declare(args);
    if (line.help) {
        SKEP_TRY(terminal.print(help_text(*line.command, args, terminal)));
        return kDone;
    }
    if (auto parsed = args.parse(line.words); !parsed) {
        Error error = std::move(parsed).error();
        if (error.hint.empty()) error.hint = fmt::format("skep {} --help", line.command->name);
        return std::unexpected(std::move(error));
    }
    Context context{.terminal = terminal, .child = line.child};
    return action(context);
}

int main(const std::vector<std::string>& words) {
    // A handler, not SIG_IGN: commands that we run must not inherit it. Writes fail with EPIPE.
    struct sigaction action = {};
    if (sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = [](int) {};
        sigaction(SIGPIPE, &action, nullptr);
    }
    const Result<CommandLine> line = read_command_line(words);
    Terminal terminal(line ? line->color : Color::Auto);
    const Result<int> code =
        line ? run(*line, terminal) : Result<int>(std::unexpected(line.error()));
    if (code) return *code;
    if (terminal.closed()) return kDone;  // whoever read us has seen enough
    terminal.report(code.error());
    return code.error().exit_code();
}

}  // namespace

std::span<const Command* const> commands() {
    return kCommands;
}

}  // namespace skep::cli

int main(int argc, char** argv) {
    return skep::cli::main(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
}
