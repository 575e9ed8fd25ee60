// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

// One BTF type, as a view into the Btf that holds it: two pointers and an id, copied freely, valid
// as long as that Btf. What an accessor means depends on the kind; each says for which kinds it may
// be called. Layout of the records: Documentation/bpf/btf.rst, Linux 6.12.
//
//     for (const btf::Member member : type.members())
//         fmt::print("{} at bit {}\n", member.name, member.bit_offset);

namespace skep::btf {

class Btf;

enum class Kind : uint8_t {
    Void = 0,
#define BTF_KIND(name, value, text) name = value,
#include "btf/kinds.def"
#undef BTF_KIND
};
inline constexpr uint32_t kKindCount = 20;

/// "INT", "STRUCT", ...; "VOID" for id 0.
std::string_view to_string(Kind kind);

enum class Linkage : uint8_t { Static = 0, Global = 1, Extern = 2 };

struct Integer {
    uint32_t offset;  ///< bits; nonzero only in bitfields of clang 7 and before
    uint32_t bits;
    bool is_signed;
    bool is_char;
    bool is_bool;
};

struct Array {
    uint32_t element;  ///< type id
    uint32_t index;    ///< type id of the index
    uint32_t count;    ///< 0 for a flexible array
};

struct Member {
    std::string_view name;  ///< empty for an anonymous struct or union
    uint32_t type;
    uint32_t bit_offset;     ///< from the start of the struct
    uint32_t bitfield_size;  ///< bits; 0 where the member is not a bitfield
};

struct Enumerator {
    std::string_view name;
    uint64_t value;  ///< sign-extended where Type::is_signed(), else zero-extended
};

struct Param {
    std::string_view name;
    uint32_t type;  ///< 0 in last place: "..."
};

struct SectionVar {
    uint32_t type;  ///< a VAR, or a FUNC in ".ksyms"
    uint32_t offset;
    uint32_t size;
};

class Type {
  public:
    Type(const Btf* btf, const uint8_t* record, uint32_t id)
        : btf_(btf), record_(record), id_(id) {}

    uint32_t id() const { return id_; }
    Kind kind() const { return Kind((word(1) >> 24) & 0x7f); }
    std::string_view name() const;
    uint32_t name_offset() const { return word(0); }
    bool flag() const { return word(1) >> 31; }
    /// Members, enumerators, parameters or variables (vlen).
    uint32_t count() const { return word(1) & 0xffffff; }

    bool is_composite() const { return kind() == Kind::Struct || kind() == Kind::Union; }
    bool is_enum() const { return kind() == Kind::Enum || kind() == Kind::Enum64; }
    /// Typedef, const, volatile, restrict, type tag: the same bytes by another name.
    bool is_modifier() const;

    /// Bytes, as declared (Int, Float, Enum, Enum64, Struct, Union, Datasec).
    uint32_t size() const { return word(2); }
    /// The type it refers to (Ptr, modifiers, Var, Func, FuncProto: returned, DeclTag).
    uint32_t ref() const { return word(2); }
    Linkage linkage() const { return Linkage(kind() == Kind::Var ? word(3) : count()); }
    /// What a DeclTag is on: a member or parameter, or -1 for the whole.
    int32_t component() const { return int32_t(word(3)); }
    /// Of enumerators (Enum, Enum64).
    bool is_signed() const { return flag(); }

    Integer integer() const;
    Array array() const { return {word(3), word(4), word(5)}; }

    // The i-th of count().
    Member member(uint32_t i) const;          ///< Struct, Union
    Enumerator enumerator(uint32_t i) const;  ///< Enum, Enum64
    Param param(uint32_t i) const;            ///< FuncProto
    SectionVar variable(uint32_t i) const;    ///< Datasec

    template <typename Item, Item (Type::*get)(uint32_t) const>
    class Items;
    using Members = Items<Member, &Type::member>;
    using Enumerators = Items<Enumerator, &Type::enumerator>;
    using Params = Items<Param, &Type::param>;
    using Variables = Items<SectionVar, &Type::variable>;
    Members members() const;
    Enumerators enumerators() const;
    Params params() const;
    Variables variables() const;

  private:
    friend class Btf;
    uint32_t word(uint32_t i) const {
        uint32_t value;
        std::memcpy(&value, record_ + size_t{4} * i, sizeof(value));
        return value;
    }

    const Btf* btf_;
    const uint8_t* record_;
    uint32_t id_;
};

/// A range over get(0) .. get(count() - 1), for `for`.
template <typename Item, Item (Type::*get)(uint32_t) const>
class Type::Items {
  public:
    explicit Items(const Type& type) : type_(type) {}
    struct Iterator {
        const Type* type;
        uint32_t i;
        Item operator*() const { return (type->*get)(i); }
        Iterator& operator++() {
            i++;
            return *this;
        }
        bool operator!=(const Iterator& other) const { return i != other.i; }
    };
    Iterator begin() const { return {&type_, 0}; }
    Iterator end() const { return {&type_, type_.count()}; }

  private:
    Type type_;
};

inline Type::Members Type::members() const {
    return Members(*this);
}
inline Type::Enumerators Type::enumerators() const {
    return Enumerators(*this);
}
inline Type::Params Type::params() const {
    return Params(*this);
}
inline Type::Variables Type::variables() const {
    return Variables(*this);
}

}  // namespace skep::btf
