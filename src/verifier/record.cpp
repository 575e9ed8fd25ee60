// SPDX-License-Identifier: Apache-2.0
// The kernel finds special fields in btf_parse_fields() (kernel/bpf/btf.c, Linux 6.18) when a map
// or BTF is loaded; what is malformed there is not loaded, and here it has no record.
#include "verifier/record.hpp"

#include <algorithm>

#include "verifier/call_data.hpp"

namespace skep::verifier {
namespace {

using btf::Kind;
using btf::Type;

struct Named {
    std::string_view type;
    FieldKind kind;
    uint32_t size, align;
};

constexpr Named kNamed[] = {
    {"bpf_spin_lock", FieldKind::SpinLock, 4, 4},
    {"bpf_res_spin_lock", FieldKind::ResSpinLock, 8, 4},
    {"bpf_timer", FieldKind::Timer, 16, 8},
    {"bpf_wq", FieldKind::Workqueue, 16, 8},
    {"bpf_task_work", FieldKind::TaskWork, 8, 8},
    {"bpf_list_head", FieldKind::ListHead, 16, 8},
    {"bpf_list_node", FieldKind::ListNode, 24, 8},
    {"bpf_rb_root", FieldKind::RbRoot, 16, 8},
    {"bpf_rb_node", FieldKind::RbNode, 32, 8},
    {"bpf_refcount", FieldKind::Refcount, 4, 4},
};

constexpr std::pair<std::string_view, FieldKind> kPointerTags[] = {
    {"kptr_untrusted", FieldKind::KptrUnref},
    {"kptr", FieldKind::KptrRef},
    {"percpu_kptr", FieldKind::KptrPercpu},
    {"uptr", FieldKind::Uptr},
};

constexpr size_t kMaxFields = 11;  // BTF_FIELDS_MAX
constexpr int kMaxDepth = 15;      // MAX_RESOLVE_DEPTH

class Finder {
  public:
    Finder(Analysis& a, const btf::Btf& btf) : a_(a), btf_(btf) {}

    bool walk_struct(const Type& type, uint32_t offset, int depth) {
        if (depth >= kMaxDepth) return false;
        int32_t index = 0;
        for (const btf::Member member : type.members()) {
            if (member.bit_offset % 8 == 0 &&
                !walk_member(type, member, index, offset + member.bit_offset / 8, depth))
                return false;
            ++index;
        }
        return true;
    }
    bool walk_datasec(const Type& type) {
        for (const btf::SectionVar variable : type.variables()) {
            const Type var = btf_.type(variable.type);
            if (var.kind() != Kind::Var) return false;
            const btf::Member as_member{var.name(), var.ref(), variable.offset * 8, 0};
            if (!walk_member(var, as_member, -1, variable.offset, 0)) return false;
        }
        return true;
    }
    std::vector<Field> take() {
        std::ranges::sort(fields_, {}, &Field::offset);
        return std::move(fields_);
    }

    bool malformed() const { return malformed_; }

  private:
    // typedefs and qualifiers hide a field from the kernel, arrays do not.
    bool walk_member(const Type& parent, const btf::Member& member, int32_t index, uint32_t offset,
                     int depth) {
        Type type = btf_.type(member.type);
        uint64_t count = 1;
        while (type.kind() == Kind::Array) {
            count *= type.array().count;
            type = btf_.type(type.array().element);
            if (count > 1'000'000) return true;
        }
        if (count == 0) return true;
        const size_t first = fields_.size();
        uint32_t size = 0;
        if (type.is_composite()) {
            size = type.size();
            if (const Named* named = find_named(type)) {
                if (offset % named->align != 0) return true;
                Field field{named->kind, offset, named->size, nullptr, 0, 0};
                if (field.kind == FieldKind::ListHead || field.kind == FieldKind::RbRoot) {
                    if (!set_graph_root(parent, index, field)) return false;
                }
                fields_.push_back(field);
                size = named->size;
            } else if (!walk_struct(type, offset, depth + 1)) {
                return false;
            }
        } else if (type.kind() == Kind::Ptr) {
            size = 8;
            if (offset % 8 != 0 || !add_pointer(type, offset)) return true;
        } else {
            return true;
        }
        return repeat(first, count, size);
    }

    static const Named* find_named(const Type& type) {
        if (type.kind() != Kind::Struct) return nullptr;
        for (const Named& named : kNamed)
            if (type.name() == named.type) return &named;
        return nullptr;
    }

    bool repeat(size_t first, uint64_t count, uint32_t size) {
        const size_t found = fields_.size() - first;
        if (found == 0) return true;
        if (first + found * count > kMaxFields) return false;
        for (uint64_t i = 1; i < count; ++i)
            for (size_t f = 0; f < found; ++f) {
                Field field = fields_[first + f];
                field.offset += uint32_t(i * size);
                fields_.push_back(field);
            }
        return true;
    }

