// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

// A .test file: commands and what they print (README.md has the format).

namespace skep::cli_test {

struct Step {
    enum class Kind { Comment, Needs, Command };
    Kind kind;
    int line;          ///< of the file, from 1
    std::string text;  ///< the comment, the condition, or the command
    std::vector<std::string> expected = {};
    int exit_code = 0;
};

std::vector<Step> parse_script(std::string_view text);

/// The inverse: parse_script(print_script(steps)) is steps, up to line numbers.
std::string print_script(const std::vector<Step>& steps);

/// Whether output is what is expected, "..." and "{*}" being any lines and any text.
bool matches(const std::vector<std::string>& expected, const std::vector<std::string>& actual);

/// The lines of a text, blank ones at the end left out.
std::vector<std::string> to_lines(std::string_view text);

}  // namespace skep::cli_test
