// SPDX-License-Identifier: Apache-2.0
#include "engine/printf.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace skep::engine {
namespace {

// The kernel's ctype: Latin-1, independent of any locale.
bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}
bool is_alnum(uint8_t c) {
    if (c >= 0xc0) return c != 0xd7 && c != 0xf7;
    const uint8_t lower = c | 0x20;
    return is_digit(c) || (c < 0x80 && lower >= 'a' && lower <= 'z');
}
bool is_space(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0;
}
bool is_punct(uint8_t c) {
    return ((c > ' ' && c < 0x7f) || c >= 0xa1) && !is_alnum(c);
}
bool is_control(uint8_t c) {
    return (c < ' ' || c == 0x7f) && !is_space(c);
}

struct Conversion {
    enum class Kind : uint8_t {
        Number,
        Char,
        Symbol,  ///< an address, as "0x..."
        Text,
        Ready  ///< text that no width changes
    };
    Kind kind = Kind::Number;
    bool left = false, plus = false, space = false, zero = false;
    bool is_signed = false, capitals = false, is_pointer = false;
    uint8_t base = 10;
    int32_t width = -1;
    uint64_t value = 0;          ///< of Number, Char and Symbol
    std::string_view text = {};  ///< of Text and Ready
    size_t begin = 0, end = 0;   ///< where it stands in the format
};

// --- the first pass: is the format allowed, and what do its arguments say ---

class Parser {
  public:
    Parser(std::string_view format, std::span<const uint64_t> args, PrintfMemory& memory)
        : format_(format), args_(args), memory_(memory) {}

    int parse();
    std::span<const Conversion> conversions() const { return {conversions_.data(), count_}; }

  private:
    uint8_t at(size_t index) const {
        return index < format_.size() ? static_cast<uint8_t>(format_[index]) : 0;
    }
    bool ends_word(size_t index) const {
        return at(index) == 0 || is_space(at(index)) || is_punct(at(index));
    }

    int conversion(size_t& i, uint64_t arg);
    void flags_and_width(size_t& i, Conversion& to) const;
    int pointer(size_t& i, Conversion& to, uint64_t arg);
    int number(size_t& i, Conversion& to, uint64_t arg);
    int raw(Conversion& to, uint64_t arg, size_t size);
    int string(Conversion& to, uint64_t arg, PrintfMemory::From from);
    int ip_address(Conversion& to, uint64_t arg, bool separators, bool six);
    int ready(Conversion& to, std::string_view text);

    std::string_view format_;
    std::span<const uint64_t> args_;
    PrintfMemory& memory_;
    std::array<Conversion, kMaxPrintfArgs> conversions_;
    size_t count_ = 0;
    std::array<char, kPrintfArgBytes> store_;
    size_t stored_ = 0;
};

int Parser::parse() {
    for (size_t i = 0; i < format_.size(); ++i) {
        if (is_control(at(i))) return -EINVAL;
        if (at(i) != '%') continue;
        if (at(i + 1) == '%') {
            ++i;
            continue;
        }
        if (count_ >= std::min(args_.size(), kMaxPrintfArgs)) return -EINVAL;
        const size_t begin = i++;
        if (const int error = conversion(i, args_[count_])) return error;
        Conversion& made = conversions_[count_++];
        made.begin = begin;
        made.end = i + 1;
        if (made.is_pointer)
            while (is_alnum(at(made.end))) ++made.end;  // the kernel swallows them
    }
    return 0;
}

// Leaves `i` at the last character of the conversion.
int Parser::conversion(size_t& i, uint64_t arg) {
    Conversion& to = conversions_[count_];
    to = {};
    flags_and_width(i, to);
    if (at(i) == 'p') return pointer(i, to, arg);
    if (at(i) == 's')
        return ends_word(i + 1) ? string(to, arg, PrintfMemory::From::Either) : -EINVAL;
    if (at(i) == 'c') {
        to.kind = Conversion::Kind::Char;
        to.value = arg & 0xff;
        if (stored_ >= store_.size()) return -ENOSPC;
        ++stored_;
        return 0;
    }
    return number(i, to, arg);
}

