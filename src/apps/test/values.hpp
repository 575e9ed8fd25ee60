// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/test/yaml.hpp"
#include "base/bytes.hpp"
#include "btf/btf.hpp"

// Values of maps, globals and events, as test files write them, in the bytes of their types:
//
//     const Shape shape{spec.btf.get(), map.value_type_id, map.value_size};
//     const Value value = SKEP_TRY(encode(shape, node));         // {packets: 1, bytes: 98}
//     for (const std::string& line : differences(shape, value, actual)) print(line);
//
// Fields that a mapping does not name are zeros, and are not compared. docs/testing-programs.md
// has the notation.

namespace skep::test {

/// What the bytes are: a BTF type, or just so many bytes.
struct Shape {
    const btf::Btf* btf = nullptr;
    uint32_t type = 0;  ///< 0: nothing is known of it
    uint32_t size = 0;
};

struct Value {
    struct Leaf {
        std::string path;  ///< "octets[2]"; empty for the whole value
        uint32_t type = 0;
        uint32_t bit_offset = 0;
        uint32_t bitfield_size = 0;  ///< 0: no bitfield
    };
    Bytes bytes;
    Bytes mask;                ///< 1 for each bit that the file says
    std::vector<Leaf> leaves;  ///< the parts that it names

    bool matches(ByteView actual) const;
};

/// Errors are Malformed and say where in the file.
Result<Value> encode(const Shape& shape, const Yaml& node);

/// A line for each part that differs: "bytes: expected 98, actual 99".
std::vector<std::string> differences(const Shape& shape, const Value& expected, ByteView actual);

/// For people, in one line.
std::string to_text(const Shape& shape, ByteView bytes);

/// Adds up the copies of a per-CPU value, `step` bytes apart: numbers, also those in structs and
/// arrays. What is no number is that of the first CPU where it is not zero.
Bytes sum_cpus(const Shape& shape, ByteView copies, size_t step);

/// A number in a file: decimal, 0x hex, be16(N) and be32(N) in network order, an IPv4 address.
Result<uint64_t> read_number(const Yaml& node, uint32_t bytes);

/// Text, hex digits, or a list of bytes.
Result<Bytes> read_bytes(const Yaml& node);

}  // namespace skep::test
