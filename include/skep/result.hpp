// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

// Errors are values. A function that can fail for a reason outside the program returns Result<T>:
//
//     skep::Result<skep::Runtime> runtime = skep::Runtime::open(skep::Place::Embedded);
//     if (!runtime) fmt::print("{}\n", runtime.error().to_string());
//
// or, the same in one word inside a function that returns a Result itself,
// `skep::Runtime runtime = SKEP_TRY(skep::Runtime::open(skep::Place::Embedded));`. Nothing of this
// API throws.

namespace skep {

/// What kind of failure, in the terms in which a user must act; each maps to one exit code.
enum class ErrorCode {
    Usage,        ///< the arguments make no sense: exit 2
    Unsupported,  ///< this machine, kernel or platform cannot do it: exit 3
    Malformed,    ///< the input is broken; the message names the place: exit 4
    Failed,       ///< anything else, e.g. a system call: exit 5
};

struct Error {
    ErrorCode code = ErrorCode::Failed;
    std::string message;  ///< one sentence: what and where, no trailing full stop
    std::string hint;     ///< what to do next; may be empty
    int sys_errno = 0;    ///< the errno that caused it, or 0

    int exit_code() const;

    /// The same error with "context: " before its message, as it passes outwards.
    Error in(std::string_view context) &&;
    Error with_hint(std::string text) &&;

    /// "error: MESSAGE" and, where there is one, a second line "hint: HINT".
    std::string to_string() const;
};

template <typename T>
using Result = std::expected<T, Error>;

}  // namespace skep

#define SKEP_CONCAT_(a, b) a##b
#define SKEP_CONCAT(a, b) SKEP_CONCAT_(a, b)
#define SKEP_TRY_(name, expr)                                \
    __extension__({                                          \
        auto name = (expr);                                  \
        if (!name) [[unlikely]]                              \
            return std::unexpected(std::move(name).error()); \
        *std::move(name);                                    \
    })

/// The value of a Result, or return its error from the enclosing function.
#define SKEP_TRY(expr) SKEP_TRY_(SKEP_CONCAT(skep_try_, __COUNTER__), expr)
