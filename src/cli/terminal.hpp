// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace skep::cli {

enum class Color { Auto, Always, Never };
enum class Style { Bold, Dim, Red, Green, Yellow, Cyan };

// Where a command's output goes: stdout is data, stderr is talk. With Color::Auto, each of them is
// coloured where it is a terminal and NO_COLOR is not set (no-color.org).
class Terminal {
  public:
    explicit Terminal(Color color);

    /// Writes data at once and whole. When the reader has gone away (`skep dis x.o | head`), this
    /// fails and closed() says so: the command should just stop.
    Result<void> print(std::string_view text);
    bool closed() const { return closed_; }

    /// One line of talk; what fails here is not worth a word.
    void note(std::string_view line);
    /// "error: ..." and "hint: ...", coloured.
    void report(const Error& error);

    /// The text as stdout shows it: coloured, or as it is.
    std::string paint(Style style, std::string_view text) const {
        return painted(out_color_, style, text);
    }
    bool colored() const { return out_color_; }
    bool interactive() const { return interactive_; }  ///< somebody watches stderr

  private:
    static std::string painted(bool color, Style style, std::string_view text);

    bool out_color_;
    bool err_color_;
    bool interactive_;
    bool closed_ = false;
};

}  // namespace skep::cli
