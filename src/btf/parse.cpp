// SPDX-License-Identifier: Apache-2.0
#include "btf/parse.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "btf/declare.hpp"

namespace skep::btf {

namespace {

constexpr std::string_view kHex = "hex:";
constexpr int kMaxDepth = 64;

bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '.' || c == '-' || c == '+';
}

bool is_char(const Type& type) {
    return type.kind() == Kind::Int && type.size() == 1 &&
           (type.name() == "char" || type.integer().is_char);
}

/// A number as its low 64 bits, and whether it was written with '-'.
struct Number {
    uint64_t bits;
    bool negative;
};

std::optional<Number> to_number(std::string_view word) {
    if (word.starts_with('-')) {
        const auto number = parse_int(word);
        if (!number) return std::nullopt;
        return Number{static_cast<uint64_t>(*number), *number < 0};
    }
    if (const auto number = parse_uint(word)) return Number{*number, false};
    return std::nullopt;
}

/// Whether it can be told from its low `bits`; of unsigned types, -1 means all ones, as in C.
bool fits(Number number, uint32_t bits, bool is_signed) {
    if (bits >= 64) return true;
    const auto value = static_cast<int64_t>(number.bits);
    if (number.negative) return value >= -(int64_t{1} << (bits - 1));
    const uint64_t limit = uint64_t{1} << (is_signed ? bits - 1 : bits);
    return number.bits < limit;
}

class Parser {
  public:
    Parser(const Btf& btf, std::string_view text) : btf_(btf), text_(text) {}

    Result<Bytes> run(uint32_t type) {
        const std::optional<uint32_t> size = btf_.size_of(type);
        if (!size)
            return fail(ErrorCode::Usage, "a value of type {} cannot be written",
                        c_type(btf_, type));
        Bytes out(*size);
        SKEP_TRY(value(type, out));
        if (peek() != '\0') return wrong("the end");
        return out;
    }

  private:
    std::unexpected<Error> wrong(std::string_view expected) {
        skip_blanks();
        return fail(ErrorCode::Usage, "'{}': expected {} at {}", printable(text_), expected,
                    at_ < text_.size() ? fmt::format("'{}'", printable(text_.substr(at_)))
                                       : std::string("the end"));
    }

