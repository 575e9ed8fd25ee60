// SPDX-License-Identifier: Apache-2.0
#include "btf/dump_c.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/text.hpp"
#include "btf/declare.hpp"

namespace skep::btf {

namespace {

constexpr const char* kHead = R"(#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

)";
constexpr const char* kTail = R"(#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
)";

bool is_named_composite(const Type& type) {
    return type.is_composite() && !type.name().empty();
}

/// Struct, union and enum tags share one namespace in C; typedefs and enumerators another. The
/// second and later owners of a name get a suffix.
class Namespace {
  public:
    std::string claim(std::string_view name) {
        const uint32_t uses = ++uses_[c_identifier(name)];
        return uses == 1 ? c_identifier(name) : fmt::format("{}___{}", c_identifier(name), uses);
    }

  private:
    std::unordered_map<std::string, uint32_t> uses_;
};

class Dumper {
  public:
    explicit Dumper(const Btf& btf)
        : btf_(btf),
          declarator_(
              btf, [this](const Type& type) { return spell(type); },
              (size_t{16} << 20) + 64 * btf.bytes().size()),
          nodes_(btf.type_count()) {}

    Result<std::string> run() {
        name_everything();
        out_ = kHead;
        for (uint32_t id = 1; id < btf_.type_count() && !failed(); id++) {
            const Type type = btf_.type(id);
            const bool loose_enum = type.is_enum() && type.name().empty() && type.count() != 0 &&
                                    !nodes_[id].referenced;
            if (is_named_composite(type) || type.kind() == Kind::Typedef || loose_enum ||
                (type.is_enum() && !type.name().empty()))
                define(type);
            else if (type.kind() == Kind::Fwd)
                declare(type);
        }
        if (failed())
            return malformed(
                "BTF types refer to each other so deeply that they cannot be written "
                "as C");
        out_ += kTail;
        return std::move(out_);
    }

  private:
    enum class State : uint8_t { New, Started, Done };
    struct Node {
        State state = State::New;
        bool declared = false;    ///< "struct name;" or more has been written
        bool referenced = false;  ///< by a type that is written: no need to define it on its own
        std::string name;         ///< in C, unique; of named composites, enums, typedefs, forwards
    };

    bool failed() const { return too_deep_ || written_ > kMostBytes || declarator_.exhausted(); }

    void name_everything() {
        identifiers_.claim("__builtin_va_list");  // the compiler's own, of another size for BPF
        std::unordered_map<std::string, std::string> forwards;  // "struct x" -> its C name
        const auto key = [](const Type& type, bool is_union) {
            return fmt::format("{} {}", is_union ? "union" : "struct", type.name());
        };
        for (uint32_t id = 1; id < btf_.type_count(); id++) {
            const Type type = btf_.type(id);
            mark_references(type);
            if (type.name().empty()) continue;
            if (type.is_composite()) {
                nodes_[id].name = tags_.claim(type.name());
                forwards.emplace(key(type, type.kind() == Kind::Union), nodes_[id].name);
            } else if (type.is_enum()) {
                nodes_[id].name = tags_.claim(type.name());
            } else if (type.kind() == Kind::Typedef) {
                nodes_[id].name = identifiers_.claim(type.name());
            }
        }
        for (uint32_t id = 1; id < btf_.type_count(); id++) {
            const Type type = btf_.type(id);
            if (type.kind() != Kind::Fwd) continue;
            const auto [entry, added] = forwards.emplace(key(type, type.flag()), "");
            if (added) entry->second = tags_.claim(type.name());
            nodes_[id].name = entry->second;
        }
    }

    void mark_references(const Type& type) {
        if (type.is_composite())
            for (const Member member : type.members()) nodes_[member.type].referenced = true;
        else if (type.kind() == Kind::Array)
            nodes_[type.array().element].referenced = true;
        else if (type.kind() == Kind::Ptr || type.is_modifier())
            nodes_[type.ref()].referenced = true;
        else if (type.kind() == Kind::FuncProto) {
            nodes_[type.ref()].referenced = true;
            for (const Param param : type.params()) nodes_[param.type].referenced = true;
        }
    }

    /// Writes a forward declaration, if nothing of the type has been written yet.
    void declare(const Type& type) {
        Node& node = nodes_[type.id()];
        if (std::exchange(node.declared, true)) return;
        fmt::format_to(std::back_inserter(out_), "{} {};\n\n", keyword(type), node.name);
    }

