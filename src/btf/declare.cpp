// SPDX-License-Identifier: Apache-2.0
#include "btf/declare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace skep::btf {

namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kNameBudget = 4096;

std::string spell_plain(const Type& type) {
    const auto tagged = [&](const char* keyword) {
        if (type.name().empty()) return fmt::format("{} {{...}}", keyword);
        return fmt::format("{} {}", keyword, c_identifier(type.name()));
    };
    switch (type.kind()) {
        case Kind::Void: return "void";
        case Kind::Int:
        case Kind::Float: return c_number_type(type);
        case Kind::Struct: return tagged("struct");
        case Kind::Union: return tagged("union");
        case Kind::Enum:
        case Kind::Enum64: return tagged("enum");
        case Kind::Fwd: return tagged(type.flag() ? "union" : "struct");
        default: return c_identifier(type.name());
    }
}

bool is_identifier_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

std::string c_identifier(std::string_view name) {
    std::string text(name);
    std::ranges::replace_if(text, [](char c) { return !is_identifier_char(c); }, '_');
    if (!text.empty() && text[0] >= '0' && text[0] <= '9') text.insert(0, 1, '_');
    return text;
}

std::string c_number_type(const Type& type) {
    static constexpr std::array<std::string_view, 10> kKeywords = {
        "char",     "short", "int",      "long",  "signed",
        "unsigned", "_Bool", "__int128", "float", "double"};
    const auto words = split(type.name(), ' ');
    if (std::ranges::all_of(words, [](std::string_view word) {
            return std::ranges::find(kKeywords, word) != kKeywords.end();
        }))
        return std::string(type.name());

    const uint32_t size = type.size();
    if (type.kind() == Kind::Float)
        return size <= 2 ? "_Float16" : size <= 4 ? "float" : size <= 8 ? "double" : "long double";
    const Integer integer = type.integer();
    if (integer.is_bool && size == 1) return "_Bool";
    const char* sized = size <= 1   ? "char"
                        : size <= 2 ? "short"
                        : size <= 4 ? "int"
                        : size <= 8 ? "long"
                                    : "__int128";
    return fmt::format("{} {}", integer.is_signed ? "signed" : "unsigned", sized);
}

std::string c_type(const Btf& btf, uint32_t type) {
    return c_declaration(btf, type, {});
}

std::string c_declaration(const Btf& btf, uint32_t type, std::string_view name) {
    return Declarator(btf, spell_plain, kNameBudget).declare(type, c_identifier(name));
}

/// Walks from the name outwards: `declarator` is what has been spelled around the name so far,
/// `qualifiers` and `tags` what applies to the next thing inwards.
std::string Declarator::declare(uint32_t id, std::string declarator) {
    std::string qualifiers, tags;
    for (int steps = 0;; steps++) {
        const size_t cost = 1 + declarator.size();
        budget_ -= std::min(budget_, cost);
        if (budget_ == 0 || steps > kMaxDepth || depth_ > kMaxDepth) {
            budget_ = 0;
            return "void /* ... */ " + declarator;
        }
        const Type type = btf_.type(id);
        // A pointer to an array or a function binds looser than its brackets.
        const auto grouped = [&] {
            return declarator.starts_with('*') ? "(" + declarator + ")" : declarator;
        };
        const auto qualify = [&](const char* word) {
            if (qualifiers.find(word) == std::string::npos) qualifiers += word;
        };
        switch (type.kind()) {
            case Kind::Const: qualify("const "); break;
            case Kind::Volatile: qualify("volatile "); break;
            case Kind::Restrict: qualify("restrict "); break;
            case Kind::TypeTag:
                tags += fmt::format("__attribute__((btf_type_tag(\"{}\"))) ",
                                    c_identifier(type.name()));
                break;
            case Kind::Ptr:
                declarator = "*" + tags + qualifiers + declarator;
                while (declarator.ends_with(' ')) declarator.pop_back();
                tags.clear();
                qualifiers.clear();
                break;
            case Kind::Array:
                declarator = fmt::format("{}[{}]", grouped(), type.array().count);
                id = type.array().element;
                continue;
            case Kind::FuncProto:
                declarator = grouped() + parameters(type);
                qualifiers.clear();
                break;
            default: {
                std::string text = qualifiers + spell_base_(type);
                budget_ -= std::min(budget_, text.size());
                if (!tags.empty()) text += " " + tags.substr(0, tags.size() - 1);
                if (declarator.empty()) return text;
                return text + (declarator.starts_with('[') ? "" : " ") + declarator;
            }
        }
        id = type.ref();
    }
}

std::string Declarator::parameters(const Type& proto) {
    if (proto.count() == 0) return "(void)";
    std::string text = "(";
    depth_++;
    for (uint32_t i = 0; i < proto.count(); i++) {
        const Param param = proto.param(i);
        if (i > 0) text += ", ";
        if (param.type == 0 && i + 1 == proto.count())
            text += "...";
        else
            text += declare(param.type, c_identifier(param.name));
        if (exhausted()) break;
    }
    depth_--;
    return text + ")";
}

}  // namespace skep::btf
