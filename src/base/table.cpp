// SPDX-License-Identifier: Apache-2.0
#include "base/table.hpp"

#include <algorithm>

#include "base/result.hpp"

namespace skep {

Table::Table(std::vector<std::string> headers) {
    for (std::string& header : headers) {
        right_.push_back(header.starts_with('>'));
        if (right_.back()) header.erase(0, 1);
    }
    rows_.push_back(std::move(headers));
}

void Table::row(std::vector<std::string> cells) {
    SKEP_CHECK(cells.size() == right_.size());
    rows_.push_back(std::move(cells));
}

std::string Table::to_string() const {
    std::vector<size_t> widths(right_.size());
    for (const auto& row : rows_)
        for (size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size());

    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (size_t i = 0; i < row.size(); i++) {
            const std::string padding(widths[i] - row[i].size(), ' ');
            if (i) line += "  ";
            line += right_[i] ? padding + row[i] : row[i] + padding;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

}  // namespace skep
