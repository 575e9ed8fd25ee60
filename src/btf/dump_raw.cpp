// SPDX-License-Identifier: Apache-2.0
#include "btf/dump_raw.hpp"

#include <fmt/format.h>

#include <iterator>

#include "base/text.hpp"

namespace skep::btf {

namespace {

std::string quoted(std::string_view name) {
    return fmt::format("'{}'", name.empty() ? "(anon)" : printable(name));
}

std::string_view to_string(Linkage linkage) {
    switch (linkage) {
        case Linkage::Static: return "static";
        case Linkage::Global: return "global";
        case Linkage::Extern: return "extern";
    }
    return "(unknown)";
}

std::string_view encoding_of(const Integer& integer) {
    if (integer.is_signed + integer.is_char + integer.is_bool > 1) return "UNKN";
    return integer.is_signed ? "SIGNED"
           : integer.is_char ? "CHAR"
           : integer.is_bool ? "BOOL"
                             : "(none)";
}

void dump_enum(const Type& type, std::back_insert_iterator<std::string> out) {
    const bool wide = type.kind() == Kind::Enum64;
    fmt::format_to(out, " encoding={} size={} vlen={}", type.is_signed() ? "SIGNED" : "UNSIGNED",
                   type.size(), type.count());
    for (const Enumerator enumerator : type.enumerators()) {
        fmt::format_to(out, "\n\t{} val=", quoted(enumerator.name));
        if (type.is_signed())
            fmt::format_to(out, "{}{}", int64_t(enumerator.value), wide ? "LL" : "");
        else
            fmt::format_to(out, "{}{}", enumerator.value, wide ? "ULL" : "");
    }
}

void dump_datasec(const Btf& btf, const Type& type, std::back_insert_iterator<std::string> out) {
    fmt::format_to(out, " size={} vlen={}", type.size(), type.count());
    for (const SectionVar variable : type.variables()) {
        const Type what = btf.type(variable.type);
        fmt::format_to(out, "\n\ttype_id={} offset={} size={} ({} {})", variable.type,
                       variable.offset, variable.size, to_string(what.kind()), quoted(what.name()));
    }
}

}  // namespace

std::string dump_raw(const Btf& btf, const Type& type) {
    std::string text =
        fmt::format("[{}] {} {}", type.id(), to_string(type.kind()), quoted(type.name()));
    const auto out = std::back_inserter(text);
    switch (type.kind()) {
        case Kind::Int: {
            const Integer integer = type.integer();
            fmt::format_to(out, " size={} bits_offset={} nr_bits={} encoding={}", type.size(),
                           integer.offset, integer.bits, encoding_of(integer));
            break;
        }
        case Kind::Array: {
            const Array array = type.array();
            fmt::format_to(out, " type_id={} index_type_id={} nr_elems={}", array.element,
                           array.index, array.count);
            break;
        }
        case Kind::Struct:
        case Kind::Union:
            fmt::format_to(out, " size={} vlen={}", type.size(), type.count());
            for (const Member member : type.members()) {
                fmt::format_to(out, "\n\t{} type_id={} bits_offset={}", quoted(member.name),
                               member.type, member.bit_offset);
                if (member.bitfield_size != 0)
                    fmt::format_to(out, " bitfield_size={}", member.bitfield_size);
            }
            break;
        case Kind::Enum:
        case Kind::Enum64: dump_enum(type, out); break;
        case Kind::Fwd:
            fmt::format_to(out, " fwd_kind={}", type.flag() ? "union" : "struct");
            break;
        case Kind::Func:
            fmt::format_to(out, " type_id={} linkage={}", type.ref(), to_string(type.linkage()));
            break;
        case Kind::FuncProto:
            fmt::format_to(out, " ret_type_id={} vlen={}", type.ref(), type.count());
            for (const Param param : type.params())
                fmt::format_to(out, "\n\t{} type_id={}", quoted(param.name), param.type);
            break;
        case Kind::Var:
            fmt::format_to(out, " type_id={}, linkage={}", type.ref(), to_string(type.linkage()));
            break;
        case Kind::Datasec: dump_datasec(btf, type, out); break;
        case Kind::Float: fmt::format_to(out, " size={}", type.size()); break;
        case Kind::DeclTag:
            fmt::format_to(out, " type_id={} component_idx={}", type.ref(), type.component());
            break;
        default: fmt::format_to(out, " type_id={}", type.ref()); break;
    }
    text += '\n';
    return text;
}

std::string dump_raw(const Btf& btf) {
    std::string text;
    for (uint32_t id = btf.first_id(); id < btf.type_count(); id++)
        text += dump_raw(btf, btf.type(id));
    return text;
}

}  // namespace skep::btf
