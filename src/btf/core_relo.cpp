// SPDX-License-Identifier: Apache-2.0
#include "btf/core_relo.hpp"

#include "base/text.hpp"
#include "btf/core_spec.hpp"
#include "btf/declare.hpp"

namespace skep::btf {

namespace {

/// A relocation's value by one Btf.
struct Value {
    uint64_t value = 0;
    bool exact = true;    ///< the compiler cannot have chosen another (a bitfield's load may vary)
    uint32_t access = 0;  ///< bytes of the scalar that is loaded or stored there; 0: not known
    uint32_t field = 0;   ///< that scalar's type, for deciding whether its width may change
};

/// The element of an array, of arrays, ...
uint32_t innermost_element(const Btf& btf, uint32_t id) {
    Type type = btf.resolve(id);
    while (type.kind() == Kind::Array) type = btf.resolve(type.array().element);
    return type.id();
}

Result<uint32_t> sized(const Btf& btf, uint32_t id) {
    if (const auto size = btf.size_of(id)) return *size;
    return malformed("the field has no size");
}

Result<Value> element_value(CoreKind kind, const CoreSpec& spec) {
    const CoreStep& step = spec.steps.back();
    if (kind == CoreKind::FieldByteOffset) return Value {
            .value = spec.bit_offset / 8,
            .access = SKEP_TRY(sized(*spec.btf, innermost_element(*spec.btf, step.type)))
            , .field = step.type
        };
    if (kind == CoreKind::FieldByteSize) return Value {
            .value = SKEP_TRY(sized(*spec.btf, step.type))
        };
    return malformed("'{}' makes no sense for an array element", to_string(kind));
}

/// The aligned unit of memory by which a bitfield is loaded: of the declared type's size, or larger
/// where the field crosses that.
struct Unit {
    uint64_t offset;
    uint32_t size;
};
Result<Unit> bitfield_unit(uint64_t bit_offset, uint32_t bits, uint32_t declared) {
    for (uint32_t size = declared; size != 0 && size <= 8; size *= 2) {
        const uint64_t offset = bit_offset / 8 / size * size;
        if (bit_offset + bits <= 8 * (offset + size)) return Unit{offset, size};
    }
    return malformed("the bitfield cannot be read with one load");
}

Result<Value> field_value(CoreKind kind, const CoreSpec& spec) {
    const CoreStep& step = spec.steps.back();
    if (step.name.empty()) return element_value(kind, spec);

    const Btf& btf = *spec.btf;
    const Member member = btf.type(step.type).member(step.index);
    const Type type = btf.resolve(member.type);
    const bool bitfield = member.bitfield_size != 0;
    Unit unit{spec.bit_offset / 8, 0};
    if (bitfield)
        unit = SKEP_TRY(bitfield_unit(spec.bit_offset, member.bitfield_size,
                                      btf.size_of(type.id()).value_or(0)));
    else
        unit.size = SKEP_TRY(sized(btf, type.id()));
    const uint64_t bits = bitfield ? member.bitfield_size : uint64_t{8} * unit.size;

    Value value{.exact = !bitfield};
    switch (kind) {
        case CoreKind::FieldByteOffset:
            value.value = unit.offset;
            if (bitfield) break;
            value.access = SKEP_TRY(sized(btf, innermost_element(btf, type.id())));
            value.field = type.id();
            break;
        case CoreKind::FieldByteSize: value.value = unit.size; break;
        case CoreKind::FieldSigned:
            value.value = type.is_enum() ? type.is_signed()
                                         : type.kind() == Kind::Int && type.integer().is_signed;
            value.exact = true;
            break;
        case CoreKind::FieldLshiftU64:
            value.value = 64 - (spec.bit_offset + bits - 8 * unit.offset);
            break;
        case CoreKind::FieldRshiftU64:
            value.value = 64 - bits;
            value.exact = true;
            break;
        default: break;
    }
    return value;
}

/// The value by a spec that exists.
Result<Value> value_of(CoreKind kind, const CoreSpec& spec) {
    switch (kind) {
        case CoreKind::FieldExists:
        case CoreKind::TypeExists:
        case CoreKind::TypeMatches:
        case CoreKind::EnumvalExists: return Value{.value = 1};
        case CoreKind::TypeSize: return Value { .value = SKEP_TRY(sized(*spec.btf, spec.root))
            };
        // A linker renumbers types, and leaves the number in the instruction as it was.
        case CoreKind::TypeIdLocal:
        case CoreKind::TypeIdTarget: return Value{.value = spec.root, .exact = false};
        case CoreKind::EnumvalValue: {
            const CoreStep& step = spec.steps[0];
            return Value{.value = spec.btf->type(step.type).enumerator(step.index).value};
        }
        default: return field_value(kind, spec);
    }
}

/// Whether an absent target means 0, and not that the instruction is invalid.
bool absence_is_zero(CoreKind kind) {
    return subject_of(kind) == CoreSubject::Type || kind == CoreKind::FieldExists ||
           kind == CoreKind::EnumvalExists;
}

/// Loads may change width between pointers, and between unsigned integers: zero-extension keeps the
/// value. Anything else would read something wrong.
bool may_change_width(const Btf& local, uint32_t local_id, const Btf& target, uint32_t target_id) {
    const Type mine = local.type(local_id);
    const Type theirs = target.type(target_id);
    if (mine.kind() == Kind::Ptr) return theirs.kind() == Kind::Ptr;
    return mine.kind() == Kind::Int && theirs.kind() == Kind::Int && !mine.integer().is_signed &&
           !theirs.integer().is_signed;
}

void poison(std::span<isa::Insn> insns, uint32_t index) {
    const isa::Insn call{.opcode = uint8_t(int{isa::kJmp} | isa::kCall), .imm = kPoisonedHelper};
    if (insns[index].is_wide() && index + 1 < insns.size()) insns[index + 1] = call;
    insns[index] = call;
}

}  // namespace

// Patching. Three forms of instruction carry a relocated value: arithmetic with an immediate (imm),
// memory access (off), lddw (both halves' imm).

namespace {

Result<void> check_local(bool holds, const char* form, int64_t found, const Value& local) {
    if (holds || !local.exact) return {};
    return malformed("{} holds {}, but by the object's own types it should be {}", form, found,
                     local.value);
}

Result<void> patch_immediate(isa::Insn& insn, const Value& local, const Value& target) {
    if (insn.uses_src_register()) return malformed("the instruction has no immediate");
    SKEP_TRY(
        check_local(uint32_t(insn.imm) == uint32_t(local.value), "the immediate", insn.imm, local));
    if (target.value > UINT32_MAX && int64_t(target.value) != int32_t(target.value))
        return malformed("the value {} does not fit the instruction", target.value);
    insn.imm = int32_t(target.value);
    return {};
}

Result<void> patch_wide(std::span<isa::Insn> insns, const Value& local, const Value& target) {
    if (insns.size() < 2 || !insns[0].is_wide() || insns[0].src != isa::kPseudoImm)
        return malformed("the instruction is no plain 64-bit load of an immediate");
    const uint64_t found = isa::wide_imm(insns, 0);
    SKEP_TRY(check_local(found == local.value, "the immediate", int64_t(found), local));
    insns[0].imm = int32_t(target.value);
    insns[1].imm = int32_t(target.value >> 32);
    return {};
}

std::optional<uint8_t> size_field(uint32_t bytes) {
    switch (bytes) {
        case 1: return isa::kB;
        case 2: return isa::kH;
        case 4: return isa::kW;
        case 8: return isa::kDw;
        default: return std::nullopt;
    }
}

Result<void> patch_access(isa::Insn& insn, const Value& local, const Value& target) {
    SKEP_TRY(
        check_local(uint64_t(int64_t{insn.off}) == local.value, "the offset", insn.off, local));
    if (target.value > INT16_MAX)
        return malformed("the offset {} does not fit the instruction", target.value);
    insn.off = int16_t(target.value);
    if (target.access == local.access) return {};
    const auto size = size_field(target.access);
    if (uint32_t(isa::width_bytes(insn.size())) != local.access || !size)
        return malformed("an access of {} bytes cannot become one of {}",
                         isa::width_bytes(insn.size()), target.access);
    insn.opcode = uint8_t(insn.mode() | *size | insn.cls());
    return {};
}

}  // namespace

struct CoreRelocator::Resolution {
    CoreResult result;
    Value local;
    Value target;
};

std::string_view to_string(CoreKind kind) {
    switch (kind) {
#define CORE_KIND(name, value, text, about) \
    case CoreKind::name: return text;
#include "btf/core_kinds.def"
#undef CORE_KIND
    }
    return "unknown";
}

Result<CoreSource> describe(const Btf& local, const CoreRelo& relo) {
    const CoreSpec spec = SKEP_TRY(parse_spec(local, relo));
    const Value value = SKEP_TRY(value_of(relo.kind, spec));
    return CoreSource{to_string(spec, relo.kind), value.value, value.exact};
}

std::vector<uint32_t>& CoreRelocator::candidates(uint32_t local_type) {
    const auto [entry, added] = candidates_.try_emplace(local_type);
    if (added) {
        const Type local = local_.type(local_type);
        for (const uint32_t id : target_.find_flavors(local.name()))
            if (kinds_compatible(local.kind(), target_.type(id).kind()))
                entry->second.push_back(id);
    }
    return entry->second;
}

Result<CoreRelocator::Resolution> CoreRelocator::find(const CoreRelo& relo) {
    const CoreSpec spec = SKEP_TRY(parse_spec(local_, relo));
    Resolution found;
    found.result.text = to_string(spec, relo.kind);
    found.local = SKEP_TRY(value_of(relo.kind, spec));
    found.result.local = found.local.value;
    if (relo.kind == CoreKind::TypeIdLocal) {
        found.target = found.local;
        found.result.target = found.local.value;
        return found;
    }
    if (local_.type(relo.type).name().empty())
        return malformed("an anonymous type cannot be looked up elsewhere");

    uint64_t chosen_offset = 0;
    std::vector<uint32_t>& ids = candidates(relo.type);
    std::vector<uint32_t> matching;
    for (const uint32_t id : ids) {
        const auto match = SKEP_TRY(match_spec(spec, relo.kind, target_, id));
        if (!match) continue;
        matching.push_back(id);
        const Value value = SKEP_TRY(value_of(relo.kind, *match));
        if (found.result.target_type == 0) {
            found.result.target_type = id;
            found.target = value;
            chosen_offset = match->bit_offset;
        } else if (value.value != found.target.value || match->bit_offset != chosen_offset) {
            return malformed("the target's types [{}] and [{}] give it different values, {} and {}",
                             found.result.target_type, id, found.target.value, value.value);
        }
    }
    found.result.target = found.target.value;
    if (found.result.target_type == 0 && !absence_is_zero(relo.kind)) {
        found.result.poisoned = true;
        found.result.reason =
            ids.empty()
                ? fmt::format("the target has no {}", c_type(local_, relo.type))
                : fmt::format("the target's {} has no such {}", c_type(local_, relo.type),
                              subject_of(relo.kind) == CoreSubject::Field ? "field" : "enumerator");
    }
    // One local type stands for one target type: what lacks this field is out for the next, too.
    if (!matching.empty()) ids = std::move(matching);
    return found;
}

Result<CoreResult> CoreRelocator::resolve(const CoreRelo& relo) {
    auto found = SKEP_TRY(find(relo));
    return std::move(found.result);
}

Result<void> CoreRelocator::patch(Resolution& found, std::span<isa::Insn> insns, uint32_t index) {
    CoreResult& result = found.result;
    isa::Insn& insn = insns[index];
    const uint8_t cls = insn.cls();
    const bool access = cls == isa::kLdx || cls == isa::kSt || cls == isa::kStx;
    if (!result.poisoned && access && found.local.access != found.target.access &&
        !may_change_width(local_, found.local.field, target_, found.target.field)) {
        result.poisoned = true;
        result.reason =
            "the field is of another size there, and not an unsigned integer or pointer";
    }
    if (result.poisoned) {
        poison(insns, index);
        return {};
    }
    if (access) return patch_access(insn, found.local, found.target);
    if (cls == isa::kAlu || cls == isa::kAlu64)
        return patch_immediate(insn, found.local, found.target);
    if (cls == isa::kLd) return patch_wide(insns.subspan(index), found.local, found.target);
    return malformed("an instruction with opcode 0x{:02x} cannot be relocated", insn.opcode);
}

Result<std::vector<CoreResult>> CoreRelocator::apply(std::span<const CoreRelo> relos,
                                                     std::span<isa::Insn> insns) {
    std::vector<CoreResult> results;
    results.reserve(relos.size());
    for (const CoreRelo& relo : relos) {
        const auto context = [&] {
            return fmt::format("CO-RE relocation {} of {} at instruction {}", to_string(relo.kind),
                               c_type(local_, relo.type), relo.insn);
        };
        if (relo.insn >= insns.size()) return malformed("{}: out of range", context());
        auto found = find(relo);
        if (!found) return std::unexpected(std::move(found.error()).in(context()));
        const auto patched = patch(*found, insns, relo.insn);
        if (!patched) return std::unexpected(Error(patched.error()).in(context()));
        results.push_back(std::move(found->result));
    }
    return results;
}

}  // namespace skep::btf