    void skip_blanks() {
        while (at_ < text_.size() && std::string_view(" \t\n\r").contains(text_[at_])) at_++;
    }
    /// The next character that is not blank, '\0' at the end.
    char peek() {
        skip_blanks();
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(char c) {
        if (peek() != c) return false;
        at_++;
        return true;
    }
    std::string_view word() {
        skip_blanks();
        const size_t start = at_;
        while (at_ < text_.size() && is_word(text_[at_])) at_++;
        return text_.substr(start, at_ - start);
    }

    /// "..." or '...', with C's usual escapes.
    Result<std::string> quoted() {
        const char quote = peek();
        at_++;
        std::string out;
        while (at_ < text_.size() && text_[at_] != quote) {
            char c = text_[at_++];
            if (c == '\\' && at_ < text_.size()) {
                c = text_[at_++];
                constexpr std::string_view kFrom = "nrt0", kTo("\n\r\t\0", 4);
                if (const size_t i = kFrom.find(c); i != std::string_view::npos) c = kTo[i];
            }
            out += c;
        }
        if (at_ == text_.size()) return wrong(fmt::format("a closing {}", quote));
        at_++;
        return out;
    }

    Result<void> value(uint32_t id, std::span<uint8_t> out) {
        if (++depth_ > kMaxDepth) return wrong("less nesting");
        const Type type = btf_.resolve(id);
        skip_blanks();
        Result<void> done;
        if (text_.substr(at_).starts_with(kHex))
            done = hex(out);
        else if (type.is_composite())
            done = composite(type, out);
        else if (type.kind() == Kind::Array)
            done = array(type, out);
        else if (type.kind() == Kind::Datasec)
            done = section(type, out);
        else if (type.kind() == Kind::Var)
            done = value(type.ref(), out);
        else if (type.kind() == Kind::Float)
            done = floating(out);
        else
            done = scalar(type, out, 0, static_cast<uint32_t>(8 * out.size()));
        depth_--;
        return done;
    }

    Result<void> hex(std::span<uint8_t> out) {
        at_ += kHex.size();
        const std::string_view digits = word();
        const std::optional<Bytes> bytes = from_hex(digits);
        if (!bytes || bytes->size() != out.size()) {
            at_ -= digits.size();
            return wrong(fmt::format("{} hex digits", 2 * out.size()));
        }
        std::ranges::copy(*bytes, out.begin());
        return {};
    }

    Result<void> floating(std::span<uint8_t> out) {
        const std::string digits(word());
        char* end = nullptr;
        const double number = std::strtod(digits.c_str(), &end);
        if (digits.empty() || *end) return wrong("a number");
        if (out.size() == 4) {
            const auto small = static_cast<float>(number);
            std::memcpy(out.data(), &small, 4);
        } else if (out.size() == 8) {
            std::memcpy(out.data(), &number, 8);
        } else {
            return wrong("hex:...");
        }
        return {};
    }

    /// `bits` of it from bit `offset`.
    Result<void> scalar(const Type& type, std::span<uint8_t> out, uint32_t offset, uint32_t bits) {
        const size_t before = at_;
        std::string name;
        if (peek() == '\'' || peek() == '"') {
            const bool character = peek() == '\'';
            name = SKEP_TRY(quoted());
            if (character && name.size() == 1)
                return store(out, offset, bits, static_cast<uint8_t>(name[0]));
        } else {
            name = word();
        }
        std::optional<Number> number = to_number(name);
        bool is_signed = type.kind() == Kind::Int && type.integer().is_signed;
        if (type.is_enum()) {
            is_signed = type.is_signed();
            for (const Enumerator enumerator : type.enumerators())
                if (enumerator.name == name) number = {enumerator.value, false};
            if (number && bits < 64 && !fits(*number, bits, is_signed))  // a sign-extended one
                number->negative = static_cast<int64_t>(number->bits) < 0;
        }
        if (name == "true") number = {1, false};
        if (name == "false") number = {0, false};
        if (type.kind() == Kind::Ptr && name == "NULL") number = {0, false};
        if (!number) {
            at_ = before;
            return wrong(type.is_enum() ? fmt::format("a number or an enumerator of {}",
                                                      c_type(btf_, type.id()))
                                        : fmt::format("a number ({})", c_type(btf_, type.id())));
        }
        if (bits > 64) {
            at_ = before;
            return wrong("hex:...");
        }
        if (!fits(*number, bits, is_signed)) {
            at_ = before;
            return wrong(
                fmt::format("a number that fits {} bits ({})", bits, c_type(btf_, type.id())));
        }
        return store(out, offset, bits, number->bits);
    }

    static Result<void> store(std::span<uint8_t> out, uint32_t offset, uint32_t bits,
                              uint64_t value) {
        for (uint32_t i = 0; i < bits; i++) {
            const uint32_t at = offset + i;
            if (at / 8 >= out.size()) break;
            const auto mask = static_cast<uint8_t>(1u << at % 8);
            if (value >> i & 1)
                out[at / 8] |= mask;
            else
                out[at / 8] &= static_cast<uint8_t>(~mask);
        }
        return {};
    }

    /// "{" or "[" -> the character that ends the list.
    Result<char> open() {
        if (take('{')) return '}';
        if (take('[')) return ']';
        return wrong("{");
    }
    /// After an item: another one follows?
    Result<bool> more(char closing) {
        if (take(',')) return !take(closing);
        if (take(closing)) return false;
        return wrong(fmt::format("',' or '{}'", closing));
    }

    Result<void> array(const Type& type, std::span<uint8_t> out) {
        const Array array = type.array();
        const Type element = btf_.resolve(array.element);
        if (is_char(element) && peek() != '{' && peek() != '[') return string(out);
        const uint32_t size = btf_.size_of(array.element).value_or(0);
        const char closing = SKEP_TRY(open());
        bool go_on = !take(closing);
        for (uint32_t i = 0; go_on; i++) {
            const auto room = size_t{i} * size + size <= out.size();
            if (!room || size == 0) return wrong(fmt::format("no more than {}", array.count));
            SKEP_TRY(value(array.element, out.subspan(size_t{i} * size, size)));
            go_on = SKEP_TRY(more(closing));
        }
        return {};
    }

    Result<void> string(std::span<uint8_t> out) {
        std::string text;
        if (peek() == '"' || peek() == '\'') {
            text = SKEP_TRY(quoted());
        } else if (depth_ == 1) {  // nothing else can follow: no quotes needed
            text = trim(text_.substr(at_));
            at_ = text_.size();
        } else {
            return wrong("a string");
        }
        if (text.size() > out.size())
            return fail(ErrorCode::Usage, "\"{}\" has {} characters; there is room for {}",
                        printable(text), text.size(), out.size());
        std::ranges::copy(text, out.begin());
        return {};
    }

    /// A name before '=' or ':', without quotes and without the dot.
    Result<std::string> member_name() {
        std::string name;
        if (peek() == '"') {
            name = SKEP_TRY(quoted());
        } else {
            name = word();
            if (name.starts_with('.')) name.erase(0, 1);
        }
        if (name.empty() || !(take('=') || take(':'))) return wrong(".name = value");
        return name;
    }

    /// Does a named member follow? C's way (.a = 1) or JSON's ("a": 1); both start unlike a value
    /// in order, apart from a string, which is a name where ':' follows.
    bool names_member() {
        if (peek() == '.') return true;
        const size_t before = at_;
        bool named = false;
        if (peek() == '"') {
            named = quoted().has_value() && peek() == ':';
        } else if (!word().empty()) {
            named = peek() == ':' || peek() == '=';
        }
        at_ = before;
        return named;
    }

    Result<void> composite(const Type& type, std::span<uint8_t> out) {
        const char closing = SKEP_TRY(open());
        bool go_on = !take(closing);
        for (uint32_t i = 0; go_on; i++) {
            if (names_member()) {
                const size_t before = at_;
                const std::string name = SKEP_TRY(member_name());
                const Result<Field> field = btf_.find_field(type.id(), name);
                if (!field) {
                    at_ = before;
                    return wrong(fmt::format("a member of {}", c_type(btf_, type.id())));
                }
                SKEP_TRY(member(field->type, field->bit_offset, field->bitfield_size, out));
            } else if (i >= type.count()) {
                return wrong(fmt::format("no more than {} members", type.count()));
            } else {
                const Member next = type.member(i);
                SKEP_TRY(member(next.type, next.bit_offset, next.bitfield_size, out));
            }
            go_on = SKEP_TRY(more(closing));
        }
        return {};
    }

    Result<void> section(const Type& type, std::span<uint8_t> out) {
        const char closing = SKEP_TRY(open());
        bool go_on = !take(closing);
        while (go_on) {
            const size_t before = at_;
            const std::string name = SKEP_TRY(member_name());
            bool found = false;
            for (const SectionVar variable : type.variables()) {
                if (btf_.type(variable.type).name() != name) continue;
                found = true;
                SKEP_TRY(member(variable.type, 8 * variable.offset, 0, out));
                break;
            }
            if (!found) {
                at_ = before;
                return wrong(fmt::format("a variable of {}", type.name()));
            }
            go_on = SKEP_TRY(more(closing));
        }
        return {};
    }

    Result<void> member(uint32_t type, uint32_t bit_offset, uint32_t bitfield,
                        std::span<uint8_t> out) {
        if (bitfield != 0) return scalar(btf_.resolve(type), out, bit_offset, bitfield);
        const Type resolved = btf_.resolve(type);
        const uint32_t size =
            btf_.size_of(resolved.kind() == Kind::Var ? resolved.ref() : type).value_or(0);
        const size_t offset = bit_offset / 8;
        if (size == 0 || offset > out.size() || size > out.size() - offset)
            return wrong("a member that lies inside the value");
        return value(type, out.subspan(offset, size));
    }

    const Btf& btf_;
    std::string_view text_;
    size_t at_ = 0;
    int depth_ = 0;
};

}  // namespace

Result<Bytes> parse_value(const Btf& btf, uint32_t type, std::string_view text) {
    return Parser(btf, text).run(type);
}

Result<Bytes> parse_bytes(uint32_t size, std::string_view text) {
    text = trim(text);
    if (text.starts_with(kHex)) {
        const std::optional<Bytes> bytes = from_hex(text.substr(kHex.size()));
        if (bytes && bytes->size() == size) return *bytes;
        return fail(ErrorCode::Usage, "'{}': expected {} hex digits behind hex:", printable(text),
                    2 * size_t{size});
    }
    const auto invalid = [&] {
        return fail(ErrorCode::Usage, "'{}': expected hex:..., or {} numbers of a byte each{}",
                    printable(text), size, size <= 8 ? ", or one number" : "");
    };
    Bytes bytes;
    const std::optional<Number> whole = to_number(text);
    if (whole && (size == 1 || size == 2 || size == 4 || size == 8)) {
        if (!fits(*whole, 8 * size, false)) return invalid();
        append(bytes, bytes_of(whole->bits).first(size));
        return bytes;
    }
    for (const std::string_view part : split(text, ' ')) {
        if (part.empty()) continue;
        const auto byte = parse_uint(part);
        if (!byte || *byte > 255) return invalid();
        bytes.push_back(static_cast<uint8_t>(*byte));
    }
    if (bytes.size() != size) return invalid();
    return bytes;
}

}  // namespace skep::btf
