// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "btf/type.hpp"

// Builds BTF: types in, bytes out. Each add_*() returns the new type's id; ids count up from 1, so
// a type may refer to one that comes later through next_id().
//
//     btf::Writer writer;
//     uint32_t u32 = writer.add_int("unsigned int", 4);
//     writer.add_struct("pair", 8, {{"a", u32, 0}, {"b", u32, 32}});
//     auto types = btf::Btf::parse(writer.finish());
//
// The writer checks nothing: Btf::parse() does. Not thread-safe.

namespace skep::btf {

class Writer {
  public:
    enum class Encoding : uint8_t { Unsigned = 0, Signed = 1, Char = 2, Bool = 4 };

    struct NewMember {
        std::string_view name;
        uint32_t type;
        uint32_t bit_offset;
        uint32_t bitfield_size = 0;
    };
    struct NewEnumerator {
        std::string_view name;
        int64_t value;
    };
    struct NewParam {
        std::string_view name;
        uint32_t type;
    };

    uint32_t next_id() const { return count_ + 1; }

    uint32_t add_int(std::string_view name, uint32_t bytes, Encoding encoding = Encoding::Unsigned);
    uint32_t add_float(std::string_view name, uint32_t bytes);
    uint32_t add_ptr(uint32_t type) { return add_ref(Kind::Ptr, type); }
    /// Const, Volatile, Restrict, Typedef, TypeTag (the latter two with a name).
    uint32_t add_ref(Kind kind, uint32_t type, std::string_view name = {});
    uint32_t add_array(uint32_t element, uint32_t index, uint32_t count);
    uint32_t add_struct(std::string_view name, uint32_t bytes, std::span<const NewMember> members);
    uint32_t add_struct(std::string_view name, uint32_t bytes,
                        std::initializer_list<NewMember> members) {
        return add_struct(name, bytes, std::span(members.begin(), members.size()));
    }
    uint32_t add_union(std::string_view name, uint32_t bytes,
                       std::initializer_list<NewMember> members);
    /// Of 8 bytes: an ENUM64.
    uint32_t add_enum(std::string_view name, uint32_t bytes, bool is_signed,
                      std::initializer_list<NewEnumerator> enumerators);
    uint32_t add_fwd(std::string_view name, bool is_union = false);
    uint32_t add_func_proto(uint32_t returned, std::initializer_list<NewParam> params);
    uint32_t add_func(std::string_view name, uint32_t proto, Linkage linkage);
    uint32_t add_var(std::string_view name, uint32_t type, Linkage linkage);
    uint32_t add_datasec(std::string_view name, uint32_t bytes,
                         std::span<const SectionVar> variables);
    uint32_t add_datasec(std::string_view name, uint32_t bytes,
                         std::initializer_list<SectionVar> variables) {
        return add_datasec(name, bytes, std::span(variables.begin(), variables.size()));
    }
    uint32_t add_decl_tag(std::string_view name, uint32_t type, int32_t component = -1);

    /// The offset of `text` in the string section, for records of .BTF.ext.
    uint32_t add_string(std::string_view text);

    /// The whole BTF: header, types, strings.
    Bytes finish() const;

  private:
    uint32_t add_composite(Kind kind, std::string_view name, uint32_t bytes,
                           std::span<const NewMember> members);
    /// Appends the common record; `value` is its size or type.
    uint32_t begin(Kind kind, std::string_view name, uint32_t count, bool flag, uint32_t value);
    void word(uint32_t value) { append(types_, value); }

    Bytes types_;
    Bytes strings_ = {0};
    std::unordered_map<std::string, uint32_t> offsets_;
    uint32_t count_ = 0;
};

}  // namespace skep::btf
