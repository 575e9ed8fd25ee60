// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "verifier/analysis.hpp"

// Special fields of map values and of objects that programs allocate: members that the kernel gives
// a meaning to by the name of their type (struct bpf_timer, bpf_list_head) or by a type tag (kptr).
//
//     if (const Record* record = record_of(a, reg); record && record->has(FieldKind::SpinLock))
//         int offset = record->offset_of(FieldKind::SpinLock);
//
// Records are made when they are first asked for and live as long as the Analysis.

namespace skep::verifier {

/// Bits, to ask for several at once.
enum class FieldKind : uint16_t {
    None = 0,
    SpinLock = 1u << 0,
    ResSpinLock = 1u << 1,
    Timer = 1u << 2,
    Workqueue = 1u << 3,
    TaskWork = 1u << 4,
    KptrUnref = 1u << 5,
    KptrRef = 1u << 6,
    KptrPercpu = 1u << 7,
    Uptr = 1u << 8,
    ListHead = 1u << 9,
    ListNode = 1u << 10,
    RbRoot = 1u << 11,
    RbNode = 1u << 12,
    Refcount = 1u << 13,
    AnyLock = SpinLock | ResSpinLock,
    AnyKptr = KptrUnref | KptrRef | KptrPercpu,
    AnyNode = ListNode | RbNode,
    All = 0x3fff,
};
constexpr FieldKind operator|(FieldKind a, FieldKind b) {
    return FieldKind(uint16_t(a) | uint16_t(b));
}
constexpr FieldKind operator&(FieldKind a, FieldKind b) {
    return FieldKind(uint16_t(a) & uint16_t(b));
}

/// "bpf_timer", "kptr"; as the kernel's messages say.
std::string_view field_name(FieldKind kind);

struct Field {
    FieldKind kind = FieldKind::None;
    uint32_t offset = 0;
    uint32_t size = 0;
    /// Of kptrs: the struct it points to. Of list heads and tree roots: the struct of an element.
    const btf::Btf* btf = nullptr;
    uint32_t btf_id = 0;
    uint32_t node_offset = 0;  ///< of the node in an element
};

struct Record {
    std::vector<Field> fields;  ///< ascending by offset
    bool malformed = false;     ///< no kernel makes a map with such a value

    bool has(FieldKind kinds) const;
    const Field* find(uint32_t offset, FieldKind kinds) const;
    int offset_of(FieldKind kind) const;  ///< of the first; -1: none
};

/// Of a map's value, or of what an allocated object's type has; null where there is none.
const Record* record_of(Analysis& a, const RegState& reg);
const Record* record_of_map(Analysis& a, const MapInfo& map);
/// Of a struct of the program's BTF.
const Record* record_of_struct(Analysis& a, uint32_t btf_id);

}  // namespace skep::verifier
