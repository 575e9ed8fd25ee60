// SPDX-License-Identifier: Apache-2.0
#include "btf/writer.hpp"

#include <algorithm>

namespace skep::btf {

uint32_t Writer::add_string(std::string_view text) {
    if (text.empty()) return 0;
    const auto [entry, added] = offsets_.try_emplace(std::string(text), uint32_t(strings_.size()));
    if (added) {
        append(strings_, bytes_of(text));
        strings_.push_back(0);
    }
    return entry->second;
}

uint32_t Writer::begin(Kind kind, std::string_view name, uint32_t count, bool flag,
                       uint32_t value) {
    word(add_string(name));
    word(uint32_t{flag} << 31 | uint32_t(kind) << 24 | count);
    word(value);
    return ++count_;
}

uint32_t Writer::add_int(std::string_view name, uint32_t bytes, Encoding encoding) {
    const uint32_t id = begin(Kind::Int, name, 0, false, bytes);
    word(uint32_t(encoding) << 24 | 8 * bytes);
    return id;
}

uint32_t Writer::add_float(std::string_view name, uint32_t bytes) {
    return begin(Kind::Float, name, 0, false, bytes);
}

uint32_t Writer::add_ref(Kind kind, uint32_t type, std::string_view name) {
    return begin(kind, name, 0, false, type);
}

uint32_t Writer::add_array(uint32_t element, uint32_t index, uint32_t count) {
    const uint32_t id = begin(Kind::Array, {}, 0, false, 0);
    word(element);
    word(index);
    word(count);
    return id;
}

uint32_t Writer::add_composite(Kind kind, std::string_view name, uint32_t bytes,
                               std::span<const NewMember> members) {
    const bool bitfields =
        std::ranges::any_of(members, [](const NewMember& m) { return m.bitfield_size != 0; });
    const uint32_t id = begin(kind, name, uint32_t(members.size()), bitfields, bytes);
    for (const NewMember& member : members) {
        word(add_string(member.name));
        word(member.type);
        word(bitfields ? member.bitfield_size << 24 | member.bit_offset : member.bit_offset);
    }
    return id;
}

uint32_t Writer::add_struct(std::string_view name, uint32_t bytes,
                            std::span<const NewMember> members) {
    return add_composite(Kind::Struct, name, bytes, members);
}

uint32_t Writer::add_union(std::string_view name, uint32_t bytes,
                           std::initializer_list<NewMember> members) {
    return add_composite(Kind::Union, name, bytes, std::span(members.begin(), members.size()));
}

uint32_t Writer::add_enum(std::string_view name, uint32_t bytes, bool is_signed,
                          std::initializer_list<NewEnumerator> enumerators) {
    const bool wide = bytes == 8;
    const uint32_t id = begin(wide ? Kind::Enum64 : Kind::Enum, name, uint32_t(enumerators.size()),
                              is_signed, bytes);
    for (const NewEnumerator& enumerator : enumerators) {
        word(add_string(enumerator.name));
        word(uint32_t(enumerator.value));
        if (wide) word(uint32_t(uint64_t(enumerator.value) >> 32));
    }
    return id;
}

uint32_t Writer::add_fwd(std::string_view name, bool is_union) {
    return begin(Kind::Fwd, name, 0, is_union, 0);
}

uint32_t Writer::add_func_proto(uint32_t returned, std::initializer_list<NewParam> params) {
    const uint32_t id = begin(Kind::FuncProto, {}, uint32_t(params.size()), false, returned);
    for (const NewParam& param : params) {
        word(add_string(param.name));
        word(param.type);
    }
    return id;
}

uint32_t Writer::add_func(std::string_view name, uint32_t proto, Linkage linkage) {
    return begin(Kind::Func, name, uint32_t(linkage), false, proto);
}

uint32_t Writer::add_var(std::string_view name, uint32_t type, Linkage linkage) {
    const uint32_t id = begin(Kind::Var, name, 0, false, type);
    word(uint32_t(linkage));
    return id;
}

uint32_t Writer::add_datasec(std::string_view name, uint32_t bytes,
                             std::span<const SectionVar> variables) {
    const uint32_t id = begin(Kind::Datasec, name, uint32_t(variables.size()), false, bytes);
    for (const SectionVar& variable : variables) {
        word(variable.type);
        word(variable.offset);
        word(variable.size);
    }
    return id;
}

uint32_t Writer::add_decl_tag(std::string_view name, uint32_t type, int32_t component) {
    const uint32_t id = begin(Kind::DeclTag, name, 0, false, type);
    word(uint32_t(component));
    return id;
}

Bytes Writer::finish() const {
    Bytes out;
    append(out, uint32_t{0x0001eb9f});  // magic, version 1, no flags
    append(out, uint32_t{24});          // header
    append(out, uint32_t{0});
    append(out, uint32_t(types_.size()));
    append(out, uint32_t(types_.size()));
    append(out, uint32_t(strings_.size()));
    append(out, ByteView(types_));
    append(out, ByteView(strings_));
    return out;
}

}  // namespace skep::btf