    /// Writes whatever a use of the type needs to have seen: behind a pointer, a struct's name
    /// suffices.
    void require(uint32_t id, bool behind_pointer) {
        const Type type = btf_.type(id);
        if (++depth_ > kMaxDepth) too_deep_ = true;
        if (failed()) {
            depth_--;
            return;
        }
        switch (type.kind()) {
            case Kind::Ptr: require(type.ref(), true); break;
            case Kind::Const:
            case Kind::Volatile:
            case Kind::Restrict:
            case Kind::TypeTag: require(type.ref(), behind_pointer); break;
            case Kind::Array: require(type.array().element, false); break;
            case Kind::FuncProto:
                require(type.ref(), true);
                for (const Param param : type.params()) require(param.type, true);
                break;
            case Kind::Typedef:
                define(type);
                if (!behind_pointer) require(type.ref(), false);
                break;
            case Kind::Struct:
            case Kind::Union:
                if (type.name().empty())
                    require_members(type);
                else if (behind_pointer)
                    declare(type);
                else
                    define(type);
                break;
            case Kind::Enum:
            case Kind::Enum64:
                if (!type.name().empty()) define(type);
                break;
            case Kind::Fwd: declare(type); break;
            default: break;
        }
        depth_--;
    }

    void require_members(const Type& composite) {
        Node& node = nodes_[composite.id()];
        if (node.state != State::New) return;
        node.state = State::Started;
        for (const Member member : composite.members()) require(member.type, false);
        node.state = State::Done;
    }

    /// Writes the definition of a named type (or of an enum), once, after all that it needs.
    void define(const Type& type) {
        Node& node = nodes_[type.id()];
        if (node.state != State::New) return;
        std::string text;
        if (type.is_composite()) {
            require_members(type);
            text = body(type, 0);
        } else if (type.kind() == Kind::Typedef) {
            node.state = State::Started;
            require(type.ref(), true);
            text = "typedef " + declarator_.declare(type.ref(), node.name);
        } else {
            text = enum_body(type, 0);
        }
        node.state = State::Done;
        node.declared = true;
        out_ += text + ";\n\n";
    }

    static const char* keyword(const Type& type) {
        switch (type.kind()) {
            case Kind::Struct: return "struct";
            case Kind::Union: return "union";
            case Kind::Fwd: return type.flag() ? "union" : "struct";
            default: return "enum";
        }
    }

    /// What the declarator asks for: a name, or the whole of an anonymous type.
    std::string spell(const Type& type) {
        switch (type.kind()) {
            case Kind::Int:
            case Kind::Float: return c_number_type(type);
            case Kind::Typedef: return nodes_[type.id()].name;
            case Kind::Struct:
            case Kind::Union:
                if (type.name().empty()) return nested_body(type);
                break;
            case Kind::Enum:
            case Kind::Enum64:
                if (type.name().empty()) return enum_body(type, indent_);
                break;
            case Kind::Fwd: break;
            default: return "void";
        }
        return fmt::format("{} {}", keyword(type), nodes_[type.id()].name);
    }

    /// Of an anonymous type, which may lead back to itself through a function's parameters.
    std::string nested_body(const Type& type) {
        if (indent_ > int(Btf::kMaxNesting)) too_deep_ = true;
        return failed() ? std::string() : body(type, indent_);
    }

    std::string body(const Type& type, int indent);
    bool is_packed(const Type& type) const;
    static void pad(std::string& text, const std::string& tabs, uint64_t from, uint64_t to);
    std::string enum_body(const Type& type, int indent);

    static constexpr int kMaxDepth = 512;
    /// Of bodies, those inside others counted with each.
    static constexpr size_t kMostBytes = size_t{32} << 20;

    const Btf& btf_;
    Declarator declarator_;
    std::vector<Node> nodes_;
    Namespace tags_, identifiers_;
    std::string out_;
    int indent_ = 0;
    int depth_ = 0;
    bool too_deep_ = false;
    size_t written_ = 0;
};

/// Packed is what BTF does not say; align_of() infers it, and then alignment is 1 although a member
/// asks for more.
bool Dumper::is_packed(const Type& type) const {
    if (btf_.align_of(type.id()) > 1) return false;
    for (const Member member : type.members())
        if (btf_.align_of(member.type) > 1) return true;
    return false;
}

