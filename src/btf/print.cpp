// SPDX-License-Identifier: Apache-2.0
#include "btf/print.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/hex.hpp"
#include "base/text.hpp"

namespace skep::btf {

namespace {

struct JsonOutput {
    JsonWriter& json;
    void begin_struct() { json.begin_object(); }
    void key(std::string_view name) { json.key(name); }
    void end_struct() { json.end_object(); }
    void begin_list() { json.begin_array(); }
    void end_list() { json.end_array(); }
    void number(uint64_t value, bool is_signed) {
        if (is_signed)
            json.value(int64_t(value));
        else
            json.value(value);
    }
    void number(double value) { json.value(value); }
    void boolean(bool value) { json.value(value); }
    void enumerator(std::string_view name) { json.value(name); }
    void text(std::string_view text) { json.value(text); }
    void hex(const std::string& text) { json.value(text); }
    void missing() { json.null(); }
};

class COutput {
  public:
    void begin_struct() { open(); }
    void key(std::string_view name) {
        separate();
        fmt::format_to(std::back_inserter(text_), ".{} = ", printable(name));
        fresh_ = true;
    }
    void end_struct() { close(); }
    void begin_list() { open(); }
    void end_list() { close(); }
    void number(uint64_t value, bool is_signed) {
        write(is_signed ? fmt::to_string(int64_t(value)) : fmt::to_string(value));
    }
    void number(double value) { write(fmt::format("{:g}", value)); }
    void boolean(bool value) { write(value ? "true" : "false"); }
    void enumerator(std::string_view name) { write(printable(name)); }
    void text(std::string_view text) {
        std::string quoted = "\"";
        for (const char c : text) {
            if (c == '"' || c == '\\') quoted += '\\';
            quoted += c == '\n' ? "\\n" : c == '\t' ? "\\t" : std::string(1, c);
        }
        write(quoted + '"');
    }
    void hex(const std::string& text) { write(text); }
    void missing() { write("?"); }

    std::string take() { return std::move(text_); }

  private:
    void separate() {
        if (!fresh_) text_ += ", ";
        fresh_ = false;
    }
    void write(std::string_view text) {
        separate();
        text_ += text;
    }
    void open() {
        separate();
        text_ += '{';
        fresh_ = true;
    }
    void close() {
        text_ += '}';
        fresh_ = false;
    }

    std::string text_;
    bool fresh_ = true;  // nothing to put a comma after
};

/// Bytes of the UTF-8 character that `text` starts with; 0 where it is none or a control character.
size_t printable_character(std::string_view text) {
    const auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : uint8_t{0}; };
    const uint8_t first = byte(0);
    if (first < 0x80) return (first >= 0x20 && first != 0x7f) || first == '\t' || first == '\n';
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4) return 0;
    for (size_t i = 1; i < length; i++)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    return length;
}

/// The text that a char array holds, if it holds text.
std::optional<std::string_view> as_text(ByteView bytes) {
    const auto text = load_string(bytes, 0);
    if (!text) return std::nullopt;
    for (std::string_view rest = *text; !rest.empty();) {
        const size_t length = printable_character(rest);
        if (length == 0) return std::nullopt;
        rest.remove_prefix(length);
    }
    return text;
}

bool is_char(const Type& type) {
    return type.kind() == Kind::Int && type.size() == 1 &&
           (type.name() == "char" || type.integer().is_char);
}

template <typename Output>
class Printer {
  public:
    Printer(const Btf& btf, size_t bytes, Output& out)
        : btf_(btf), out_(out), budget_(65536 + 4 * bytes) {}

    /// `bytes` starts at the value and may reach past it, up to the end of what encloses it.
    void print(uint32_t id, ByteView bytes) {
        const Type type = btf_.resolve(id);
        const std::optional<uint32_t> size = btf_.size_of(type.id());
        // Structs without bytes can nest without end in hostile BTF; count what is printed.
        if (budget_ == 0 || (size && *size > bytes.size())) return out_.missing();
        budget_--;
        switch (type.kind()) {
            case Kind::Int: return print_int(type, bytes);
            case Kind::Enum:
            case Kind::Enum64: return print_enum(type, word(bytes, 0, 8 * type.size()));
            case Kind::Ptr: return out_.hex(fmt::format("0x{:x}", word(bytes, 0, 64)));
            case Kind::Float: return print_float(type, bytes);
            case Kind::Struct:
            case Kind::Union:
                out_.begin_struct();
                print_members(type, bytes);
                return out_.end_struct();
            case Kind::Array: return print_array(type, bytes.first(size.value_or(0)));
            case Kind::Var: return print(type.ref(), bytes);
            case Kind::Datasec: return print_datasec(type, bytes);
            default: return out_.hex(to_hex(bytes));
        }
    }

  private:
    /// Finding an enumerator's name takes longer the more there are.
    void charge_enum(const Type& type) { budget_ -= std::min<size_t>(budget_, type.count() / 64); }

    /// Up to 64 bits from bit `offset`, zero-extended. The caller has checked that they are there.
    static uint64_t word(ByteView bytes, uint32_t offset, uint32_t bits) {
        const size_t first = offset / 8;
        const uint32_t shift = offset % 8;
        const size_t count = std::min<size_t>((shift + bits + 7) / 8, 8);
        uint64_t value = 0;
        std::memcpy(&value, bytes.data() + first, count);
        value >>= shift;
        if (shift + bits > 64) value |= uint64_t{bytes[first + 8]} << (64 - shift);
        return value & (bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1);
    }