void Parser::flags_and_width(size_t& i, Conversion& to) const {
    for (;; ++i) {
        switch (at(i)) {
            case '-': to.left = true; continue;
            case '+': to.plus = true; continue;
            case ' ': to.space = true; continue;
            case '0': to.zero = true; continue;
            default: break;
        }
        break;
    }
    if (!is_digit(at(i))) return;
    uint32_t width = 0;  // wraps, as the kernel's int does
    for (; is_digit(at(i)); ++i) width = width * 10 + (at(i) - '0');
    to.width = static_cast<int32_t>(width);
}

int Parser::number(size_t& i, Conversion& to, uint64_t arg) {
    size_t size = sizeof(int);
    for (int longs = 0; longs < 2 && at(i) == 'l'; ++longs, ++i) size = sizeof(long);
    switch (at(i)) {
        case 'd':
        case 'i': to.is_signed = true; break;
        case 'u': break;
        case 'X': to.capitals = true; [[fallthrough]];
        case 'x': to.base = 16; break;
        default: return -EINVAL;
    }
    if (size == sizeof(int))
        arg = to.is_signed ? static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(arg)))
                           : static_cast<uint32_t>(arg);
    return raw(to, arg, size);
}

int Parser::raw(Conversion& to, uint64_t arg, size_t size) {
    stored_ = (stored_ + 3) & ~size_t{3};
    if (stored_ > store_.size() || store_.size() - stored_ < size) return -ENOSPC;
    stored_ += size;
    to.value = arg;
    return 0;
}

/// What `%p` shows: an id that is the same for the same pointer, and tells nothing of it.
uint32_t pointer_id(uint64_t pointer) {
    static const uint64_t key = [] {
        uint64_t random = 0;
        return getentropy(&random, sizeof random) == 0 ? random : 0x9e3779b97f4a7c15;
    }();
    uint64_t mixed = pointer + key;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return static_cast<uint32_t>(mixed ^ mixed >> 31);
}

bool is_null_or_error(uint64_t pointer) {
    return pointer == 0 || pointer >= static_cast<uint64_t>(-4095);
}

int Parser::pointer(size_t& i, Conversion& to, uint64_t arg) {
    to.base = 16;
    to.is_pointer = true;
    const uint8_t kind = at(i + 1);
    if ((kind == 'k' || kind == 'u') && at(i + 2) == 's') {
        i += 2;
        if (!ends_word(i + 1)) return -EINVAL;
        const auto from = kind == 'k' ? PrintfMemory::From::Kernel : PrintfMemory::From::User;
        const int error = string(to, arg, from);
        to.kind = Conversion::Kind::Ready;
        return error;
    }
    if (kind == 'B') {
        ++i;
        return ready(to, fmt::format("0x{:x}", arg));
    }
    if ((kind == 'i' || kind == 'I') && (at(i + 2) == '4' || at(i + 2) == '6')) {
        i += 2;
        return ip_address(to, arg, kind == 'I', at(i) == '6');
    }

    const bool plain = ends_word(i + 1);
    if (!plain) ++i;
    if (!plain && kind != 'K' && kind != 'x' && kind != 's' && kind != 'S') return -EINVAL;
    if (const int error = raw(to, arg, sizeof(long))) return error;
    if (!plain && (kind == 's' || kind == 'S')) {
        to.kind = Conversion::Kind::Symbol;
        return 0;
    }
    if (kind != 'x' && !is_null_or_error(arg)) to.value = pointer_id(arg);
    if (to.width == -1) {
        to.width = 2 * sizeof(void*);
        to.zero = true;
    }
    return 0;
}

int Parser::string(Conversion& to, uint64_t arg, PrintfMemory::From from) {
    to.kind = Conversion::Kind::Text;
    if (stored_ >= store_.size()) return -ENOSPC;
    char* text = store_.data() + stored_;
    int64_t length = memory_.read_string(text, store_.size() - stored_, arg, from);
    if (length <= 0) {
        *text = 0;
        length = 1;
    }
    to.text = {text, strnlen(text, static_cast<size_t>(length))};
    stored_ += static_cast<size_t>(length);
    return 0;
}

int Parser::ip_address(Conversion& to, uint64_t arg, bool separators, bool six) {
    std::array<uint8_t, 16> address{};
    const size_t size = six ? 16 : 4;
    if (stored_ > store_.size() || store_.size() - stored_ < size) return -ENOSPC;
    if (memory_.read(address.data(), size, arg) != 0) address = {};
    std::string text;
    for (size_t i = 0; i < size; ++i) {
        const bool first = i == 0 || (six && (i % 2 || !separators));
        if (!first) text += six ? ':' : '.';
        text += six          ? fmt::format("{:02x}", address[i])
                : separators ? fmt::format("{}", address[i])
                             : fmt::format("{:03}", address[i]);
    }
    return ready(to, text);
}

