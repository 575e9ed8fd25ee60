// SPDX-License-Identifier: Apache-2.0
#include "kernel/log.hpp"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <mutex>

#include "base/text.hpp"

namespace skep::kernel {

namespace {
thread_local LogCapture* innermost = nullptr;
}  // namespace

struct LogSink {
    static int print(libbpf_print_level level, const char* format, va_list args) {
        // Debug lines are many (each relocation), and nobody would read them.
        if (!innermost || level == LIBBPF_DEBUG) return 0;
        va_list again;
        va_copy(again, args);
        const int length = std::vsnprintf(nullptr, 0, format, again);
        va_end(again);
        if (length <= 0) return 0;
        std::string line(static_cast<size_t>(length) + 1, '\0');
        std::vsnprintf(line.data(), line.size(), format, args);
        line.pop_back();
        innermost->text_ += line;
        if (level == LIBBPF_WARN) innermost->warnings_ += line;
        return length;
    }
};

LogCapture::LogCapture() : outer_(innermost) {
    static std::once_flag once;
    std::call_once(once, [] { libbpf_set_print(&LogSink::print); });
    innermost = this;
}

LogCapture::~LogCapture() {
    innermost = outer_;
}

std::string LogCapture::last_warning() const {
    std::string_view found;
    for (const std::string_view line : split(warnings_, '\n'))
        if (line.starts_with("libbpf: ")) found = line.substr(8);
    return std::string(trim(found));
}

std::string_view verifier_log(std::string_view text, std::string_view prog) {
    constexpr std::string_view kBegin = "-- BEGIN PROG LOAD LOG --\n";
    constexpr std::string_view kEnd = "-- END PROG LOAD LOG --";
    const std::string whose = fmt::format("prog '{}': {}", prog, kBegin);
    const size_t at = text.find(whose);
    if (at == std::string_view::npos) return {};
    const size_t begin = at + whose.size();
    return text.substr(begin, text.find(kEnd, begin) - begin);
}

std::string last_lines(std::string_view text, size_t lines) {
    text = trim(text);
    const auto all = split(text, '\n');
    if (text.empty() || all.size() <= lines) return std::string(text);
    std::string out = fmt::format("({} lines before)", all.size() - lines);
    for (size_t i = all.size() - lines; i < all.size(); i++) out += fmt::format("\n{}", all[i]);
    return out;
}

}  // namespace skep::kernel
