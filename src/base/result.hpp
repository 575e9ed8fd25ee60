// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include "skep/result.hpp"

// Error, Result and SKEP_TRY are public (include/skep/result.hpp); this adds what makes errors, and
// SKEP_CHECK. A rejected program is not an Error (it is an answer: a Verdict); a bug is not an
// Error either (SKEP_CHECK aborts and says where).

namespace skep {

/// `return fail(ErrorCode::Malformed, "section {} ends at {}", name, end);`
template <typename... Args>
std::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
    return std::unexpected(Error{code, fmt::format(format, std::forward<Args>(args)...), {}, 0});
}

template <typename... Args>
std::unexpected<Error> malformed(fmt::format_string<Args...> format, Args&&... args) {
    return fail(ErrorCode::Malformed, format, std::forward<Args>(args)...);
}

template <typename... Args>
std::unexpected<Error> unsupported(fmt::format_string<Args...> format, Args&&... args) {
    return fail(ErrorCode::Unsupported, format, std::forward<Args>(args)...);
}

/// A failed system call: "WHAT: No such file or directory". Reads errno before anything else does.
Error sys_error(std::string what);
Error sys_error(std::string what, int error_number);

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace skep

/// An invariant of the program itself, never of its input: aborts with file and line.
#define SKEP_CHECK(condition)                                     \
    do {                                                          \
        if (!(condition)) [[unlikely]]                            \
            ::skep::check_failed(#condition, __FILE__, __LINE__); \
    } while (0)
