// SPDX-License-Identifier: Apache-2.0
#include "isa/asm_lexer.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace skep::isa {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_hex_digit(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool starts_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '$';
}

bool continues_word(char c) {
    return starts_word(c) || is_digit(c) || c == '@';
}

/// Longest first: the first that matches is taken.
constexpr auto kSigns = std::to_array<std::string_view>(
    {">>=", "<<=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "==", "!=", ">=", "<=",
     ">",   "<",   "=",  "&",  "+",  "-",  "*",  "(",  ")",  "[",  "]",  ",",  ":"});

constexpr size_t kAddressDigits = 16;

}  // namespace

Token Lexer::next() {
    const Token taken = token_;
    token_ = scan();
    return taken;
}

std::string_view Lexer::take_angle_name() {
    if (!token_.is("<")) return {};
    const std::string_view rest = source_.substr(position_);
    const size_t end = rest.find_first_of(">\n");
    if (end == std::string_view::npos || rest[end] != '>') return {};
    position_ += end + 1;
    token_ = scan();
    return rest.substr(0, end);
}

void Lexer::skip_line() {
    position_ = std::min(source_.find('\n', position_), source_.size());
}

void Lexer::skip_blanks_and_comments() {
    while (position_ < source_.size()) {
        const std::string_view rest = source_.substr(position_);
        if (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r')
            ++position_;
        else if (rest[0] == '#' || rest.starts_with("//") || (rest[0] == ';' && line_begins_))
            skip_line();
        else
            break;
    }
}

Token Lexer::take(Token token, Token::Kind kind, size_t length) {
    token.kind = kind;
    token.text = source_.substr(position_, length);
    position_ += length;
    line_begins_ = false;
    return token;
}

Token Lexer::scan() {
    skip_blanks_and_comments();
    Token token;
    token.line = line_;
    token.column = static_cast<uint32_t>(position_ - line_start_ + 1);
    if (position_ >= source_.size()) return token;

    const std::string_view rest = source_.substr(position_);
    if (rest[0] == '\n') {
        token = take(token, Token::Kind::End, 1);
        line_start_ = position_;
        ++line_;
        line_begins_ = true;
        return token;
    }
    if (rest[0] == ';') return take(token, Token::Kind::End, 1);
    if (starts_word(rest[0])) {
        const auto end = std::find_if_not(rest.begin(), rest.end(), continues_word);
        return take(token, Token::Kind::Word, static_cast<size_t>(end - rest.begin()));
    }
    if (is_digit(rest[0])) return scan_number(token);
    for (const std::string_view sign : kSigns) {
        if (rest.starts_with(sign)) return take(token, Token::Kind::Sign, sign.size());
    }
    return take(token, Token::Kind::Bad, 1);
}

Token Lexer::scan_number(Token token) {
    const std::string_view rest = source_.substr(position_);
    const auto end = std::find_if_not(rest.begin(), rest.end(), continues_word);
    std::string_view digits(rest.begin(), end);
    if (digits.size() == kAddressDigits && std::ranges::all_of(digits, is_hex_digit) &&
        rest.substr(digits.size()).starts_with(" <"))
        return take(token, Token::Kind::Address, digits.size());
    if (digits.ends_with("ll")) digits.remove_suffix(2);

    if (const auto value = parse_uint(digits)) {
        token.value = *value;
        return take(token, Token::Kind::Number, digits.size());
    }
    const std::string_view label = digits.substr(0, digits.size() - 1);
    if ((digits.back() == 'f' || digits.back() == 'b') && std::ranges::all_of(label, is_digit)) {
        if (const auto value = parse_uint(label)) {
            token.value = *value;
            return take(token, Token::Kind::LocalRef, digits.size());
        }
    }
    return take(token, Token::Kind::Bad, digits.size());
}

}  // namespace skep::isa
