// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

// A YAML document as a tree that knows where each of its parts stands, so that whoever reads it can
// point at what is wrong:
//
//     const Yaml root = SKEP_TRY(parse_yaml(text, "drop.yaml"));
//     const Yaml* tests = root.find("tests");
//     if (!tests) return std::unexpected(root.error("there are no tests"));  // drop.yaml:1:1: ...
//
// YAML 1.2 by yaml-cpp, one document a text. Aliases (*name) are copies of what they stand for. A
// key that stands twice in one mapping is an error. The one file that includes yaml-cpp, whose
// exceptions end here, is yaml.cpp.

namespace skep::test {

struct Yaml {
    enum class Kind : uint8_t { Null, Scalar, List, Map };

    Kind kind = Kind::Null;
    bool quoted = false;  ///< of a scalar: text for certain, even if it looks like a number
    int line = 1;
    int column = 1;
    std::string_view file = {};  ///< for messages; what parse_yaml() was given
    std::string text = {};       ///< of a scalar
    std::vector<Yaml> keys = {};
    std::vector<Yaml> items = {};  ///< of a list; of a mapping, the values of `keys`

    bool is_null() const { return kind == Kind::Null; }
    bool is_scalar() const { return kind == Kind::Scalar; }
    bool is_list() const { return kind == Kind::List; }
    bool is_map() const { return kind == Kind::Map; }
    bool is_plain() const { return is_scalar() && !quoted; }

    /// The value of that key of a mapping, or null.
    const Yaml* find(std::string_view key) const;

    /// "FILE:LINE:COLUMN".
    std::string place() const;
    /// Malformed: "FILE:LINE:COLUMN: MESSAGE".
    Error error(std::string_view message, std::string hint = {}) const;
    /// "a list", "the text 'x'": what stands here, for messages about what should.
    std::string describe() const;
    /// In one line, as flow style has it.
    std::string to_string() const;
};

/// `file` is what errors call it; it outlives the tree.
Result<Yaml> parse_yaml(std::string_view text, std::string_view file);

}  // namespace skep::test
