// SPDX-License-Identifier: Apache-2.0
#include "btf/core_spec.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "btf/declare.hpp"

namespace skep::btf {

namespace {

constexpr size_t kMaxPath = 64;  // BPF_CORE_SPEC_MAX_LEN

/// Moves the spec by `index` elements of `type`.
Result<void> advance(CoreSpec& spec, uint32_t type, uint32_t index) {
    const auto size = spec.btf->size_of(type);
    if (!size) return malformed("a type on the path has no size");
    const uint64_t bytes = uint64_t{*size} * index;
    if (bytes > UINT32_MAX) return malformed("index {} leads out of any object", index);
    spec.bit_offset += 8 * bytes;
    return {};
}

/// Whether the array that `steps` lead to is the last, sizeless member of its struct.
bool is_flexible(const CoreSpec& spec, const Array& array) {
    if (array.count != 0 || spec.steps.empty() || spec.steps.back().name.empty()) return false;
    const CoreStep& member = spec.steps.back();
    return member.index + 1 == spec.btf->type(member.type).count();
}

Result<std::vector<uint32_t>> parse_path(std::string_view text) {
    std::vector<uint32_t> path;
    for (const std::string_view piece : split(text, ':')) {
        const auto index = parse_uint(piece);
        if (!index || *index > INT32_MAX || path.size() == kMaxPath)
            return malformed("'{}' is no access path", printable(text));
        path.push_back(uint32_t(*index));
    }
    return path;
}

Result<void> parse_field_path(CoreSpec& spec, std::span<const uint32_t> path) {
    const Btf& btf = *spec.btf;
    uint32_t id = btf.resolve(spec.root).id();
    spec.steps.push_back({id, path[0], {}});
    SKEP_TRY(advance(spec, id, path[0]));
    for (const uint32_t index : path.subspan(1)) {
        const Type type = btf.resolve(id);
        if (type.is_composite()) {
            if (index >= type.count())
                return malformed("the path asks for member {} of {}", index, type.count());
            const Member member = type.member(index);
            spec.bit_offset += member.bit_offset;
            if (!member.name.empty()) spec.steps.push_back({type.id(), index, member.name});
            id = member.type;
        } else if (type.kind() == Kind::Array) {
            const Array array = type.array();
            if (index >= array.count && !is_flexible(spec, array))
                return malformed("the path asks for element {} of {}", index, array.count);
            id = btf.resolve(array.element).id();
            spec.steps.push_back({id, index, {}});
            SKEP_TRY(advance(spec, id, index));
        } else {
            return malformed("the path goes into a {}", to_string(type.kind()));
        }
    }
    return {};
}

/// Looks for the member that `wanted` names in the local BTF among the target type's members,
/// through anonymous structs. On success the spec has moved there and the member's type is
/// returned.
class MemberMatch {
  public:
    MemberMatch(const Btf& local, const CoreStep& wanted, CoreSpec& target)
        : local_(local), member_(local.type(wanted.type).member(wanted.index)), target_(target) {}

    Result<std::optional<uint32_t>> find(uint32_t target_type, size_t depth = 0) {
        const Type type = target_.btf->resolve(target_type);
        if (!type.is_composite()) return std::nullopt;
        for (uint32_t i = 0; i < type.count(); i++) {
            if (!budget_.spend() || depth > kMaxPath)
                return malformed("the target's types nest too deeply");
            const Member candidate = type.member(i);
            if (candidate.name == member_.name) {
                if (!fields_compatible(local_, member_.type, *target_.btf, candidate.type))
                    return std::nullopt;
                target_.bit_offset += candidate.bit_offset;
                target_.steps.push_back({type.id(), i, candidate.name});
                return candidate.type;
            }
            if (!candidate.name.empty()) continue;
            target_.bit_offset += candidate.bit_offset;
            const auto inside = SKEP_TRY(find(candidate.type, depth + 1));
            if (inside) return inside;
            target_.bit_offset -= candidate.bit_offset;
        }
        return std::nullopt;
    }

