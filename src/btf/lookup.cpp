// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <functional>

#include "base/text.hpp"
#include "btf/btf.hpp"

// Finding types by name and members by path. CO-RE asks for "all flavors of task_struct" and
// everybody else for exact names; one hash table over essential names serves both.

namespace skep::btf {

namespace {

constexpr uint32_t kNone = UINT32_MAX;

bool is_indexed(Kind kind) {
    return kind != Kind::DeclTag && kind != Kind::TypeTag;
}

}  // namespace

/// libbpf's bpf_core_essential_name_len(): the last "___" that has a character other than '_' on
/// each side.
std::string_view essential_name(std::string_view name) {
    for (size_t at = name.rfind("___"); at != std::string_view::npos && at > 0;
         at = name.rfind("___", at - 1)) {
        const bool ends = at + 3 < name.size() && name[at + 3] != '_';
        if (ends && name[at - 1] != '_') return name.substr(0, at);
    }
    return name;
}

std::string_view Btf::string(uint32_t offset) const {
    if (offset < first_string_) return base_->string(offset);
    offset -= first_string_;
    if (offset >= strings_.size()) return {};
    return reinterpret_cast<const char*>(strings_.data() + offset);
}

void Btf::index_names() {
    buckets_.assign(std::bit_ceil(records_.size() + 1), kNone);
    next_.assign(records_.size(), kNone);
    // From the last to the first, so that each chain is in ascending order.
    for (uint32_t i = uint32_t(records_.size()); i-- > 0;) {
        const Type named = type(first_id_ + i);
        if (named.name_offset() == 0 || !is_indexed(named.kind())) continue;
        const size_t hash = std::hash<std::string_view>()(essential_name(named.name()));
        next_[i] = std::exchange(buckets_[hash & (buckets_.size() - 1)], i);
    }
}

template <typename Visit>
void Btf::visit_named(std::string_view essential, const Visit& visit) const {
    if (base_) base_->visit_named(essential, visit);
    const size_t hash = std::hash<std::string_view>()(essential);
    for (uint32_t i = buckets_[hash & (buckets_.size() - 1)]; i != kNone; i = next_[i])
        visit(type(first_id_ + i));
}

std::optional<Type> Btf::find(std::string_view name, Kind kind) const {
    std::optional<Type> found;
    visit_named(essential_name(name), [&](const Type& type) {
        if (!found && type.kind() == kind && type.name() == name) found = type;
    });
    return found;
}

std::vector<uint32_t> Btf::find_all(std::string_view name) const {
    std::vector<uint32_t> ids;
    visit_named(essential_name(name), [&](const Type& type) {
        if (type.name() == name) ids.push_back(type.id());
    });
    return ids;
}

std::vector<uint32_t> Btf::find_flavors(std::string_view name) const {
    name = essential_name(name);
    std::vector<uint32_t> ids;
    visit_named(name, [&](const Type& type) {
        if (essential_name(type.name()) == name) ids.push_back(type.id());
    });
    return ids;
}

namespace {

/// Looks for members by name, descending into anonymous structs and unions. Remembers which of
/// those it has seen, because hostile BTF can nest one type in itself many times over.
class MemberSearch {
  public:
    explicit MemberSearch(const Btf& btf) : btf_(btf) {}

    std::optional<Field> find(const Type& composite, std::string_view name, uint32_t bit_offset) {
        for (const Member member : composite.members()) {
            const uint32_t at = bit_offset + member.bit_offset;
            if (member.name == name && !name.empty())
                return Field{member.type, at, member.bitfield_size};
            if (!member.name.empty()) {
                names_.push_back(member.name);
                continue;
            }
            const Type inner = btf_.resolve(member.type);
            if (!inner.is_composite() || std::ranges::count(seen_, inner.id()) != 0) continue;
            if (auto found = find(inner, name, at)) return found;
            seen_.push_back(inner.id());
        }
        return std::nullopt;
    }

    std::span<const std::string_view> names() const { return names_; }

  private:
    const Btf& btf_;
    std::vector<uint32_t> seen_;
    std::vector<std::string_view> names_;
};

/// Takes "name" or "[index]" off the front of `path`.
std::string_view next_step(std::string_view& path) {
    if (path.starts_with('.')) path.remove_prefix(1);
    size_t end = path.find_first_of(".[", path.starts_with('[') ? 1 : 0);
    if (end == std::string_view::npos) end = path.size();
    const std::string_view step = path.substr(0, end);
    path.remove_prefix(end);
    return step;
}

}  // namespace

Result<Field> Btf::find_field(uint32_t root, std::string_view path) const {
    Field field{root, 0, 0};
    const std::string_view whole = path;
    do {
        const std::string_view step = next_step(path);
        const Type container = resolve(field.type);
        if (step.starts_with('[')) {
            const auto index =
                step.ends_with(']') ? parse_uint(step.substr(1, step.size() - 2)) : std::nullopt;
            if (container.kind() != Kind::Array || !index)
                return malformed("'{}': '{}' is no index of an array", printable(whole),
                                 printable(step));
            const Array array = container.array();
            const uint64_t size = size_of(array.element).value_or(0);
            if ((array.count != 0 && *index >= array.count) ||
                *index * size * 8 > UINT32_MAX - field.bit_offset)
                return malformed("'{}': index {} is past the array's {} elements", printable(whole),
                                 *index, array.count);
            field = {array.element, field.bit_offset + uint32_t(*index * size * 8), 0};
            continue;
        }
        if (!container.is_composite())
            return malformed("'{}': '{}' is asked of something that is no struct", printable(whole),
                             printable(step));
        MemberSearch search(*this);
        const auto found = search.find(container, step, field.bit_offset);
        if (!found) {
            Error error{ErrorCode::Malformed,
                        fmt::format("{} '{}' has no member '{}'",
                                    container.kind() == Kind::Struct ? "struct" : "union",
                                    printable(container.name()), printable(step)),
                        {},
                        0};
            if (const auto close = closest(step, search.names()))
                error.hint = fmt::format("did you mean '{}'?", printable(*close));
            return std::unexpected(std::move(error));
        }
        field = *found;
    } while (!path.empty());
    return field;
}

}  // namespace skep::btf
