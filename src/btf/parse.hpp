// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "btf/btf.hpp"

// Values, read by their types: the inverse of print.hpp.
//
//     parse_value(btf, event_id, "{ .pid = 812, .comm = \"bash\", .verdict = XDP_PASS }")
//     parse_value(btf, event_id, R"({"pid": 812, "comm": "bash", "verdict": "XDP_PASS"})")
//     parse_value(btf, u32_id, "0x10")
//
// Structs are written as in C, by members or in their order, or as JSON; what is not named is zero.
// Arrays are lists in { } or [ ]. Numbers are decimal, hex, octal or 'c'; enumerators go by name;
// arrays of char are strings. "hex:0a0b" gives the bytes of any value. A text that is none of
// these, or that does not fit, is an error (ErrorCode::Usage) that says where.

namespace skep::btf {

Result<Bytes> parse_value(const Btf& btf, uint32_t type, std::string_view text);

/// `size` bytes of no known type: "hex:...", bytes as numbers ("1 2 0xff 4"), or, of 1, 2, 4 and 8
/// bytes, one number.
Result<Bytes> parse_bytes(uint32_t size, std::string_view text);

}  // namespace skep::btf
