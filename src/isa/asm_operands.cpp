// SPDX-License-Identifier: Apache-2.0
#include "isa/asm_operands.hpp"

#include <algorithm>

#include "isa/opcode.hpp"

namespace skep::isa {

std::unexpected<AsmError> with_hint(std::unexpected<AsmError> error, std::string hint) {
    error.error().hint = std::move(hint);
    return error;
}

std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates) {
    const auto found = closest(text, candidates);
    return found ? fmt::format("did you mean '{}'?", *found) : "";
}

std::string describe(const Token& token) {
    if (token.ends_statement()) return "the end of the statement";
    return fmt::format("'{}'", printable(token.text));
}

bool looks_like_register(const Token& token) {
    return token.kind == Token::Kind::Word && token.text.size() > 1 &&
           (token.text[0] == 'r' || token.text[0] == 'w') &&
           std::ranges::all_of(token.text.substr(1), [](char c) { return c >= '0' && c <= '9'; });
}

bool AsmOperands::next_is_register() const {
    return looks_like_register(peek());
}

bool AsmOperands::accept(std::string_view sign) {
    if (!peek().is(sign)) return false;
    next();
    return true;
}

Parsed<void> AsmOperands::expect(std::string_view sign) {
    const Token token = next();
    if (!token.is(sign)) return error_at(token, "expected '{}', found {}", sign, describe(token));
    return {};
}

Parsed<AsmReg> AsmOperands::reg() {
    const Token token = next();
    if (!looks_like_register(token))
        return error_at(token, "expected a register, found {}", describe(token));
    const std::string_view digits = token.text.substr(1);
    if (digits.size() > 1 && digits != "10")
        return error_at(token, "there is no register {} (r0 to r10)", token.text);
    const auto number = static_cast<uint8_t>(digits == "10" ? 10 : digits[0] - '0');
    return AsmReg{number, token.text[0] == 'w', token};
}

Parsed<AsmReg> AsmOperands::reg_like(const AsmReg& other) {
    const AsmReg value = SKEP_TRY(reg());
    if (value.half != other.half)
        return error_at(value.token, "{} and {} differ in width", other.token.text,
                        value.token.text);
    return value;
}

Parsed<AsmReg> AsmOperands::reg_for(const Token& type) {
    const AsmReg value = SKEP_TRY(reg());
    SKEP_TRY(fits(value, type));
    return value;
}

Parsed<void> AsmOperands::fits(const AsmReg& reg, const Token& type) {
    const bool narrow = type.text[0] == 'u' && type.text != "u64";
    if (reg.half && !narrow)
        return error_at(reg.token, "{} does not go with {}: write r{}", reg.token.text, type.text,
                        reg.number);
    return {};
}

Parsed<int64_t> AsmOperands::number(int64_t low, uint64_t high, bool negative) {
    if (!negative && !accept("+")) negative = accept("-");
    const Token token = next();
    if (token.kind != Token::Kind::Number)
        return error_at(token, "expected a number, found {}", describe(token));
    const uint64_t limit = negative ? 0 - static_cast<uint64_t>(low) : high;
    if (token.value > limit)
        return error_at(token, "{}{} does not fit here ({} to {})", negative ? "-" : "", token.text,
                        low, high);
    return static_cast<int64_t>(negative ? 0 - token.value : token.value);
}

Parsed<int32_t> AsmOperands::imm32() {
    return static_cast<int32_t>(SKEP_TRY(number(INT32_MIN, UINT32_MAX)));
}

Parsed<std::string> AsmOperands::operation() {
    std::string symbol;
    if (peek().is_word("s")) symbol = next().text;
    const Token sign = next();
    if (sign.kind != Token::Kind::Sign)
        return error_at(sign, "expected an operator, found {}", describe(sign));
    return symbol.append(sign.text);
}

Parsed<Token> AsmOperands::memory_type() {
    SKEP_TRY(expect("("));
    const Token type = next();
    if (type.kind != Token::Kind::Word || !find(Form::Load, type.text))
        return with_hint(
            error_at(type, "expected the type of the access, found {}", describe(type)),
            "u8, u16, u32, u64, s8, s16 or s32");
    SKEP_TRY(expect("*"));
    SKEP_TRY(expect(")"));
    return type;
}

Parsed<AsmAddress> AsmOperands::address() {
    SKEP_TRY(expect("("));
    const AsmAddress inside = SKEP_TRY(bare_address());
    SKEP_TRY(expect(")"));
    return inside;
}

Parsed<AsmAddress> AsmOperands::bare_address() {
    const AsmReg base = SKEP_TRY(reg());
    if (base.half) return error_at(base.token, "an address needs all 64 bits: r{}", base.number);
    if (!peek().is("+") && !peek().is("-")) return AsmAddress{base.number, 0};
    const bool negative = next().is("-");
    const int64_t off = SKEP_TRY(number(INT16_MIN, INT16_MAX, negative));
    return AsmAddress{base.number, static_cast<int16_t>(off)};
}

Parsed<AsmTarget> AsmOperands::target() {
    AsmTarget to;
    to.token = peek();
    if (to.token.kind == Token::Kind::Word || to.token.kind == Token::Kind::LocalRef) {
        to.label = next().text;
    } else {
        to.has_sign = to.token.is("+") || to.token.is("-");
        to.distance = SKEP_TRY(number(INT32_MIN, UINT32_MAX));
    }
    if (peek().is("<") && angle_name().empty()) return error_at(peek(), "expected '<name>'");
    return to;
}

}  // namespace skep::isa
