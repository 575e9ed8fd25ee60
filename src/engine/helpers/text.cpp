// SPDX-License-Identifier: Apache-2.0
// Helpers that make and read text. Sources: kernel/bpf/helpers.c, kernel/trace/bpf_trace.c,
// lib/kstrtox.c of Linux 6.18.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "engine/helpers.hpp"
#include "engine/printf.hpp"
#include "engine/probe.hpp"

namespace skep::engine {
namespace {

class ProgramMemory final : public PrintfMemory {
  public:
    explicit ProgramMemory(Execution& x) : x_(x) {}
    int read(void* to, size_t size, uint64_t address) override {
        return read_kernel(x_, to, size, address);
    }
    int64_t read_string(char* to, size_t size, uint64_t address, From from) override {
        switch (from) {
            case From::Kernel: return read_kernel_string(x_, to, size, address);
            case From::User: return x_.task().read_user_string(to, size, address);
            case From::Either: break;
        }
        return read_either_string(x_, to, size, address);
    }

  private:
    Execution& x_;
};

uint64_t print(Execution& x, uint64_t format, uint64_t format_size,
               std::span<const uint64_t> args) {
    const auto* text = reinterpret_cast<const char*>(format);
    const size_t length = strnlen(text, format_size);
    if (length == format_size) return errno_result(EINVAL);  // no NUL
    std::array<char, kPrintkMaxBytes> line;
    ProgramMemory memory(x);
    const int64_t printed = bpf_printf(line, {text, length}, args, memory);
    if (printed >= 0 && x.env().printk) {
        std::string_view shown(line.data(), strnlen(line.data(), line.size()));
        if (shown.ends_with('\n')) shown.remove_suffix(1);
        x.env().printk(shown);
    }
    return static_cast<uint64_t>(printed);
}

/// The arguments behind a pointer and a size in bytes; nothing where the kernel says -EINVAL.
std::optional<std::span<const uint64_t>> varargs(std::array<uint64_t, kMaxPrintfArgs>& room,
                                                 uint64_t data, uint64_t size) {
    if (size % 8 || size > sizeof room || (size && !data)) return std::nullopt;
    if (size) std::memcpy(room.data(), reinterpret_cast<const void*>(data), size);
    return std::span(room.data(), size / 8);
}

uint64_t trace_printk(Execution& x, uint64_t format, uint64_t size, uint64_t a, uint64_t b,
                      uint64_t c) {
    const std::array args{a, b, c};
    return print(x, format, size, args);
}

uint64_t trace_vprintk(Execution& x, uint64_t format, uint64_t format_size, uint64_t data,
                       uint64_t size, uint64_t) {
    std::array<uint64_t, kMaxPrintfArgs> room;
    const auto args = varargs(room, data, size);
    return args ? print(x, format, format_size, *args) : errno_result(EINVAL);
}

uint64_t snprintf(Execution& x, uint64_t to, uint64_t to_size, uint64_t format, uint64_t data,
                  uint64_t size) {
    std::array<uint64_t, kMaxPrintfArgs> room;
    const auto args = varargs(room, data, size);
    if (!args) return errno_result(EINVAL);
    const auto text = constant_string(x, format, 3, "format");
    if (!text) return 0;
    ProgramMemory memory(x);
    const int64_t length = bpf_printf({reinterpret_cast<char*>(to), to_size}, *text, *args, memory);
    return static_cast<uint64_t>(length < 0 ? length : length + 1);
}

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
}

int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

struct Parsed {
    int64_t consumed;  ///< or a negative errno
    uint64_t magnitude = 0;
    bool negative = false;
};

// At most 63 characters behind the sign count: the kernel's buffer.
Parsed parse_number(std::string_view text, uint64_t flags) {
    constexpr size_t kMaxDigits = 63;
    constexpr uint64_t kBaseMask = 31;
    uint64_t base = flags & kBaseMask;
    if (flags & ~kBaseMask || (base != 0 && base != 8 && base != 10 && base != 16))
        return {-EINVAL};
    size_t at = 0;
    while (at < text.size() && is_space(text[at])) ++at;
    Parsed result{-EINVAL};
    if (at < text.size() && text[at] == '-') {
        result.negative = true;
        ++at;
    }
    const std::string_view digits = text.substr(at, kMaxDigits);
    const auto digit = [&](size_t i) { return i < digits.size() ? digit_value(digits[i]) : 16; };
    const bool hex_prefix =
        digits.size() > 2 && digits[0] == '0' && (digits[1] | 0x20) == 'x' && digit(2) < 16;
    if (base == 0) base = hex_prefix ? 16 : digits.starts_with('0') ? 8 : 10;
    size_t i = 0;
    if (base == 16 && digits.size() > 1 && digits[0] == '0' && (digits[1] | 0x20) == 'x') i = 2;

    const size_t first = i;
    bool overflow = false;
    for (; digit(i) < static_cast<int>(base); ++i) {
        const auto value = static_cast<uint64_t>(digit(i));
        overflow |= __builtin_mul_overflow(result.magnitude, base, &result.magnitude);
        overflow |= __builtin_add_overflow(result.magnitude, value, &result.magnitude);
    }
    if (overflow)
        result.consumed = -ERANGE;
    else if (i > first)
        result.consumed = static_cast<int64_t>(at + i);
    return result;
}

std::string_view view(uint64_t text, uint64_t size) {
    return {reinterpret_cast<const char*>(text), size};
}

uint64_t strtol(Execution&, uint64_t text, uint64_t size, uint64_t flags, uint64_t result,
                uint64_t) {
    constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
    int64_t value = 0;
    Parsed parsed = parse_number(view(text, size), flags);
    if (parsed.consumed >= 0) {
        if (parsed.magnitude > kMost + (parsed.negative ? 1 : 0))
            parsed.consumed = -ERANGE;
        else
            value = static_cast<int64_t>(parsed.negative ? -parsed.magnitude : parsed.magnitude);
    }
    std::memcpy(reinterpret_cast<void*>(result), &value, sizeof value);
    return static_cast<uint64_t>(parsed.consumed);
}

uint64_t strtoul(Execution&, uint64_t text, uint64_t size, uint64_t flags, uint64_t result,
                 uint64_t) {
    Parsed parsed = parse_number(view(text, size), flags);
    if (parsed.consumed >= 0 && parsed.negative) parsed.consumed = -EINVAL;
    const uint64_t value = parsed.consumed >= 0 ? parsed.magnitude : 0;
    std::memcpy(reinterpret_cast<void*>(result), &value, sizeof value);
    return static_cast<uint64_t>(parsed.consumed);
}

uint64_t strncmp(Execution& x, uint64_t text, uint64_t size, uint64_t other, uint64_t, uint64_t) {
    const auto constant = constant_string(x, other, 3, "string");
    if (!constant) return 0;
    const auto* a = reinterpret_cast<const uint8_t*>(text);
    for (size_t i = 0; i < size; ++i) {
        const uint8_t b = i < constant->size() ? static_cast<uint8_t>((*constant)[i]) : 0;
        if (a[i] != b) return static_cast<uint64_t>(int64_t{a[i] < b ? -1 : 1});
        if (b == 0) break;
    }
    return 0;
}

constexpr HelperRow kRows[] = {
    {platform::HelperId::trace_printk, trace_printk},
    {platform::HelperId::trace_vprintk, trace_vprintk},
    {platform::HelperId::snprintf, snprintf},
    {platform::HelperId::strtol, strtol},
    {platform::HelperId::strtoul, strtoul},
    {platform::HelperId::strncmp, strncmp},
};

}  // namespace

std::span<const HelperRow> text_helpers() {
    return kRows;
}

}  // namespace skep::engine