  private:
    const Btf& local_;
    Member member_;
    CoreSpec& target_;
    CoreBudget budget_;
};

Result<bool> match_field(const CoreSpec& local, CoreSpec& target) {
    uint32_t id = target.root;
    for (size_t i = 0; i < local.steps.size(); i++) {
        const CoreStep& step = local.steps[i];
        if (!step.name.empty()) {
            const auto member = SKEP_TRY(MemberMatch(*local.btf, step, target).find(id));
            if (!member) return false;
            id = *member;
            continue;
        }
        id = target.btf->resolve(id).id();
        if (i > 0) {  // the first index counts roots; later ones elements
            const Type type = target.btf->type(id);
            if (type.kind() != Kind::Array) return false;
            const Array array = type.array();
            if (step.index >= array.count && !is_flexible(target, array)) return false;
            id = target.btf->resolve(array.element).id();
        }
        target.steps.push_back({id, step.index, {}});
        SKEP_TRY(advance(target, id, step.index));
    }
    return true;
}

bool match_enumerator(const CoreSpec& local, CoreSpec& target) {
    const Type type = target.btf->resolve(target.root);
    if (!type.is_enum()) return false;
    const std::string_view wanted = essential_name(local.steps[0].name);
    for (uint32_t i = 0; i < type.count(); i++) {
        const std::string_view name = type.enumerator(i).name;
        if (essential_name(name) != wanted) continue;
        target.steps.push_back({type.id(), i, name});
        return true;
    }
    return false;
}

}  // namespace

CoreSubject subject_of(CoreKind kind) {
    switch (kind) {
#define CORE_KIND(name, value, text, about) \
    case CoreKind::name: return CoreSubject::about;
#include "btf/core_kinds.def"
#undef CORE_KIND
    }
    return CoreSubject::Type;
}

Result<CoreSpec> parse_spec(const Btf& local, const CoreRelo& relo) {
    CoreSpec spec{&local, relo.type, {}, 0};
    if (relo.type == 0 || relo.type >= local.type_count())
        return malformed("type {} does not exist", relo.type);
    const std::vector<uint32_t> path = SKEP_TRY(parse_path(local.string(relo.access)));
    switch (subject_of(relo.kind)) {
        case CoreSubject::Type:
            if (path != std::vector<uint32_t>{0}) return malformed("a type has no access path");
            return spec;
        case CoreSubject::Enumerator: {
            const Type type = local.resolve(relo.type);
            if (!type.is_enum() || path.size() != 1 || path[0] >= type.count())
                return malformed("the path names no enumerator");
            spec.steps.push_back({type.id(), path[0], type.enumerator(path[0]).name});
            return spec;
        }
        case CoreSubject::Field: SKEP_TRY(parse_field_path(spec, path)); return spec;
    }
    return spec;
}

Result<std::optional<CoreSpec>> match_spec(const CoreSpec& local, CoreKind kind, const Btf& target,
                                           uint32_t target_type) {
    CoreSpec spec{&target, target_type, {}, 0};
    bool found = false;
    switch (subject_of(kind)) {
        case CoreSubject::Type:
            found = SKEP_TRY(kind == CoreKind::TypeMatches
                                 ? types_match(*local.btf, local.root, target, target_type)
                                 : types_compatible(*local.btf, local.root, target, target_type));
            break;
        case CoreSubject::Enumerator: found = match_enumerator(local, spec); break;
        case CoreSubject::Field: found = SKEP_TRY(match_field(local, spec)); break;
    }
    if (!found) return std::nullopt;
    return spec;
}

std::string to_string(const CoreSpec& spec, CoreKind kind) {
    std::string text = c_type(*spec.btf, spec.root);
    if (subject_of(kind) == CoreSubject::Enumerator)
        return fmt::format("{}::{}", text, printable(spec.steps[0].name));
    for (size_t i = 0; i < spec.steps.size(); i++) {
        const CoreStep& step = spec.steps[i];
        if (!step.name.empty())
            text += fmt::format(".{}", printable(step.name));
        else if (i > 0 || step.index > 0)
            text += fmt::format("[{}]", step.index);
    }
    return text;
}

}  // namespace skep::btf
