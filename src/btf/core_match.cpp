// SPDX-License-Identifier: Apache-2.0
#include <unordered_set>

#include "btf/core_spec.hpp"

// When a local and a target type count as the same. Three relations, from libbpf's relo_core.c
// (Linux 6.12): fields_compatible for what a path leads to, types_compatible for "does this type
// exist", types_match for "does it have all that I know of".

namespace skep::btf {

namespace {

constexpr int kMaxDepth = 32;

bool same_name(std::string_view local, std::string_view target) {
    return essential_name(local) == essential_name(target);
}

bool plain_integers(const Type& local, const Type& target) {
    return local.integer().offset == 0 && target.integer().offset == 0;
}

/// The state of one comparison: where each side is, and how much work is left.
class Comparison {
  public:
    Comparison(const Btf& local, const Btf& target) : local_(local), target_(target) {}

    Result<bool> compatible(uint32_t local_id, uint32_t target_id, int level);
    Result<bool> match(uint32_t local_id, uint32_t target_id, bool behind_pointer, int level);

  private:
    static std::unexpected<Error> too_deep() {
        return malformed("types nest too deeply to compare");
    }
    bool enums_match(const Type& local, const Type& target);
    Result<bool> members_match(const Type& local, const Type& target, bool behind_pointer,
                               int level);

    const Btf& local_;
    const Btf& target_;
    CoreBudget budget_;
};

Result<bool> Comparison::compatible(uint32_t local_id, uint32_t target_id, int level) {
    for (int depth = 0; depth < kMaxDepth; depth++) {
        if (!budget_.spend()) return too_deep();
        const Type local = local_.resolve(local_id);
        const Type target = target_.resolve(target_id);
        if (!kinds_compatible(local.kind(), target.kind())) return false;
        switch (local.kind()) {
            case Kind::Int: return plain_integers(local, target);
            case Kind::Ptr:
                local_id = local.ref();
                target_id = target.ref();
                break;
            case Kind::Array:
                local_id = local.array().element;
                target_id = target.array().element;
                break;
            case Kind::FuncProto:
                if (local.count() != target.count()) return false;
                for (uint32_t i = 0; i < local.count(); i++) {
                    if (level <= 0) return too_deep();
                    if (!SKEP_TRY(compatible(local.param(i).type, target.param(i).type, level - 1)))
                        return false;
                }
                local_id = local.ref();
                target_id = target.ref();
                break;
            case Kind::Void:
            case Kind::Struct:
            case Kind::Union:
            case Kind::Enum:
            case Kind::Enum64:
            case Kind::Fwd: return true;
            default: return false;
        }
    }
    return too_deep();
}

bool Comparison::enums_match(const Type& local, const Type& target) {
    if (local.size() != target.size() || local.count() > target.count()) return false;
    std::unordered_set<std::string_view> names;
    for (const Enumerator e : target.enumerators()) names.insert(essential_name(e.name));
    for (const Enumerator e : local.enumerators())
        if (!names.contains(essential_name(e.name))) return false;
    return true;
}

Result<bool> Comparison::members_match(const Type& local, const Type& target, bool behind_pointer,
                                       int level) {
    if (local.count() > target.count()) return false;
    for (const Member wanted : local.members()) {
        bool found = false;
        for (const Member candidate : target.members()) {
            if (!budget_.spend()) return too_deep();
            if (!same_name(wanted.name, candidate.name)) continue;
            found = SKEP_TRY(match(wanted.type, candidate.type, behind_pointer, level - 1));
            if (found) break;
        }
        if (!found) return false;
    }
    return true;
}

/// Behind a pointer, names decide for structs, and a forward declaration may stand for one.
Result<bool> Comparison::match(uint32_t local_id, uint32_t target_id, bool behind_pointer,
                               int level) {
    if (level <= 0) return too_deep();
    for (int depth = 0; depth < kMaxDepth; depth++) {
        if (!budget_.spend()) return too_deep();
        const Type local = local_.resolve(local_id);
        const Type target = target_.resolve(target_id);
        if (!same_name(local.name(), target.name())) return false;
        const bool same_kind = local.kind() == target.kind();
        switch (local.kind()) {
            case Kind::Void: return same_kind;
            case Kind::Fwd:
                if (same_kind) return local.flag() == target.flag();
                return behind_pointer &&
                       target.kind() == (local.flag() ? Kind::Union : Kind::Struct);
            case Kind::Enum:
            case Kind::Enum64: return target.is_enum() && enums_match(local, target);
            case Kind::Struct:
            case Kind::Union:
                if (!behind_pointer)
                    return same_kind ? members_match(local, target, false, level) : false;
                return same_kind || (target.kind() == Kind::Fwd &&
                                     target.flag() == (local.kind() == Kind::Union));
            case Kind::Int:
                return same_kind && local.size() == target.size() &&
                       local.integer().is_signed == target.integer().is_signed;
            case Kind::Ptr:
                if (!same_kind) return false;
                behind_pointer = true;
                local_id = local.ref();
                target_id = target.ref();
                break;
            case Kind::Array:
                if (!same_kind || local.array().count != target.array().count) return false;
                local_id = local.array().element;
                target_id = target.array().element;
                break;
            case Kind::FuncProto:
                if (!same_kind || local.count() != target.count()) return false;
                for (uint32_t i = 0; i < local.count(); i++)
                    if (!SKEP_TRY(match(local.param(i).type, target.param(i).type, behind_pointer,
                                        level - 1)))
                        return false;
                local_id = local.ref();
                target_id = target.ref();
                break;
            default: return false;
        }
    }
    return too_deep();
}

}  // namespace

bool kinds_compatible(Kind local, Kind target) {
    const auto is_enum = [](Kind kind) { return kind == Kind::Enum || kind == Kind::Enum64; };
    return local == target || (is_enum(local) && is_enum(target));
}

bool fields_compatible(const Btf& local, uint32_t local_id, const Btf& target, uint32_t target_id) {
    for (;;) {  // ends: arrays nest at most Btf::kMaxNesting deep
        const Type mine = local.resolve(local_id);
        const Type theirs = target.resolve(target_id);
        if (mine.is_composite() && theirs.is_composite()) return true;
        if (!kinds_compatible(mine.kind(), theirs.kind())) return false;
        switch (mine.kind()) {
            case Kind::Ptr:
            case Kind::Float: return true;
            case Kind::Fwd:
            case Kind::Enum:
            case Kind::Enum64:
                return mine.name().empty() || theirs.name().empty() ||
                       same_name(mine.name(), theirs.name());
            case Kind::Int: return plain_integers(mine, theirs);
            case Kind::Array:
                local_id = mine.array().element;
                target_id = theirs.array().element;
                break;
            default: return false;
        }
    }
}

Result<bool> types_compatible(const Btf& local, uint32_t local_id, const Btf& target,
                              uint32_t target_id) {
    if (!kinds_compatible(local.type(local_id).kind(), target.type(target_id).kind())) return false;
    return Comparison(local, target).compatible(local_id, target_id, kMaxDepth);
}

Result<bool> types_match(const Btf& local, uint32_t local_id, const Btf& target,
                         uint32_t target_id) {
    return Comparison(local, target).match(local_id, target_id, false, kMaxDepth);
}

}  // namespace skep::btf
