// SPDX-License-Identifier: Apache-2.0
#include "btf/type.hpp"

#include "btf/btf.hpp"

namespace skep::btf {

std::string_view to_string(Kind kind) {
    switch (kind) {
        case Kind::Void: return "VOID";
#define BTF_KIND(name, value, text) \
    case Kind::name: return text;
#include "btf/kinds.def"
#undef BTF_KIND
    }
    return "UNKNOWN";
}

std::string_view Type::name() const {
    return btf_->string(word(0));
}

bool Type::is_modifier() const {
    switch (kind()) {
        case Kind::Typedef:
        case Kind::Volatile:
        case Kind::Const:
        case Kind::Restrict:
        case Kind::TypeTag: return true;
        default: return false;
    }
}

Integer Type::integer() const {
    const uint32_t data = word(3);
    const uint32_t encoding = data >> 24;
    return {.offset = (data >> 16) & 0xff,
            .bits = data & 0xff,
            .is_signed = (encoding & 1) != 0,
            .is_char = (encoding & 2) != 0,
            .is_bool = (encoding & 4) != 0};
}

Member Type::member(uint32_t i) const {
    const uint32_t at = 3 + 3 * i;
    const uint32_t offset = word(at + 2);
    return {.name = btf_->string(word(at)),
            .type = word(at + 1),
            .bit_offset = flag() ? offset & 0xffffff : offset,
            .bitfield_size = flag() ? offset >> 24 : 0};
}

Enumerator Type::enumerator(uint32_t i) const {
    if (kind() == Kind::Enum64) {
        const uint32_t at = 3 + 3 * i;
        return {btf_->string(word(at)), uint64_t{word(at + 2)} << 32 | word(at + 1)};
    }
    const uint32_t at = 3 + 2 * i;
    const uint32_t value = word(at + 1);
    return {btf_->string(word(at)), is_signed() ? uint64_t(int64_t{int32_t(value)}) : value};
}

Param Type::param(uint32_t i) const {
    return {btf_->string(word(3 + 2 * i)), word(4 + 2 * i)};
}

SectionVar Type::variable(uint32_t i) const {
    return {word(3 + 3 * i), word(4 + 3 * i), word(5 + 3 * i)};
}

}  // namespace skep::btf
