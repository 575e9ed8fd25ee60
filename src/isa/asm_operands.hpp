// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/text.hpp"
#include "isa/asm_lexer.hpp"
#include "isa/assemble.hpp"

// The pieces that statements are made of: registers, numbers, types, addresses, targets. Each
// function reads one from the lexer or says what stands there instead.

namespace skep::isa {

template <typename T>
using Parsed = std::expected<T, AsmError>;

template <typename... Args>
std::unexpected<AsmError> error_at(const Token& token, fmt::format_string<Args...> format,
                                   Args&&... args) {
    return std::unexpected(
        AsmError{token.line, token.column, fmt::format(format, std::forward<Args>(args)...), ""});
}

std::unexpected<AsmError> with_hint(std::unexpected<AsmError> error, std::string hint);
std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates);

/// "'r1'", or "the end of the statement".
std::string describe(const Token& token);

struct AsmReg {
    uint8_t number;
    bool half;  ///< w1: the lower 32 bits
    Token token;
};

/// "r1 + 4".
struct AsmAddress {
    uint8_t base;
    int16_t off;
};

/// Where a branch goes: a distance, or a label whose distance is known at the end.
struct AsmTarget {
    Token token;
    std::string label;      ///< empty for a distance; "1f" and "2b" as the source has them
    bool has_sign = false;  ///< of a distance: "+3" as opposed to "3"
    int64_t distance = 0;
};

class AsmOperands {
  public:
    explicit AsmOperands(std::string_view source) : lexer_(source) {}

    const Token& peek() const { return lexer_.peek(); }
    Token next() { return lexer_.next(); }
    bool next_is_register() const;
    bool next_is_word() const { return peek().kind == Token::Kind::Word; }
    bool accept(std::string_view sign);
    Parsed<void> expect(std::string_view sign);
    /// "name" of "<name>", which peek() begins; empty where there is none.
    std::string_view angle_name() { return lexer_.take_angle_name(); }

    Parsed<AsmReg> reg();
    /// A register that has the width of `other`.
    Parsed<AsmReg> reg_like(const AsmReg& other);
    /// A register that can hold what `type` (u8 ... s64) says; w registers hold no s and no u64.
    Parsed<AsmReg> reg_for(const Token& type);
    Parsed<void> fits(const AsmReg& reg, const Token& type);

    /// A number from `low` to `high`, with the sign that may stand before it; `negative` where the
    /// minus has been read already.
    Parsed<int64_t> number(int64_t low, uint64_t high, bool negative = false);
    /// 32 bits, signed or unsigned: clang takes both.
    Parsed<int32_t> imm32();
    /// An operator with the 's' that makes it signed: "+=", "s>".
    Parsed<std::string> operation();
    /// "(u32 *)": the type's token.
    Parsed<Token> memory_type();
    /// "(r1 + 4)", and the same without parentheses.
    Parsed<AsmAddress> address();
    Parsed<AsmAddress> bare_address();
    /// A label, "1f", "+3" or "3"; llvm-objdump's "<name>" behind it is skipped.
    Parsed<AsmTarget> target();

  private:
    Lexer lexer_;
};

bool looks_like_register(const Token& token);

}  // namespace skep::isa