int Parser::ready(Conversion& to, std::string_view text) {
    to.kind = Conversion::Kind::Ready;
    const size_t left = store_.size() - std::min(stored_, store_.size());
    const size_t length = std::min(text.size(), left ? left - 1 : 0);
    char* copy = store_.data() + store_.size() - left;
    std::memcpy(copy, text.data(), length);
    to.text = {copy, length};
    stored_ += text.size() + 1;
    return 0;
}

// --- the second pass ---

class Writer {
  public:
    explicit Writer(std::span<char> out) : out_(out) {}

    void fill(char c, int64_t count) {
        if (count <= 0) return;
        for (size_t i = length_; i < std::min(out_.size(), length_ + static_cast<size_t>(count));
             ++i)
            out_[i] = c;
        length_ += static_cast<size_t>(count);
    }
    void put(std::string_view text) {
        if (!full() && !text.empty())
            std::memcpy(out_.data() + length_, text.data(),
                        std::min(text.size(), out_.size() - length_));
        length_ += text.size();
    }
    bool full() const { return length_ >= out_.size(); }

    int64_t finish() {
        if (!out_.empty()) out_[std::min(length_, out_.size() - 1)] = 0;
        return static_cast<int32_t>(length_);  // the kernel's int
    }

  private:
    std::span<char> out_;
    size_t length_ = 0;
};

void write_padded(Writer& out, const Conversion& how, std::string_view text) {
    const int64_t spaces = int64_t{how.width} - static_cast<int64_t>(text.size());
    if (!how.left) out.fill(' ', spaces);
    out.put(text);
    if (how.left) out.fill(' ', spaces);
}

void write_number(Writer& out, const Conversion& how) {
    const bool negative = how.is_signed && static_cast<int64_t>(how.value) < 0;
    const uint64_t magnitude = negative ? -how.value : how.value;
    char digits[24];
    const char* end = how.base == 10 ? fmt::format_to(digits, "{}", magnitude)
                      : how.capitals ? fmt::format_to(digits, "{:X}", magnitude)
                                     : fmt::format_to(digits, "{:x}", magnitude);
    const std::string_view text(digits, static_cast<size_t>(end - digits));
    std::string_view sign;
    if (negative)
        sign = "-";
    else if (how.is_signed && (how.plus || how.space))
        sign = how.plus ? "+" : " ";

    const int64_t padding = int64_t{how.width} - static_cast<int64_t>(text.size() + sign.size());
    const bool zeros = how.zero && !how.left;
    if (!zeros && !how.left) out.fill(' ', padding);
    out.put(sign);
    if (zeros) out.fill('0', padding);
    out.put(text);
    if (how.left) out.fill(' ', padding);
}

void write(Writer& out, const Conversion& how) {
    switch (how.kind) {
        case Conversion::Kind::Number: return write_number(out, how);
        case Conversion::Kind::Text: return write_padded(out, how, how.text);
        case Conversion::Kind::Symbol:
            return write_padded(out, how, fmt::format("0x{:x}", how.value));
        case Conversion::Kind::Char: {
            const char c = static_cast<char>(how.value);
            return write_padded(out, how, {&c, 1});
        }
        case Conversion::Kind::Ready:
            // The kernel forgets to count these once the buffer is full.
            if (!out.full()) out.put(how.text);
            return;
    }
}

/// "50%%" is "50%".
void write_plain(Writer& out, std::string_view text) {
    while (!text.empty()) {
        const size_t percent = std::min(text.find('%'), text.size());
        out.put(text.substr(0, percent));
        if (percent == text.size()) return;
        out.put("%");
        text.remove_prefix(percent + 2);
    }
}

}  // namespace

int64_t bpf_printf(std::span<char> out, std::string_view format, std::span<const uint64_t> args,
                   PrintfMemory& memory) {
    Parser parser(format, args, memory);
    if (const int error = parser.parse()) return error;

    Writer writer(out);
    size_t at = 0;
    for (const Conversion& one : parser.conversions()) {
        write_plain(writer, format.substr(at, one.begin - at));
        write(writer, one);
        at = one.end;
    }
    write_plain(writer, format.substr(at));
    return writer.finish();
}

}  // namespace skep::engine
