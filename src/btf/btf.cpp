// SPDX-License-Identifier: Apache-2.0
#include "btf/btf.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

namespace skep::btf {

namespace {

constexpr uint16_t kMagic = 0xeb9f;
constexpr uint32_t kRecordSize = 12;  // struct btf_type

struct Header {
    uint16_t magic;
    uint8_t version;
    uint8_t flags;
    uint32_t header_size;
    uint32_t type_offset;  // this and the following from the end of the header
    uint32_t type_size;
    uint32_t string_offset;
    uint32_t string_size;
};

/// Bytes that follow the common record, for `count` members, parameters, ...; nothing for a kind
/// that we do not know.
std::optional<uint64_t> trailer_size(Kind kind, uint64_t count) {
    switch (kind) {
        case Kind::Int:
        case Kind::Var:
        case Kind::DeclTag: return 4;
        case Kind::Array: return 12;
        case Kind::Struct:
        case Kind::Union:
        case Kind::Enum64:
        case Kind::Datasec: return 12 * count;
        case Kind::Enum:
        case Kind::FuncProto: return 8 * count;
        case Kind::Ptr:
        case Kind::Fwd:
        case Kind::Typedef:
        case Kind::Volatile:
        case Kind::Const:
        case Kind::Restrict:
        case Kind::Func:
        case Kind::Float:
        case Kind::TypeTag: return 0;
        case Kind::Void: break;
    }
    return std::nullopt;
}

/// FUNCs should be among them, but gcc 12 leaves the clones that it makes without a name.
bool needs_name(Kind kind) {
    switch (kind) {
        case Kind::Fwd:
        case Kind::Typedef:
        case Kind::Var:
        case Kind::Datasec:
        case Kind::DeclTag:
        case Kind::TypeTag: return true;
        default: return false;
    }
}

/// How a message names a type: "[7] STRUCT 'task_struct'".
std::string label(const Type& type) {
    if (type.name().empty()) return fmt::format("[{}] {}", type.id(), to_string(type.kind()));
    return fmt::format("[{}] {} '{}'", type.id(), to_string(type.kind()), printable(type.name()));
}

}  // namespace

Result<std::shared_ptr<const Btf>> Btf::parse(Bytes bytes, std::shared_ptr<const Btf> base) {
    std::shared_ptr<Btf> btf(new Btf);
    btf->bytes_ = std::move(bytes);
    if (base) {
        btf->first_id_ = base->type_count();
        btf->first_string_ = base->string_bytes();
        btf->base_ = std::move(base);
    }
    SKEP_TRY(btf->read_header());
    SKEP_TRY(btf->scan_types());
    for (uint32_t id = btf->first_id_; id < btf->type_count(); id++)
        SKEP_TRY(btf->check_references(btf->type(id)));
    SKEP_TRY(btf->lay_out_all());
    btf->index_names();
    return btf;
}

Result<std::shared_ptr<const Btf>> Btf::load(const std::string& path,
                                             std::shared_ptr<const Btf> base) {
    auto btf = parse(SKEP_TRY(read_file(path)), std::move(base));
    if (!btf) return std::unexpected(std::move(btf.error()).in(path));
    return btf;
}

Result<void> Btf::read_header() {
    const auto header = skep::load<Header>(bytes_, 0);
    if (!header) return malformed("BTF of {} bytes is too short for its header", bytes_.size());
    if (header->magic == uint16_t(kMagic << 8 | kMagic >> 8))
        return malformed("BTF is big-endian; only little-endian is read");
    if (header->magic != kMagic)
        return malformed("not BTF: magic 0x{:04x}, expected 0x{:04x}", header->magic, kMagic);
    if (header->version != 1) return malformed("BTF version {} is not known", header->version);
    if (header->header_size < sizeof(Header) || header->header_size > bytes_.size())
        return malformed("BTF header of {} bytes in a file of {}", header->header_size,
                         bytes_.size());

    const ByteView body = ByteView(bytes_).subspan(header->header_size);
    const auto types = slice(body, header->type_offset, header->type_size);
    const auto strings = slice(body, header->string_offset, header->string_size);
    if (!types || !strings)
        return malformed("BTF sections lie outside its {} bytes", bytes_.size());
    if (header->type_offset % 4 != 0) return malformed("BTF type section is not aligned");
    if (strings->empty() && !base_) return malformed("BTF has no string section");
    if (!strings->empty() && strings->back() != 0)
        return malformed("BTF string section does not end with NUL");
    if (!base_ && strings->front() != 0)
        return malformed("BTF string section does not start with an empty string");
    types_ = *types;
    strings_ = *strings;
    return {};
}

/// Finds where each record starts and checks what can be checked on it alone.
Result<void> Btf::scan_types() {
    records_.reserve(types_.size() / 20);  // what a record takes on average in vmlinux
    for (size_t at = 0; at < types_.size();) {
        const auto id = uint32_t(first_id_ + records_.size());
        if (types_.size() - at < kRecordSize) return malformed("BTF type [{}] is truncated", id);
        const Type type(this, types_.data() + at, id);
        const auto trailer = trailer_size(type.kind(), type.count());
        if (!trailer)
            return malformed("BTF type [{}] is of unknown kind {}", id, uint32_t(type.kind()));
        if (types_.size() - at - kRecordSize < *trailer)
            return malformed("BTF type [{}] {} is truncated", id, to_string(type.kind()));
        SKEP_TRY(check_record(type));
        records_.push_back(uint32_t(at));
        at += kRecordSize + *trailer;
    }
    return {};
}

Result<void> Btf::check_record(const Type& type) const {
    const uint32_t names_end = string_bytes();
    const auto bad_name = [&](uint32_t i) {
        return malformed("BTF type [{}] {}: name {} lies outside the strings", type.id(),
                         to_string(type.kind()), i);
    };
    if (type.name_offset() >= names_end && names_end != 0) return bad_name(0);
    if (needs_name(type.kind()) && type.name().empty())
        return malformed("BTF type [{}] {} has no name", type.id(), to_string(type.kind()));

    uint32_t stride = 0;  // words from one name to the next in the trailer
    switch (type.kind()) {
        case Kind::Int: {
            const Integer integer = type.integer();
            const uint32_t size = type.size();
            if (size == 0 || size > 16 || integer.bits == 0 ||
                integer.offset + integer.bits > 8 * size)
                return malformed("BTF type {}: {} bits from bit {} in {} bytes", label(type),
                                 integer.bits, integer.offset, size);
            return {};
        }
        case Kind::Float:
            if (type.size() < 2 || type.size() > 16)
                return malformed("BTF type {}: floating point of {} bytes", label(type),
                                 type.size());
            return {};
        case Kind::Enum:
        case Kind::Enum64:
            // "enum e;" has no enumerators, and from clang no size.
            if (type.size() > 8 || (type.count() != 0 && !std::has_single_bit(type.size())))
                return malformed("BTF type {}: enum of {} bytes", label(type), type.size());
            stride = type.kind() == Kind::Enum ? 2 : 3;
            break;
        case Kind::FuncProto: stride = 2; break;
        case Kind::Struct:
        case Kind::Union: stride = 3; break;
        default: return {};
    }
    for (uint32_t i = 0; i < type.count(); i++)
        if (type.word(3 + stride * i) >= names_end) return bad_name(i + 1);
    return {};
}

/// Checks that `id` exists and is something that a value can have as its type.
Result<void> Btf::check_reference(const Type& from, uint32_t id) const {
    if (id >= type_count())
        return malformed("BTF type {} refers to type {}, which does not exist", label(from), id);
    switch (type(id).kind()) {
        case Kind::Func:
        case Kind::Var:
        case Kind::Datasec:
        case Kind::DeclTag:
            return malformed("BTF type {} refers to {}, which is no type of a value", label(from),
                             label(type(id)));
        default: return {};
    }
}

Result<void> Btf::check_references(const Type& from) const {
    switch (from.kind()) {
        case Kind::Ptr:
        case Kind::Typedef:
        case Kind::Volatile:
        case Kind::Const:
        case Kind::Restrict:
        case Kind::TypeTag:
        case Kind::Var: return check_reference(from, from.ref());
        case Kind::Array:
            SKEP_TRY(check_reference(from, from.array().element));
            return check_reference(from, from.array().index);
        case Kind::Struct:
        case Kind::Union:
            for (const Member member : from.members()) SKEP_TRY(check_reference(from, member.type));
            return {};
        case Kind::FuncProto:
            SKEP_TRY(check_reference(from, from.ref()));
            for (const Param param : from.params()) SKEP_TRY(check_reference(from, param.type));
            return {};
        case Kind::Func:
            if (from.ref() >= type_count() || type(from.ref()).kind() != Kind::FuncProto)
                return malformed("BTF type {} has no prototype", label(from));
            return {};
        case Kind::Datasec:
            for (const SectionVar variable : from.variables()) {
                const Kind kind = type(variable.type).kind();
                if (kind != Kind::Var && kind != Kind::Func)
                    return malformed("BTF type {} holds type {}, which is no variable", label(from),
                                     variable.type);
            }
            return {};
        case Kind::DeclTag:
            if (from.ref() == 0 || from.ref() >= type_count())
                return malformed("BTF type {} tags type {}, which does not exist", label(from),
                                 from.ref());
            return {};
        default: return {};
    }
}

}  // namespace skep::btf