    void print_integer(const Integer& integer, uint64_t value, uint32_t bits) {
        if (integer.is_bool && value <= 1) return out_.boolean(value != 0);
        if (integer.is_signed && bits < 64 && (value >> (bits - 1) & 1) != 0)
            value |= UINT64_MAX << bits;
        out_.number(value, integer.is_signed);
    }

    void print_int(const Type& type, ByteView bytes) {
        const Integer integer = type.integer();
        if (integer.bits > 64) return out_.hex(to_hex(bytes.first(type.size())));
        print_integer(integer, word(bytes, integer.offset, integer.bits), integer.bits);
    }

    void print_enum(const Type& type, uint64_t value) {
        charge_enum(type);
        const uint64_t mask = type.size() >= 8 ? UINT64_MAX : (uint64_t{1} << 8 * type.size()) - 1;
        for (const Enumerator enumerator : type.enumerators())
            if ((enumerator.value & mask) == value) return out_.enumerator(enumerator.name);
        print_integer({0, 8 * type.size(), type.is_signed(), false, false}, value, 8 * type.size());
    }

    void print_float(const Type& type, ByteView bytes) {
        if (type.size() == 4) return out_.number(double{*load<float>(bytes, 0)});
        if (type.size() == 8) return out_.number(*load<double>(bytes, 0));
        out_.hex(to_hex(bytes.first(type.size())));
    }

    void print_members(const Type& type, ByteView bytes) {
        for (uint32_t i = 0; i < type.count(); i++) {
            const Member member = type.member(i);
            const Type inner = btf_.resolve(member.type);
            const auto rest =
                slice(bytes, member.bit_offset / 8,
                      bytes.size() - std::min<size_t>(bytes.size(), member.bit_offset / 8));
            if (member.name.empty()) {
                if (inner.is_composite() && rest && budget_ > 0) {
                    budget_--;
                    print_members(inner, *rest);
                }
                continue;
            }
            out_.key(member.name);
            if (!rest)
                out_.missing();
            else if (member.bitfield_size != 0)
                print_bitfield(inner, member, bytes);
            else if (is_flexible(type, i, inner))
                print_flexible(inner.array(), *rest);
            else if (const auto size = btf_.size_of(member.type))
                print(member.type, rest->first(std::min<size_t>(rest->size(), *size)));
            else
                out_.missing();
        }
    }

    static bool is_flexible(const Type& container, uint32_t i, const Type& member) {
        return container.kind() == Kind::Struct && i + 1 == container.count() &&
               member.kind() == Kind::Array && member.array().count == 0;
    }

    void print_flexible(const Array& array, ByteView bytes) {
        const uint32_t size = btf_.size_of(array.element).value_or(0);
        if (size == 0) return out_.missing();
        print_elements(array.element, size, bytes.first(bytes.size() / size * size));
    }

    void print_bitfield(const Type& type, const Member& member, ByteView bytes) {
        const uint64_t end = (uint64_t{member.bit_offset} + member.bitfield_size + 7) / 8;
        if (end > bytes.size() || member.bitfield_size > 64) return out_.missing();
        const uint64_t value = word(bytes, member.bit_offset, member.bitfield_size);
        if (type.is_enum()) {
            charge_enum(type);
            const Integer plain{0, member.bitfield_size, type.is_signed(), false, false};
            for (const Enumerator enumerator : type.enumerators())
                if (enumerator.value == sign_extend(value, plain))
                    return out_.enumerator(enumerator.name);
            return print_integer(plain, value, member.bitfield_size);
        }
        if (type.kind() != Kind::Int) return out_.missing();
        print_integer(type.integer(), value, member.bitfield_size);
    }

    static uint64_t sign_extend(uint64_t value, const Integer& integer) {
        const bool negative = integer.is_signed && (value >> (integer.bits - 1) & 1) != 0;
        return negative && integer.bits < 64 ? value | UINT64_MAX << integer.bits : value;
    }

    void print_array(const Type& type, ByteView bytes) {
        const Array array = type.array();
        const std::optional<uint32_t> size = btf_.size_of(array.element);
        if (!size) return out_.missing();
        if (*size != 0) return print_elements(array.element, *size, bytes);
        out_.begin_list();
        for (uint32_t i = 0; i < array.count && budget_ > 0; i++) print(array.element, bytes);
        out_.end_list();
    }

    void print_elements(uint32_t element, uint32_t size, ByteView bytes) {
        if (is_char(btf_.resolve(element)))
            if (const auto text = as_text(bytes)) return out_.text(*text);
        out_.begin_list();
        for (size_t at = 0; at < bytes.size() && budget_ > 0; at += size)
            print(element, bytes.subspan(at, size));
        out_.end_list();
    }

    void print_datasec(const Type& type, ByteView bytes) {
        out_.begin_struct();
        for (const SectionVar variable : type.variables()) {
            const Type var = btf_.type(variable.type);
            if (var.kind() != Kind::Var) continue;
            out_.key(var.name());
            const auto value = slice(bytes, variable.offset, variable.size);
            if (value && btf_.size_of(var.ref()))
                print(var.ref(), *value);
            else
                out_.missing();
        }
        out_.end_struct();
    }

    const Btf& btf_;
    Output& out_;
    size_t budget_;
};

}  // namespace

void print_json(const Btf& btf, uint32_t type, ByteView bytes, JsonWriter& json) {
    JsonOutput out{json};
    Printer(btf, bytes.size(), out).print(type, bytes);
}

std::string print_c(const Btf& btf, uint32_t type, ByteView bytes) {
    COutput out;
    Printer(btf, bytes.size(), out).print(type, bytes);
    return out.take();
}

}  // namespace skep::btf
