// SPDX-License-Identifier: Apache-2.0
// Pointers in map values (kptrs): which loads and stores of a map value touch a special field, and
// what bpf_kptr_xchg() may exchange.
#include <algorithm>
#include <array>

#include "verifier/btf_match.hpp"
#include "verifier/call_meta.hpp"

namespace skep::verifier {
namespace {

constexpr std::string_view kRcuProtected[] = {"prog_test_ref_kfunc", "cgroup", "bpf_cpumask",
                                              "task_struct", "bpf_crypto_ctx"};

bool is_rcu_safe(const Analysis& a, const Field& field) {
    if (field.kind == FieldKind::KptrPercpu) return true;
    if (field.kind != FieldKind::KptrRef) return false;
    return field.btf != a.kernel_btf ||
           std::ranges::find(kRcuProtected, struct_name(field.btf, field.btf_id)) !=
               std::end(kRcuProtected);
}

RegType type_of_loaded(Analysis& a, const Field& field) {
    if (field.kind == FieldKind::Uptr) return kMaybeNull;
    if (!is_rcu_safe(a, field) || !in_rcu_section(a)) return kMaybeNull | kUntrusted;
    RegType type = kMaybeNull | kRcu;
    if (field.kind == FieldKind::KptrPercpu) {
        type |= kPercpu;
    } else if (field.btf != a.kernel_btf) {
        type |= kMemAlloc;
    }
    if (field.btf == a.prog_btf) {
        const Record* record = record_of_struct(a, field.btf_id);
        if (record && record->has(FieldKind::AnyNode)) type |= kNonOwnRef;
    }
    return type;
}

bool load_uptr(Analysis& a, const Field& field, int value_regno) {
    const auto size = field.btf->size_of(field.btf_id);
    if (!size) return a.refuse(Rule::MapField, "uptr to a type of unknown size");
    RegState loaded;
    loaded.set_pointer(kPtrToMem | kMaybeNull);
    loaded.mem_size = *size;
    loaded.id = a.next_id();
    a.reg_mut(value_regno) = loaded;
    return true;
}

// A load or store of exactly the field.
bool access_kptr(Analysis& a, const Field& field, AccessType type, int value_regno) {
    const isa::Insn& insn = a.insns[a.insn_index];
    if ((insn.opcode & 0xe0) != isa::kMem)
        return a.refuse(Rule::MapField,
                        "kptr in map can only be accessed using BPF_MEM instruction mode");
    const bool load = type == AccessType::Read;
    const bool owned = field.kind == FieldKind::KptrRef || field.kind == FieldKind::KptrPercpu;
    if (!load && owned) return a.refuse(Rule::MapField, "store to referenced kptr disallowed");
    if (!load && field.kind == FieldKind::Uptr)
        return a.refuse(Rule::MapField, "store to uptr disallowed");
    if (load) {
        if (field.kind == FieldKind::Uptr) return load_uptr(a, field, value_regno);
        RegState loaded;
        loaded.set_pointer(kPtrToBtfId | type_of_loaded(a, field));
        loaded.btf = field.btf;
        loaded.btf_id = field.btf_id;
        loaded.id = a.next_id();
        a.reg_mut(value_regno) = loaded;
        return true;
    }
    if (value_regno < 0)
        return insn.imm == 0 ||
               a.refuse(Rule::MapField, "BPF_ST imm must be 0 when storing to kptr at off={}",
                        field.offset);
    if (a.reg(value_regno).is_null()) return a.mark_chain_precision(value_regno);
    return kptr_type_matches(a, field, a.reg(value_regno), value_regno);
}

}  // namespace

bool kptr_type_matches(Analysis& a, const Field& field, const RegState& reg, int regno) {
    const bool unreferenced = field.kind == FieldKind::KptrUnref;
    const bool percpu = field.kind == FieldKind::KptrPercpu;
    bool ok = base_type(reg.type) == kPtrToBtfId;
    std::string_view name;
    if (ok) {
        RegType allowed = kMaybeNull;
        if (reg.btf == a.kernel_btf)
            allowed |= kTrusted | kRcu | (unreferenced ? kUntrusted : 0);
        else
            allowed |= kMemAlloc | (percpu ? kPercpu : 0);
        ok = (type_flags(reg.type) & ~allowed) == 0 && percpu == bool(reg.type & kPercpu);
    }
    if (ok) {
        name = struct_name(reg.btf, reg.btf_id);
        if (!a.check_ptr_off_reg(reg, regno, true)) return false;
        ok = struct_ids_match(*reg.btf, reg.btf_id, reg.off, *field.btf, field.btf_id,
                              !unreferenced);
    }
    if (ok) return true;
    const std::string_view target = struct_name(field.btf, field.btf_id);
    std::string expected = fmt::format("{}{}", a.type_name(kPtrToBtfId), target);
    if (unreferenced)
        expected += fmt::format(" or {}{}", a.type_name(kPtrToBtfId | kUntrusted), target);
    return a.refuse(Rule::MapField, "invalid kptr access, R{} type={}{} expected={}", regno,
                    a.type_name(reg.type), name, expected);
}

bool process_kptr(Analysis& a, int regno, CallMeta& meta) {
    const RegState& reg = a.reg(regno);
    if (reg.type == kPtrToMapValue) {
        if (reg.map->spec->value_type_id == 0)
            return a.refuse(Rule::MapField,
                            "map '{}' has to have BTF in order to use bpf_kptr_xchg",
                            reg.map->spec->name);
        meta.map = reg.map;
    }
    if (!reg.value.is_constant())
        return a.refuse(Rule::MapField,
                        "R{} doesn't have constant offset. kptr has to be at the constant offset",
                        regno);
    const Record* record = record_of(a, reg);
    if (!record || !record->has(FieldKind::AnyKptr))
        return a.refuse(Rule::MapField, "R{} has no valid kptr", regno);
    const uint32_t offset = uint32_t(reg.off + int64_t(reg.value.constant_value()));
    const Field* field = record->find(offset, FieldKind::AnyKptr);
    if (!field) return a.refuse(Rule::MapField, "off={} doesn't point to kptr", int32_t(offset));
    if (field->kind == FieldKind::KptrUnref)
        return a.refuse(Rule::MapField, "off={} kptr isn't referenced kptr", int32_t(offset));
    meta.kptr_field = field;
    return true;
}

bool check_map_fields(Analysis& a, int regno, int off, int size, AccessSource source) {
    const RegState& reg = a.reg(regno);
    const Record* record = record_of(a, reg);
    if (!record) return true;
    const int64_t lowest = reg.value.smin + off;
    const int64_t end = int64_t(reg.value.umax) + off + size;
    for (const Field& field : record->fields) {
        if (lowest >= int64_t(field.offset) + field.size || int64_t(field.offset) >= end) continue;
        const bool pointer =
            (field.kind & (FieldKind::AnyKptr | FieldKind::Uptr)) != FieldKind::None;
        if (!pointer)
            return a.refuse(Rule::MapField, "{} cannot be accessed directly by load/store",
                            field_name(field.kind));
        const std::string_view name = field.kind == FieldKind::Uptr ? "uptr" : "kptr";
        if (source != AccessSource::Direct)
            return a.refuse(Rule::MapField, "{} cannot be accessed indirectly by helper", name);
        if (!reg.value.is_constant())
            return a.refuse(Rule::MapField, "{} access cannot have variable offset", name);
        if (int64_t(field.offset) != off + int64_t(reg.value.constant_value()))
            return a.refuse(Rule::MapField, "{} access misaligned expected={} off={}", name,
                            field.offset, off + int64_t(reg.value.constant_value()));
        if (size != 8) return a.refuse(Rule::MapField, "{} access size must be BPF_DW", name);
    }
    return true;
}

bool access_map_field(Analysis& a, int regno, int off, int, AccessType type, int value_regno,
                      bool& handled) {
    handled = false;
    const RegState& reg = a.reg(regno);
    const Record* record = record_of(a, reg);
    if (!record || !reg.value.is_constant()) return true;
    const Field* field = record->find(uint32_t(off + int64_t(reg.value.constant_value())),
                                      FieldKind::AnyKptr | FieldKind::Uptr);
    if (!field) return true;
    handled = true;
    return access_kptr(a, *field, type, value_regno);
}

}  // namespace skep::verifier
