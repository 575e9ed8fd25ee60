// SPDX-License-Identifier: Apache-2.0
#include "script.hpp"

#include "base/text.hpp"

namespace skep::cli_test {

namespace {

constexpr std::string_view kNeeds = "needs: ", kAnyText = "{*}", kAnyLines = "...";

bool is_exit_code(std::string_view line) {
    return line.size() > 2 && line.front() == '[' && line.back() == ']' &&
           parse_uint(line.substr(1, line.size() - 2));
}

bool line_matches(std::string_view expected, std::string_view actual) {
    const size_t any = expected.find(kAnyText);
    if (any == std::string_view::npos) return expected == actual;
    if (!actual.starts_with(expected.substr(0, any))) return false;
    const std::string_view rest = expected.substr(any + kAnyText.size());
    for (size_t from = any; from <= actual.size(); from++)
        if (line_matches(rest, actual.substr(from))) return true;
    return false;
}

bool lines_match(const std::string* expected, const std::string* expected_end,
                 const std::string* actual, const std::string* actual_end) {
    for (; expected != expected_end; ++expected, ++actual) {
        if (*expected == kAnyLines) {
            for (const std::string* from = actual; from <= actual_end; ++from)
                if (lines_match(expected + 1, expected_end, from, actual_end)) return true;
            return false;
        }
        if (actual == actual_end || !line_matches(*expected, *actual)) return false;
    }
    return actual == actual_end;
}

}  // namespace

std::vector<std::string> to_lines(std::string_view text) {
    std::vector<std::string> lines;
    for (const std::string_view line : split(text, '\n')) lines.emplace_back(line);
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    return lines;
}

bool matches(const std::vector<std::string>& expected, const std::vector<std::string>& actual) {
    return lines_match(expected.data(), expected.data() + expected.size(), actual.data(),
                       actual.data() + actual.size());
}

std::vector<Step> parse_script(std::string_view text) {
    std::vector<Step> steps;
    int number = 0;
    for (const std::string& line : to_lines(text)) {
        number++;
        if (line.starts_with("## ")) {
            const std::string_view comment = std::string_view(line).substr(3);
            if (comment.starts_with(kNeeds))
                steps.push_back(
                    {Step::Kind::Needs, number, std::string(comment.substr(kNeeds.size()))});
            else
                steps.push_back({Step::Kind::Comment, number, std::string(comment)});
        } else if (line.starts_with("$ ")) {
            steps.push_back({Step::Kind::Command, number, line.substr(2)});
        } else if (steps.empty() || steps.back().kind != Step::Kind::Command) {
            continue;  // blank lines between comments
        } else if (line.starts_with("> ") && steps.back().expected.empty()) {
            steps.back().text += '\n' + line.substr(2);
        } else if (is_exit_code(line)) {
            steps.back().exit_code = int(*parse_uint(line.substr(1, line.size() - 2)));
        } else {
            steps.back().expected.push_back(line);
        }
    }
    for (Step& step : steps)
        while (!step.expected.empty() && step.expected.back().empty()) step.expected.pop_back();
    return steps;
}

std::string print_script(const std::vector<Step>& steps) {
    std::string out;
    bool after_command = false;
    for (const Step& step : steps) {
        if (step.kind != Step::Kind::Command) {
            if (after_command) out += '\n';
            out += step.kind == Step::Kind::Needs ? "## needs: " : "## ";
            out += step.text + '\n';
            after_command = false;
            continue;
        }
        std::string_view prompt = "$ ";
        for (const std::string_view line : split(step.text, '\n')) {
            out += std::string(prompt) + std::string(line) + '\n';
            prompt = "> ";
        }
        for (const std::string& line : step.expected) out += line + '\n';
        if (step.exit_code != 0) out += "[" + std::to_string(step.exit_code) + "]\n";
        after_command = true;
    }
    return out;
}

}  // namespace skep::cli_test
