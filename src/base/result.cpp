// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

#include <cerrno>
#include <cstring>

namespace skep {

int Error::exit_code() const {
    switch (code) {
        case ErrorCode::Usage: return 2;
        case ErrorCode::Unsupported: return 3;
        case ErrorCode::Malformed: return 4;
        case ErrorCode::Failed: return 5;
    }
    return 5;
}

Error Error::in(std::string_view context) && {
    message = fmt::format("{}: {}", context, message);
    return std::move(*this);
}

Error Error::with_hint(std::string text) && {
    hint = std::move(text);
    return std::move(*this);
}

std::string Error::to_string() const {
    std::string text = "error: " + message;
    if (!hint.empty()) text += "\nhint: " + hint;
    return text;
}

Error sys_error(std::string what) {
    return sys_error(std::move(what), errno);
}

Error sys_error(std::string what, int error_number) {
    // strerrordesc_np is thread-safe and untranslated, so that messages can be searched for.
    const char* description = strerrordesc_np(error_number);
    return {ErrorCode::Failed,
            fmt::format("{}: {}", what, description ? description : "unknown error"),
            {},
            error_number};
}

void check_failed(const char* condition, const char* file, int line) {
    fmt::print(stderr, "skep: internal error at {}:{}: {}\n", file, line, condition);
    std::abort();
}

}  // namespace skep
