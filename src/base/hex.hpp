// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace skep {

/// "0a1b2c": two lower-case digits a byte, no separators.
std::string to_hex(ByteView bytes);

/// The inverse; spaces and newlines between bytes are skipped. Nothing on an odd digit count or a
/// character that is not a hex digit.
std::optional<Bytes> from_hex(std::string_view text);

}  // namespace skep