/// Fills bits from..to with unnamed bitfields, each the smallest type whose aligned unit holds it,
/// so that the compiler has no reason to move it. They do not raise the struct's alignment. A hole
/// too large to be anybody's alignment becomes an array, which takes one line.
void Dumper::pad(std::string& text, const std::string& tabs, uint64_t from, uint64_t to) {
    static constexpr struct {
        const char* name;
        uint64_t bits;
    } kUnits[] = {{"char", 8}, {"short", 16}, {"int", 32}, {"long", 64}};
    constexpr uint64_t kLargeHole = uint64_t{8} << 16;
    if (to > from && to - from > kLargeHole && from % 8 == 0 && to % 8 == 0) {
        fmt::format_to(std::back_inserter(text), "{}\tchar __hole_at_{}[{}];\n", tabs, from / 8,
                       (to - from) / 8);
        return;
    }
    if (to > from && to - from > kLargeHole) to = from + kLargeHole;
    while (from < to) {
        const uint64_t width = std::min(to - from, 64 - from % 64);
        const auto* unit = kUnits;
        while (from % unit->bits + width > unit->bits) unit++;
        fmt::format_to(std::back_inserter(text), "{}\t{}: {};\n", tabs, unit->name, width);
        from += width;
    }
}

/// Follows where a compiler would put each member (System V ABI, section 3.1.2) and pads where that
/// is not where BTF says it is.
std::string Dumper::body(const Type& type, int indent) {
    const std::string tabs(size_t(indent), '\t');
    const std::string& name = nodes_[type.id()].name;
    std::string text = keyword(type);
    if (!name.empty()) text += " " + name;
    text += " {\n";

    const bool is_struct = type.kind() == Kind::Struct;
    const bool packed = is_packed(type);
    const int outer_indent = std::exchange(indent_, indent + 1);
    uint64_t cursor = 0;
    for (const Member member : type.members()) {
        const uint64_t size = btf_.size_of(member.type).value_or(0);
        const uint64_t unit = 8 * (member.bitfield_size != 0 ? size : btf_.align_of(member.type));
        const bool stays =
            member.bitfield_size != 0 && unit != 0 && cursor % unit + member.bitfield_size <= unit;
        const uint64_t natural = packed || stays || unit == 0 ? cursor : align_up(cursor, unit);
        if (is_struct && natural != member.bit_offset) pad(text, tabs, cursor, member.bit_offset);

        text += tabs + "\t" + declarator_.declare(member.type, c_identifier(member.name));
        if (member.bitfield_size != 0) text += fmt::format(": {}", member.bitfield_size);
        text += ";\n";
        if (is_struct)
            cursor =
                member.bit_offset + (member.bitfield_size != 0 ? member.bitfield_size : 8 * size);
        if (failed()) break;
    }
    if (is_struct) {
        const uint64_t align = packed ? 1 : btf_.align_of(type.id());
        const uint64_t end = 8 * uint64_t{type.size()};
        if (align_up(cursor, 8 * align) < end) pad(text, tabs, cursor, end);
    }
    indent_ = outer_indent;
    text += tabs + "}";
    if (packed) text += " __attribute__((packed))";
    written_ += text.size();
    if (failed()) text.clear();  // nobody will see it: no need to copy it to all that it is in
    return text;
}

std::string Dumper::enum_body(const Type& type, int indent) {
    const std::string tabs(size_t(indent), '\t');
    const std::string& name = nodes_[type.id()].name;
    std::string text = "enum";
    if (!name.empty()) text += " " + name;
    if (type.count() == 0) return text;
    text += " {\n";
    const char* suffix = type.kind() == Kind::Enum ? "" : type.is_signed() ? "LL" : "ULL";
    bool wide = false;
    for (const Enumerator e : type.enumerators()) {
        const std::string value =
            type.is_signed() ? fmt::to_string(int64_t(e.value)) : fmt::to_string(e.value);
        const int64_t as_signed = int64_t(e.value);
        wide |= type.is_signed() ? as_signed != int32_t(as_signed) : e.value > UINT32_MAX;
        fmt::format_to(std::back_inserter(text), "{}\t{} = {}{},\n", tabs,
                       identifiers_.claim(e.name), value, suffix);
    }
    text += tabs + "}";
    if (type.size() == 1) text += " __attribute__((mode(byte)))";
    if (type.size() == 2) text += " __attribute__((mode(HI)))";
    if (type.size() == 8 && !wide) text += " __attribute__((mode(word)))";
    return text;
}

}  // namespace

Result<std::string> dump_c(const Btf& btf) {
    return Dumper(btf).run();
}

}  // namespace skep::btf
