// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/file.hpp"

namespace skep::cli {

namespace {

bool wants_color(Color color, int fd) {
    if (color != Color::Auto) return color == Color::Always;
    const char* no_color = std::getenv("NO_COLOR");
    if (no_color && *no_color) return false;
    const char* term = std::getenv("TERM");
    return isatty(fd) && term && std::string_view(term) != "dumb";
}

int code_of(Style style) {
    switch (style) {
        case Style::Bold: return 1;
        case Style::Dim: return 2;
        case Style::Red: return 31;
        case Style::Green: return 32;
        case Style::Yellow: return 33;
        case Style::Cyan: return 36;
    }
    return 0;
}

}  // namespace

Terminal::Terminal(Color color)
    : out_color_(wants_color(color, STDOUT_FILENO)),
      err_color_(wants_color(color, STDERR_FILENO)),
      interactive_(isatty(STDERR_FILENO)) {}

std::string Terminal::painted(bool color, Style style, std::string_view text) {
    return color ? fmt::format("\x1b[{}m{}\x1b[0m", code_of(style), text) : std::string(text);
}

Result<void> Terminal::print(std::string_view text) {
    auto written = write_fd(STDOUT_FILENO, bytes_of(text), "standard output");
    if (!written && written.error().sys_errno == EPIPE) closed_ = true;
    return written;
}

void Terminal::note(std::string_view line) {
    (void)write_fd(STDERR_FILENO, bytes_of(std::string_view(fmt::format("{}\n", line))),
                   "standard error");
}

void Terminal::report(const Error& error) {
    std::string text =
        fmt::format("{} {}", painted(err_color_, Style::Red, "error:"), error.message);
    if (!error.hint.empty())
        text += fmt::format("\n{} {}", painted(err_color_, Style::Cyan, "hint:"), error.hint);
    note(text);
}

}  // namespace skep::cli
