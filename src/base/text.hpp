// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Small text helpers that parsers and messages share.

namespace skep {

/// Pieces between separators, empty ones kept: split("a,,b", ',') is {"a", "", "b"}.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Without spaces, tabs and newlines at both ends.
std::string_view trim(std::string_view text);

/// A whole integer: decimal, 0x hex or 0 octal, an optional leading '-'. Nothing where any
/// character is left over or the value does not fit.
std::optional<int64_t> parse_int(std::string_view text);
std::optional<uint64_t> parse_uint(std::string_view text);

/// The candidate that a user probably meant (at most two edits away, and fewer than half of its
/// length), for "did you mean". Nothing where none is close.
std::optional<std::string_view> closest(std::string_view text,
                                        std::span<const std::string_view> candidates);

/// Text that is safe on one line of a terminal: control characters and invalid bytes as \xNN.
std::string printable(std::string_view text);

}  // namespace skep
