// SPDX-License-Identifier: Apache-2.0
#include "isa/assemble.hpp"

#include <algorithm>
#include <array>

#include "isa/asm_operands.hpp"
#include "isa/asm_program.hpp"
#include "isa/opcode.hpp"

namespace skep::isa {
namespace {

// The opcode bits that find() compares.
constexpr uint8_t kClassAndSource = 0x0f;
constexpr uint8_t kSizeBits = 0x18;

/// What a statement may begin with, other than a register or '*'.
constexpr auto kKeywords =
    std::to_array<std::string_view>({"if", "goto", "gotol", "may_goto", "call", "callx", "exit",
                                     "lock", "ld_pseudo", "store_release"});

/// What looks like a function behind "r0 =", by the table.
std::vector<std::string_view> value_functions() {
    std::vector<std::string_view> names{"load_acquire"};
    for (const OpcodeInfo& info : opcodes()) {
        switch (info.form) {
            case Form::End:
            case Form::Fetch:
            case Form::Xchg:
            case Form::CmpXchg:
            case Form::AddrSpaceCast: names.push_back(info.symbol); break;
            default: break;
        }
    }
    return names;
}

uint8_t arithmetic_class(const AsmReg& dst) {
    return dst.half ? kAlu : kAlu64;
}

class Parser {
  public:
    Parser(std::string_view source, const HelperNumber& helper) : in_(source), helper_(helper) {}

    Parsed<Assembly> run() {
        while (in_.peek().kind != Token::Kind::Eof) SKEP_TRY(statement());
        return out_.finish(helper_);
    }

  private:
    Parsed<void> statement();
    Parsed<void> objdump_label();
    Parsed<bool> label(const Token& first);
    Parsed<void> instruction(const Token& first);
    Parsed<void> directive(const Token& first);
    Parsed<void> jump_if();
    Parsed<void> go(const Token& mnemonic);
    Parsed<void> call();
    Parsed<void> lock();
    Parsed<void> ld_pseudo();
    Parsed<void> store();
    Parsed<void> store_release();
    Parsed<void> assignment();
    Parsed<void> arithmetic(const AsmReg& dst, std::string_view symbol, const Token& at);

    // What stands behind "rN = ".
    Parsed<void> value(const AsmReg& dst);
    Parsed<void> negation(const AsmReg& dst);
    Parsed<void> immediate(const AsmReg& dst, bool negative);
    Parsed<void> sign_extension(const AsmReg& dst);
    Parsed<void> load(const AsmReg& dst);
    Parsed<void> packet_load(const AsmReg& dst, const Token& type);
    Parsed<void> named_value(const AsmReg& dst);
    Parsed<void> byte_swap(const AsmReg& dst, const OpcodeInfo& info);
    Parsed<void> addr_space_cast(const AsmReg& dst);
    Parsed<void> load_acquire(const AsmReg& dst);
    Parsed<void> atomic(const AsmReg& dst, const OpcodeInfo& info);
    Parsed<void> function_address(const AsmReg& dst, const Token& name);

