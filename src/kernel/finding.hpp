// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "base/result.hpp"

// What was found out about one thing that programs or skep need of a kernel.

namespace skep::kernel {

enum class Answer : uint8_t {
    No,
    Yes,
    Unknown,  ///< this user cannot tell
};
std::string_view to_string(Answer answer);

struct Finding {
    std::string name;
    Answer answer = Answer::Unknown;
    std::string detail = {};  ///< what it is, or why not
    std::string remedy = {};  ///< what would mend it
    /// How it is known: "attached", "loaded", "created", "opened", "called", "read", or "derived",
    /// which is a conclusion from something else.
    std::string_view basis = {};
};

struct Section {
    std::string name;
    std::vector<Finding> findings;
};

/// Yes, or why not: what this process lacks leaves it unknown.
Finding judge(std::string name, std::string_view basis, const Error* error);
template <typename T>
Finding judge(std::string name, std::string_view basis, const Result<T>& result) {
    return judge(std::move(name), basis, result ? nullptr : &result.error());
}

}  // namespace skep::kernel