    bool add_pointer(const Type& pointer, uint32_t offset) {
        const Type target = btf_.type(pointer.ref());
        if (target.kind() != Kind::TypeTag) return false;
        const auto tag = std::ranges::find(kPointerTags, target.name(),
                                           &std::pair<std::string_view, FieldKind>::first);
        if (tag == std::end(kPointerTags)) return false;
        const Type pointee = btf_.resolve(target.ref());
        if (pointee.kind() != Kind::Struct && pointee.kind() != Kind::Fwd) {
            malformed_ = true;
            return false;
        }
        Field field{tag->second, offset, 8, &btf_, pointee.id(), 0};
        if (a_.kernel_btf && field.kind != FieldKind::Uptr)
            if (const auto in_kernel = a_.kernel_btf->find(pointee.name(), Kind::Struct)) {
                field.btf = a_.kernel_btf;
                field.btf_id = in_kernel->id();
            }
        fields_.push_back(field);
        return true;
    }

    // __contains(item, node): the decl tag "contains:item:node".
    bool set_graph_root(const Type& parent, int32_t index, Field& field) {
        for (const std::string_view tag : decl_tags(a_, parent.id(), index)) {
            constexpr std::string_view prefix = "contains:";
            if (!tag.starts_with(prefix)) continue;
            const std::string_view rest = tag.substr(prefix.size());
            const size_t colon = rest.find(':');
            if (colon == rest.npos) return false;
            const auto element = btf_.find(rest.substr(0, colon), Kind::Struct);
            if (!element) return false;
            const std::string_view node_type =
                field.kind == FieldKind::ListHead ? "bpf_list_node" : "bpf_rb_node";
            for (const btf::Member member : element->members()) {
                if (member.name != rest.substr(colon + 1)) continue;
                const Type node = btf_.type(member.type);
                if (node.name() != node_type || member.bit_offset % 64 != 0) return false;
                field.btf = &btf_;
                field.btf_id = element->id();
                field.node_offset = member.bit_offset / 8;
                return true;
            }
        }
        return false;
    }

    Analysis& a_;
    const btf::Btf& btf_;
    std::vector<Field> fields_;
    bool malformed_ = false;
};

std::unique_ptr<Record> parse(Analysis& a, uint32_t type_id) {
    auto record = std::make_unique<Record>();
    if (!a.prog_btf) return record;
    const Type type = a.prog_btf->type(type_id);
    Finder finder(a, *a.prog_btf);
    const bool ok = type.is_composite()            ? finder.walk_struct(type, 0, 0)
                    : type.kind() == Kind::Datasec ? finder.walk_datasec(type)
                                                   : false;
    record->malformed =
        (!ok && (type.is_composite() || type.kind() == Kind::Datasec)) || finder.malformed();
    if (!record->malformed) record->fields = finder.take();
    return record;
}

const Record* non_empty(const Record& record) {
    return record.fields.empty() && !record.malformed ? nullptr : &record;
}

}  // namespace

std::string_view field_name(FieldKind kind) {
    switch (kind) {
        case FieldKind::KptrUnref:
        case FieldKind::KptrRef: return "kptr";
        case FieldKind::KptrPercpu: return "percpu_kptr";
        case FieldKind::Uptr: return "uptr";
        default:
            for (const Named& named : kNamed)
                if (named.kind == kind) return named.type;
            return "unknown";
    }
}

bool Record::has(FieldKind kinds) const {
    return std::ranges::any_of(
        fields, [&](const Field& field) { return (field.kind & kinds) != FieldKind::None; });
}

const Field* Record::find(uint32_t offset, FieldKind kinds) const {
    for (const Field& field : fields)
        if (field.offset == offset && (field.kind & kinds) != FieldKind::None) return &field;
    return nullptr;
}

int Record::offset_of(FieldKind kind) const {
    for (const Field& field : fields)
        if (field.kind == kind) return int(field.offset);
    return -1;
}

const Record* record_of_map(Analysis& a, const MapInfo& map) {
    if (map.spec->value_type_id == 0) return nullptr;
    std::unique_ptr<Record>& record = call_data(a).map_records[map.spec];
    if (!record) record = parse(a, map.spec->value_type_id);
    return non_empty(*record);
}

const Record* record_of_struct(Analysis& a, uint32_t btf_id) {
    std::unique_ptr<Record>& record = call_data(a).struct_records[btf_id];
    if (!record) record = parse(a, btf_id);
    return non_empty(*record);
}

const Record* record_of(Analysis& a, const RegState& reg) {
    if (base_type(reg.type) == kPtrToMapValue) return record_of_map(a, *reg.map);
    if (is_alloc_object(reg.type) && reg.btf == a.prog_btf) return record_of_struct(a, reg.btf_id);
    return nullptr;
}

}  // namespace skep::verifier
