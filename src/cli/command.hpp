// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/arguments.hpp"
#include "cli/terminal.hpp"

// A command of skep, as a row of the table in main.cpp:
//
//     const Command kInspect = {
//         .name = "inspect",
//         .summary = "show what is in a compiled object",
//         .description = "...",
//         .examples = "skep inspect hello.bpf.o\n",
//         .declare = [](Arguments& args) -> Action { ... },
//     };
//
// The arguments are declared with the variables that they set, and the action that declare()
// returns runs with these (a shared struct, usually) after the command line has been read.

namespace skep::cli {

/// Exit codes, from here on stable. An Error's code is the other half: 2 usage, 3 this machine
/// cannot, 4 malformed input, 5 anything else.
inline constexpr int kDone = 0;  ///< done; the answer is yes
inline constexpr int kNo = 1;    ///< the answer is no: rejected, denied, a mismatch

/// What a command needs of where it runs.
struct Context {
    Terminal& terminal;
    std::vector<std::string> child = {};  ///< COMMAND and its arguments, behind "--"
};

/// Returns the exit code.
using Action = std::function<Result<int>(Context&)>;

struct Command {
    std::string_view name;
    std::string_view summary;           ///< a few words, for the list of commands
    std::string_view description = {};  ///< paragraphs of at most 80 columns
    std::string_view examples = {};     ///< command lines, one a line; "# ..." lines explain
    bool takes_child = false;           ///< may be followed by "-- COMMAND [ARG...]"
    Action (*declare)(Arguments& args);
};

/// All commands, in the order of their list.
std::span<const Command* const> commands();

/// "usage: ...", what the options do, the examples.
std::string help_text(const Command& command, const Arguments& args, const Terminal& terminal);

/// "[OPTIONS] FILE [-- COMMAND [ARG...]]"
std::string synopsis(const Command& command, const Arguments& args);

/// The options that every command has: shown by help, manual and completions, read by main.
const std::vector<Arguments::Option>& common_options();

extern const Command kAsm, kBench, kCheck, kCompletions, kDetach, kDis, kDoctor, kInspect, kManual,
    kMap, kPin, kPs, kRun, kTest, kUnpin;

}  // namespace skep::cli