    AsmOperands in_;
    AsmProgram out_;
    const HelperNumber& helper_;
};

Parsed<void> Parser::statement() {
    if (in_.peek().kind == Token::Kind::End) {
        in_.next();
        return {};
    }
    const Token first = in_.peek();
    out_.begin_statement(first);
    if (first.kind == Token::Kind::Address || first.is("<")) return objdump_label();
    if (looks_like_register(first)) {
        SKEP_TRY(assignment());
    } else {
        in_.next();
        if (SKEP_TRY(label(first))) return {};
        SKEP_TRY(instruction(first));
    }
    const Token end = in_.peek();
    if (end.ends_statement()) return {};
    return with_hint(error_at(end, "unexpected {} behind the instruction", describe(end)),
                     end.kind == Token::Kind::Word ? "comments begin with # or //" : "");
}

/// "<name>:", with or without the address.
Parsed<void> Parser::objdump_label() {
    if (in_.peek().kind == Token::Kind::Address) in_.next();
    const Token token = in_.peek();
    const std::string_view name = in_.angle_name();
    if (name.empty()) return error_at(token, "expected '<name>:'");
    SKEP_TRY(in_.expect(":"));
    return out_.define_label(token, name);
}

Parsed<bool> Parser::label(const Token& first) {
    const bool number = first.kind == Token::Kind::Number;
    if ((!number && first.kind != Token::Kind::Word) || !in_.accept(":")) return false;
    if (number)
        out_.define_local(first.value);
    else
        SKEP_TRY(out_.define_label(first, first.text));
    return true;
}

Parsed<void> Parser::instruction(const Token& first) {
    if (first.is("*")) return store();
    if (first.kind == Token::Kind::Word) {
        if (first.text == "if") return jump_if();
        if (first.text == "goto" || first.text == "gotol" || first.text == "may_goto")
            return go(first);
        if (first.text == "call") return call();
        if (first.text == "callx")
            return out_.emit({
                .opcode = kJmp | kCall | kX, .dst = SKEP_TRY(in_.reg())
                .number
            });
        if (first.text == "exit") return out_.emit({.opcode = kJmp | kExit});
        if (first.text == "lock") return lock();
        if (first.text == "ld_pseudo") return ld_pseudo();
        if (first.text == "store_release") return store_release();
        if (first.text[0] == '.') return directive(first);
    }
    return with_hint(error_at(first, "no instruction begins with {}", describe(first)),
                     did_you_mean(first.text, kKeywords));
}

Parsed<void> Parser::directive(const Token& first) {
    if (first.text != ".globl" && first.text != ".global")
        return with_hint(error_at(first, "unknown directive {}", describe(first)),
                         "the only one is .globl; everything is in one section");
    const Token name = in_.next();
    if (name.kind != Token::Kind::Word)
        return error_at(name, "expected a name, found {}", describe(name));
    out_.declare_global(name);
    return {};
}

/// "if w1 s> 7 goto +3", behind the "if".
Parsed<void> Parser::jump_if() {
    const AsmReg left = SKEP_TRY(in_.reg());
    const Token at = in_.peek();
    const std::string symbol = SKEP_TRY(in_.operation());
    Insn insn{.dst = left.number};
    const uint8_t source = in_.next_is_word() ? kX : kK;
    if (source == kX) insn.src = SKEP_TRY(in_.reg_like(left))
    .number;
    else insn.imm = SKEP_TRY(in_.imm32());
    const uint8_t cls = left.half ? kJmp32 : kJmp;
    const OpcodeInfo* info = find(Form::Jump, symbol, kClassAndSource, cls | source);
    if (!info) return error_at(at, "there is no comparison '{}'", symbol);
    insn.opcode = info->opcode;
    const Token word = in_.next();
    if (!word.is_word("goto")) return error_at(word, "expected 'goto', found {}", describe(word));
    return out_.emit_branch(insn, SKEP_TRY(in_.target()));
}

Parsed<void> Parser::go(const Token& mnemonic) {
    const AsmTarget target = SKEP_TRY(in_.target());
    if (mnemonic.text == "gotol") return out_.emit_branch({.opcode = kJmp32 | kJa}, target);
    return out_.emit_branch({.opcode = find(Form::Ja, mnemonic.text)->opcode}, target);
}

/// "call 1" is a helper, "call +1" and "call -1" are distances to a function of the program.
Parsed<void> Parser::call() {
    if (in_.peek().is_word("kfunc")) {
        in_.next();
        Insn insn {
            .opcode = kJmp | kCall, .src = kCallKfunc, .imm = SKEP_TRY(in_.imm32())
        };
        if (in_.accept(","))
            insn.off = static_cast<int16_t>(SKEP_TRY(in_.number(INT16_MIN, INT16_MAX)));
        return out_.emit(insn);
    }
    const AsmTarget target = SKEP_TRY(in_.target());
    if (target.label.empty() && !target.has_sign)
        return out_.emit({.opcode = kJmp | kCall, .imm = static_cast<int32_t>(target.distance)});
    return out_.emit_branch({.opcode = kJmp | kCall, .src = kCallLocal}, target);
}

/// "lock *(u64 *)(r2 + 0) += r1", behind the "lock".
Parsed<void> Parser::lock() {
    SKEP_TRY(in_.expect("*"));
    const Token type = SKEP_TRY(in_.memory_type());
    const AsmAddress address = SKEP_TRY(in_.address());
    const Token at = in_.peek();
    const std::string symbol = SKEP_TRY(in_.operation());
    const AsmReg src = SKEP_TRY(in_.reg_for(type));
    const OpcodeInfo* width = find(Form::StoreReg, type.text);
    const OpcodeInfo* info =
        width ? find(Form::Lock, symbol, kSizeBits, width->opcode & kSizeBits) : nullptr;
    if (!info) return error_at(at, "there is no atomic '{}' on {}", symbol, type.text);
    return out_.emit({.opcode = info->opcode,
                      .dst = address.base,
                      .src = src.number,
                      .off = address.off,
                      .imm = info->key});
}

/// "ld_pseudo r1, 1, 5", behind the mnemonic.
Parsed<void> Parser::ld_pseudo() {
    const AsmReg dst = SKEP_TRY(in_.reg());
    SKEP_TRY(in_.expect(","));
    const int64_t kind = SKEP_TRY(in_.number(0, 15));
    SKEP_TRY(in_.expect(","));
    const int64_t imm = SKEP_TRY(in_.number(INT64_MIN, UINT64_MAX));
    return out_.emit_wide(
        {.opcode = kLd | kImm | kDw, .dst = dst.number, .src = static_cast<uint8_t>(kind)},
        static_cast<uint64_t>(imm));
}

/// "*(u32 *)(r1 + 4) = r2", behind the '*'.
Parsed<void> Parser::store() {
    const Token type = SKEP_TRY(in_.memory_type());
    const AsmAddress address = SKEP_TRY(in_.address());
    SKEP_TRY(in_.expect("="));
    const OpcodeInfo* info = find(in_.next_is_word() ? Form::StoreReg : Form::StoreImm, type.text);
    if (!info) return error_at(type, "a store has no sign: write u{}", type.text.substr(1));
    Insn insn{.opcode = info->opcode, .dst = address.base, .off = address.off};
    if (in_.next_is_word()) insn.src = SKEP_TRY(in_.reg_for(type))
    .number;
    else insn.imm = SKEP_TRY(in_.imm32());
    return out_.emit(insn);
}

/// "store_release((u32 *)(r1 + 4), w2)", behind the mnemonic.
Parsed<void> Parser::store_release() {
    SKEP_TRY(in_.expect("("));
    const Token type = SKEP_TRY(in_.memory_type());
    const AsmAddress address = SKEP_TRY(in_.address());
    SKEP_TRY(in_.expect(","));
    const AsmReg src = SKEP_TRY(in_.reg_for(type));
    SKEP_TRY(in_.expect(")"));
    const OpcodeInfo* info = find(Form::StoreRelease, type.text);
    if (!info) return error_at(type, "a store has no sign: write u{}", type.text.substr(1));
    return out_.emit({.opcode = info->opcode,
                      .dst = address.base,
                      .src = src.number,
                      .off = address.off,
                      .imm = info->key});
}

Parsed<void> Parser::assignment() {
    const AsmReg dst = SKEP_TRY(in_.reg());
    const Token at = in_.peek();
    if (at.is(":"))
        return error_at(dst.token, "{} is a register and no label", describe(dst.token));
    const std::string symbol = SKEP_TRY(in_.operation());
    return symbol == "=" ? value(dst) : arithmetic(dst, symbol, at);
}

Parsed<void> Parser::arithmetic(const AsmReg& dst, std::string_view symbol, const Token& at) {
    const uint8_t source = in_.next_is_word() ? kX : kK;
    const OpcodeInfo* info =
        find(Form::Alu, symbol, kClassAndSource, arithmetic_class(dst) | source);
    if (!info) return error_at(at, "there is no operator '{}'", symbol);
    Insn insn{.opcode = info->opcode, .dst = dst.number, .off = static_cast<int16_t>(info->key)};
    if (source == kX) insn.src = SKEP_TRY(in_.reg_like(dst))
    .number;
    else insn.imm = SKEP_TRY(in_.imm32());
    return out_.emit(insn);
}

Parsed<void> Parser::value(const AsmReg& dst) {
    if (in_.next_is_register()) return arithmetic(dst, "=", in_.peek());
    if (in_.next_is_word()) return named_value(dst);
    if (in_.accept("-")) return negation(dst);
    if (in_.accept("*")) return load(dst);
    if (in_.accept("(")) return sign_extension(dst);
    return immediate(dst, false);
}

Parsed<void> Parser::negation(const AsmReg& dst) {
    if (!in_.next_is_register()) return immediate(dst, true);
    const AsmReg operand = SKEP_TRY(in_.reg());
    if (operand.token.text != dst.token.text)
        return error_at(operand.token, "a negation works on one register: {0} = -{0}",
                        dst.token.text);
    return out_.emit(
        {.opcode = static_cast<uint8_t>(arithmetic_class(dst) | kNeg), .dst = dst.number});
}

Parsed<void> Parser::immediate(const AsmReg& dst, bool negative) {
    const Token first = in_.peek();
    const int64_t wide = SKEP_TRY(in_.number(INT64_MIN, UINT64_MAX, negative));
    if (in_.peek().is_word("ll")) {
        in_.next();
        if (dst.half) return error_at(dst.token, "a 64-bit value needs r{}", dst.number);
        return out_.emit_wide({.opcode = kLd | kImm | kDw, .dst = dst.number},
                              static_cast<uint64_t>(wide));
    }
    const bool fits =
        negative ? wide >= INT32_MIN && wide <= 0 : static_cast<uint64_t>(wide) <= UINT32_MAX;
    if (!fits)
        return with_hint(
            error_at(first, "the value does not fit into 32 bits"),
            fmt::format("r{} = {}0x{:x} ll", dst.number, negative ? "-" : "",
                        negative ? 0 - static_cast<uint64_t>(wide) : static_cast<uint64_t>(wide)));
    return out_.emit({.opcode = static_cast<uint8_t>(arithmetic_class(dst) | kMov | kK),
                      .dst = dst.number,
                      .imm = static_cast<int32_t>(wide)});
}

/// "(s8)r2", behind the parenthesis.
Parsed<void> Parser::sign_extension(const AsmReg& dst) {
    const Token type = in_.next();
    const OpcodeInfo* info =
        find(Form::MovSx, type.text, kClassAndSource, arithmetic_class(dst) | kX);
    if (!info)
        return error_at(type, "{} cannot be extended to {} bits", describe(type),
                        dst.half ? 32 : 64);
    SKEP_TRY(in_.expect(")"));
    return out_.emit({
        .opcode = info->opcode, .dst = dst.number, .src = SKEP_TRY(in_.reg_like(dst))
        .number, .off = static_cast<int16_t>(info->key)
    });
}

/// "*(u32 *)(r2 + 4)" or "*(u32 *)skb[4]", behind the '*'.
Parsed<void> Parser::load(const AsmReg& dst) {
    const Token type = SKEP_TRY(in_.memory_type());
    if (in_.peek().is_word("skb")) return packet_load(dst, type);
    SKEP_TRY(in_.fits(dst, type));
    const AsmAddress address = SKEP_TRY(in_.address());
    return out_.emit({.opcode = find(Form::Load, type.text)->opcode,
                      .dst = dst.number,
                      .src = address.base,
                      .off = address.off});
}

Parsed<void> Parser::packet_load(const AsmReg& dst, const Token& type) {
    in_.next();
    if (dst.token.text != "r0") return error_at(dst.token, "packet loads go to r0 only");
    SKEP_TRY(in_.expect("["));
    const bool indirect = in_.next_is_word();
    const OpcodeInfo* info = find(indirect ? Form::SkbInd : Form::SkbAbs, type.text);
    if (!info) return error_at(type, "packet loads are u8, u16 or u32, not {}", type.text);
    Insn insn{.opcode = info->opcode};
    if (indirect) insn.src = SKEP_TRY(in_.reg())
    .number;
    if (!in_.peek().is("]")) insn.imm = SKEP_TRY(in_.imm32());
    SKEP_TRY(in_.expect("]"));
    return out_.emit(insn);
}

Parsed<void> Parser::named_value(const AsmReg& dst) {
    const Token name = in_.next();
    if (in_.peek().is_word("ll")) return function_address(dst, name);
    if (const OpcodeInfo* info = find(Form::End, name.text)) return byte_swap(dst, *info);
    if (name.text == "addr_space_cast") return addr_space_cast(dst);
    if (name.text == "load_acquire") return load_acquire(dst);
    for (const Form form : {Form::Fetch, Form::Xchg, Form::CmpXchg}) {
        if (!find(form, name.text)) continue;
        if (const OpcodeInfo* info = find(form, name.text, kSizeBits, dst.half ? kW : kDw))
            return atomic(dst, *info);
        return error_at(dst.token, "{} needs {}{}", name.text, dst.half ? 'r' : 'w', dst.number);
    }
    return with_hint(error_at(name, "unexpected {} behind '{} ='", describe(name), dst.token.text),
                     did_you_mean(name.text, value_functions()));
}

Parsed<void> Parser::byte_swap(const AsmReg& dst, const OpcodeInfo& info) {
    const AsmReg operand = SKEP_TRY(in_.reg());
    if (dst.half || operand.token.text != dst.token.text)
        return error_at(operand.token, "a byte swap works on one register: r{0} = {1} r{0}",
                        dst.number, info.symbol);
    return out_.emit({.opcode = info.opcode, .dst = dst.number, .imm = info.key});
}

/// "addr_space_cast(r2, 0, 1)": the register, the address spaces to and from, behind the name.
Parsed<void> Parser::addr_space_cast(const AsmReg& dst) {
    SKEP_TRY(in_.expect("("));
    const AsmReg src = SKEP_TRY(in_.reg());
    if (dst.half || src.half) return error_at(src.token, "addr_space_cast needs r registers");
    SKEP_TRY(in_.expect(","));
    const int64_t to = SKEP_TRY(in_.number(0, UINT16_MAX));
    SKEP_TRY(in_.expect(","));
    const int64_t from = SKEP_TRY(in_.number(0, UINT16_MAX));
    SKEP_TRY(in_.expect(")"));
    return out_.emit({.opcode = kAlu64 | kMov | kX,
                      .dst = dst.number,
                      .src = src.number,
                      .off = 1,
                      .imm = static_cast<int32_t>(to << 16 | from)});
}

/// "load_acquire((u32 *)(r2 + 4))", behind the name.
Parsed<void> Parser::load_acquire(const AsmReg& dst) {
    SKEP_TRY(in_.expect("("));
    const Token type = SKEP_TRY(in_.memory_type());
    SKEP_TRY(in_.fits(dst, type));
    const AsmAddress address = SKEP_TRY(in_.address());
    SKEP_TRY(in_.expect(")"));
    const OpcodeInfo* info = find(Form::LoadAcquire, type.text);
    if (!info) return error_at(type, "there is no load_acquire of {}", type.text);
    return out_.emit({.opcode = info->opcode,
                      .dst = dst.number,
                      .src = address.base,
                      .off = address.off,
                      .imm = info->key});
}

/// "atomic_fetch_add((u64 *)(r1 + 0), r2)", "xchg_64(r1 + 0, r2)", "cmpxchg_64(r1 + 0, r0, r2)",
/// behind the name. The register before the '=' comes again: in r0, or in that of the new value.
Parsed<void> Parser::atomic(const AsmReg& dst, const OpcodeInfo& info) {
    SKEP_TRY(in_.expect("("));
    AsmAddress address;
    if (info.form == Form::Fetch) {
        const Token type = SKEP_TRY(in_.memory_type());
        if (type.text != (dst.half ? "u32" : "u64"))
            return error_at(type, "{} needs {}", dst.token.text, dst.half ? "u32" : "u64");
        address = SKEP_TRY(in_.address());
    } else {
        address = SKEP_TRY(in_.bare_address());
    }
    SKEP_TRY(in_.expect(","));
    AsmReg src = SKEP_TRY(in_.reg_like(dst));
    if (src.number != dst.number)
        return error_at(src.token, "expected {}: the old value replaces it", dst.token.text);
    if (info.form == Form::CmpXchg) {
        if (dst.number != 0) return error_at(dst.token, "{} compares with r0", info.symbol);
        SKEP_TRY(in_.expect(","));
        src = SKEP_TRY(in_.reg_like(dst));
    }
    SKEP_TRY(in_.expect(")"));
    return out_.emit({.opcode = info.opcode,
                      .dst = address.base,
                      .src = src.number,
                      .off = address.off,
                      .imm = info.key});
}

/// "name ll", in front of the "ll".
Parsed<void> Parser::function_address(const AsmReg& dst, const Token& name) {
    in_.next();
    if (dst.half) return error_at(dst.token, "an address needs all 64 bits: r{}", dst.number);
    return out_.emit_branch({.opcode = kLd | kImm | kDw, .dst = dst.number, .src = kPseudoFunc},
                            {.token = name, .label = std::string(name.text)});
}

}  // namespace

std::expected<Assembly, AsmError> assemble(std::string_view source, const HelperNumber& helper) {
    return Parser(source, helper).run();
}

std::string render(const AsmError& error, std::string_view source, std::string_view file) {
    std::string out = fmt::format("{}:{}:{}: {}\n", file, error.line, error.column, error.message);
    const auto lines = split(source, '\n');
    if (error.line >= 1 && error.line <= lines.size()) {
        // Tabs and unprintable bytes change the width, so both lines go through printable().
        std::string_view line = lines[error.line - 1];
        size_t caret = error.column - 1;
        const size_t indent = std::min(line.find_first_not_of(" \t"), caret);
        line.remove_prefix(indent);
        caret -= indent;
        out += fmt::format("    {}\n    {:{}}^\n", printable(trim(line)), "",
                           printable(line.substr(0, caret)).size());
    }
    if (!error.hint.empty()) out += fmt::format("hint: {}\n", error.hint);
    return out;
}

}  // namespace skep::isa
