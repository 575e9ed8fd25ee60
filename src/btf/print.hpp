// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "btf/btf.hpp"

// Values, shown by their types:
//
//     print_json(btf, event_id, bytes, json);   // {"pid":812,"comm":"bash","verdict":"XDP_PASS"}
//     print_c(btf, event_id, bytes);            // {.pid = 812, .comm = "bash", .verdict =
//     XDP_PASS}
//
// Integers by their signedness, _Bool as true or false, enumerators by name where one has the
// value, pointers as "0x..." text, floats and doubles as numbers, bitfields like any integer. An
// array of char is text where it is NUL-terminated and printable up to the NUL; other arrays are
// lists. Members of anonymous structs and unions stand in the enclosing object, as in C. A flexible
// array takes the bytes that are left. A DATASEC is an object of its variables. What BTF cannot say
// (void, functions, forward declarations, 128-bit numbers) is raw bytes as hex; what the bytes do
// not cover is null, or "?" in C.

namespace skep::btf {

/// Writes one JSON value.
void print_json(const Btf& btf, uint32_t type, ByteView bytes, JsonWriter& json);

/// One line of C-like text, as in an initialiser.
std::string print_c(const Btf& btf, uint32_t type, ByteView bytes);

}  // namespace skep::btf
