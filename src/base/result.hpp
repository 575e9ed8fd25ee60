// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include <cstdlib>
#include <expected>
#include <string>
#include <utility>

// Errors are values. A function that can fail for a reason outside the program returns Result<T>:
//
//     Result<Elf> elf = Elf::parse(bytes);
//     if (!elf) return std::unexpected(elf.error());
//
// or, the same in one word, `Elf elf = SKEP_TRY(Elf::parse(bytes));`. A rejected program is not an
// Error (it is an answer: a Verdict); a bug is not an Error either (SKEP_CHECK aborts and says
// where).

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

/// An invariant of the program itself, never of its input: aborts with file and line.
#define SKEP_CHECK(condition)                                     \
    do {                                                          \
        if (!(condition)) [[unlikely]]                            \
            ::skep::check_failed(#condition, __FILE__, __LINE__); \
    } while (0)
