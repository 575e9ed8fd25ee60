// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace skep {

// Columns of text, aligned, two spaces apart, for people:
//
//     NAME   TYPE   KEY  VALUE
//     calls  hash     4      8
//
// A column whose header starts with '>' is right-aligned. Trailing spaces are never printed.
class Table {
  public:
    explicit Table(std::vector<std::string> headers);
    void row(std::vector<std::string> cells);
    std::string to_string() const;
    bool empty() const { return rows_.size() == 1; }

  private:
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace skep
