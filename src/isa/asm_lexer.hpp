// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

// Words, numbers and signs of assembler text, one token at a time. Comments ('#' and "//" to the
// end of the line, and lines that begin with ';', as llvm-objdump -S writes source lines) and
// blanks never come out; newline and ';' come out as End, since both end a statement for clang.
//
// Tokens are views into the source, which must outlive them.

namespace skep::isa {

struct Token {
    enum class Kind : uint8_t {
        Word,      ///< name, mnemonic or register
        Number,    ///< decimal, 0x hex or 0 octal; its value is in `value`
        LocalRef,  ///< "1f", "2b": a numeric label ahead or behind; its number is in `value`
        Address,   ///< 16 hex digits: the address before "<name>:" in llvm-objdump's output
        Sign,      ///< an operator or bracket; multi-character ones come out whole
        End,       ///< end of a statement
        Eof,
        Bad,  ///< a number that is none, or a character that nothing starts with
    };
    Kind kind = Kind::Eof;
    std::string_view text;
    uint64_t value = 0;
    uint32_t line = 0;    ///< from 1
    uint32_t column = 0;  ///< in bytes, from 1

    bool is(std::string_view sign) const { return kind == Kind::Sign && text == sign; }
    bool is_word(std::string_view word) const { return kind == Kind::Word && text == word; }
    bool ends_statement() const { return kind == Kind::End || kind == Kind::Eof; }
};

class Lexer {
  public:
    explicit Lexer(std::string_view source) : source_(source) { token_ = scan(); }

    const Token& peek() const { return token_; }
    Token next();

    /// Where peek() is '<': what stands between it and the next '>', with both consumed. Empty,
    /// with nothing consumed, where the line has no '>' or peek() is something else.
    std::string_view take_angle_name();

  private:
    Token scan();
    Token scan_number(Token token);
    Token take(Token token, Token::Kind kind, size_t length);
    void skip_line();
    void skip_blanks_and_comments();

    std::string_view source_;
    size_t position_ = 0;    ///< behind token_
    size_t line_start_ = 0;  ///< of the line that position_ is in
    uint32_t line_ = 1;
    bool line_begins_ = true;  ///< nothing but blanks so far
    Token token_;
};

}  // namespace skep::isa
